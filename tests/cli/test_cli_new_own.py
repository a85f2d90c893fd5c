"""`netspec new` for data of one's own: templates, and what is proposed for a CSV file; all of it trains at once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from netspec import api
from netspec.api.writing import EDITOR_LINE
from netspec.spec.check import check
from netspec.spec.layout.canonical import canonical

Run = Callable[..., Result]


def houses(rows: int = 60) -> str:
    """Numbers with a gap, a category, and columns of which nothing can be learnt."""
    draw = random.Random(0)
    lines = ["id,area,rooms,city,note,country,price"]
    for i in range(1, rows + 1):
        area = draw.randint(30, 200)
        city = draw.choice(["Rome", "Oslo", "Bern"])
        lines.append(f'{i},{area if i % 9 else "NA"},{i % 5 + 1},{city},"note {i}",EU,{area * 3000 + i}')
    return "\n".join(lines) + "\n"


def written(run: Run, tmp_path: Path, text: str, *options: str) -> str:
    """The spec that is proposed for a CSV file; it is sound, canonical, and trains."""
    (tmp_path / "data.csv").write_text(text)
    done = run("new", "--data", "data.csv", *options)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "wrote data.yaml\n"
    spec = tmp_path / "data.yaml"
    assert not check(spec).report.diagnostics
    found = spec.read_text()
    assert canonical(found, "data.yaml") == found
    assert api.train(spec, steps=2).run.is_dir()
    assert found.startswith(EDITOR_LINE)
    return found


@pytest.mark.parametrize("name", ["table", "image", "text", "sequence"])
def test_templates_are_sound_and_train(run: Run, tmp_path: Path, name: str) -> None:
    assert run("new", name).exit_code == 0
    spec = tmp_path / f"{name}.yaml"
    assert not check(spec).report.diagnostics
    assert canonical(spec.read_text(), spec.name) == spec.read_text()
    assert api.train(spec, steps=2).run.is_dir()
    assert run("new", name).exit_code == 2


def test_templates_stand_before_the_gallery(run: Run) -> None:
    assert [entry["name"] for entry in json.loads(run("new", "--json").stdout)["templates"]] == [
        "table",
        "image",
        "text",
        "sequence",
    ]
    assert run("new").stdout.startswith("template")


def test_no_file_of_a_template_is_overwritten(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("mine")
    assert run("new", "text").exit_code == 2
    assert (tmp_path / "text.csv").read_text() == "mine"
    assert not (tmp_path / "text.yaml").exists()


def test_numbers_are_learnt_with_all_reasons_told(run: Run, tmp_path: Path) -> None:
    text = written(run, tmp_path, houses())
    assert "source: {csv: {path: data.csv, missing: [NA]}}" in text
    assert "#   id: only numbers the rows" in text
    assert "#   note: text: " in text
    assert "#   country: the same in every row" in text
    assert "x: {number: {of: [area, rooms], missing: median}}" in text
    assert "city: {one_hot: {of: city, classes: [Bern, Oslo, Rome]}}" in text
    assert "price: {number: {of: price, standardize: true}}" in text
    assert "loss: {mse: {target: price}}" in text
    assert "inputs: {x: [2], city: [3]}" in text


def test_classes_are_learnt_where_the_target_holds_few_texts(run: Run, tmp_path: Path) -> None:
    text = written(run, tmp_path, houses(), "--target", "city")
    assert "city: {category: {of: city, classes: [Bern, Oslo, Rome]}}" in text
    assert "loss: {cross_entropy: {target: city}}" in text
    assert "units: 3, name: prediction" in text


def test_larger_tables_are_split_in_three(run: Run, tmp_path: Path) -> None:
    assert "split: {validation: 0.15, test: 0.15}" in written(run, tmp_path, houses(600))


def test_uneven_classes_are_weighed(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"{i * 7 % 31},{i * 5 % 17},{'rare' if i % 6 == 0 else 'common'}\n" for i in range(90))
    text = written(run, tmp_path, f"a,b,kind\n{rows}")
    assert "class_weight: balanced" in text
    assert "stratify: kind" in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a;b;c\n" + "".join(f"{i},5;{i % 7},25;{'xyz'[i % 3]}\n" for i in range(30)), 'delimiter: ";", decimal: ","'),
        ("a\tb\n" + "".join(f"{i % 7}\t{i % 2}\n" for i in range(30)), 'delimiter: "\\t"'),
        ('"a, b","c ""d""",e\n' + "".join(f'"{i % 7}","x, {i % 3}",{i % 2}\n' for i in range(30)), 'number: "*"'),
        ("".join(f"{i % 7}.5,{i % 5}.25,{i * i}.5\n" for i in range(30)), "header: false"),
        ("a b,c d,e\n" + "".join(f"{i % 7},{i % 5},{i % 2}\n" for i in range(30)), 'x: {number: "*"}'),
        ("a b,id,e\n" + "".join(f"{i % 7},{i},{i % 2}\n" for i in range(30)), "unread: {number: {of: [id]"),
    ],
)
def test_the_form_of_the_file_is_seen(run: Run, tmp_path: Path, text: str, says: str) -> None:
    assert says in written(run, tmp_path, text)


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        (houses(), ("--target", "prise"), 2, "did you mean `price`?"),
        (houses(), ("--target", "country"), 2, "nothing can be learnt of `country`: it is the same in every row"),
        (houses(), ("--target", "note"), 2, "60 different texts, which are too many to be classes"),
        ("a,the price\n1,1.5\n2,2.5\n3,3.75\n", (), 2, "rename it in the first line of data.csv"),
        ("a,b\n1,2\n1,3\n", (), 2, "no column of data.csv but `b` is a number or a category"),
        ("a,b\n1,2\n1,3\n", (), 2, "note: `a`: the same in every row"),
        ("a\n1\n2\n", (), 2, "`a` is the only column of data.csv"),
        ("a,b\n1\n", (), 1, "error[ragged-row]"),
        ("", (), 1, "error[no-rows]"),
    ],
)
def test_what_cannot_be_proposed_is_told(
    run: Run, tmp_path: Path, text: str, options: tuple[str, ...], code: int, words: str
) -> None:
    (tmp_path / "data.csv").write_text(text)
    done = run("new", "--data", "data.csv", *options)
    assert done.exit_code == code
    assert words in done.stderr
    assert not (tmp_path / "data.yaml").exists()


def test_paths_are_seen_from_the_spec(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(houses())
    assert run("new", "data.csv", "-o", "specs/mine.yaml").stdout == f"wrote {Path('specs', 'mine.yaml')}\n"
    assert "path: ../data.csv" in (tmp_path / "specs" / "mine.yaml").read_text().replace('"', "")
    again = run("new", "--data", "data.csv", "-o", "specs/mine.yaml")
    assert again.exit_code == 2
    assert "error[file-exists]" in again.stderr
    assert run("new", "digits", "--data", "data.csv").exit_code == 2
    assert run("new", "digits", "--target", "x").exit_code == 2
