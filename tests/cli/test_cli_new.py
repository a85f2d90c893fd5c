"""`netspec new`: the gallery, and what it writes; in a checkout and from a wheel in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from netspec import api
from netspec.api.writing import EDITOR_LINE
from netspec.data.source import Source

Run = Callable[..., Result]

CHECKOUT = Path(__file__).parents[2]
SPECS = CHECKOUT / "specs"


def test_the_gallery_has_a_line_for_each_spec_whose_data_come_along(run: Run) -> None:
    listed = json.loads(run("new", "--json").stdout)["gallery"]
    names = [entry["name"] for entry in listed]
    assert {"digits", "xor", "units/and"} <= set(names)
    assert not {"mnist/mlp", "mpg"} & set(names)
    assert all(entry["summary"] and "\n" not in entry["summary"] for entry in listed)
    text = run("new").stdout.partition("\n\n")[2]
    assert [line.split()[0] for line in text.splitlines()[1:]] == names


def test_every_source_knows_whether_its_data_come_along() -> None:
    assert {kind for kind in Source.kinds if Source.kinds[kind].comes_along} >= {
        "rows",
        "logic",
        "sklearn",
        "playground",
    }
    assert not any(Source.kinds[kind].comes_along for kind in ("csv", "idx", "mnist", "npy", "npz", "parquet"))


@pytest.mark.parametrize("name", [entry.name for entry in api.gallery()])
def test_what_is_written_is_the_spec_as_it_stands(run: Run, tmp_path: Path, name: str) -> None:
    done = run("new", name, "-o", "here/spec.yaml")
    assert done.exit_code == 0
    text = (SPECS / f"{name}.yaml").read_bytes()
    assert (tmp_path / "here" / "spec.yaml").read_bytes() == EDITOR_LINE.encode() + text
    verb = done.stderr.split()[2]
    assert (verb == "train") == ("\noptimizer:" in (SPECS / f"{name}.yaml").read_text(encoding="utf-8"))


def test_names_go_by_their_last_part_where_one_alone_has_it(run: Run, tmp_path: Path) -> None:
    assert run("new", "convex_region").exit_code == 0
    assert (tmp_path / "convex_region.yaml").exists()
    several = run("new", "and")
    assert several.exit_code == 2
    assert "`netspec new perceptron/and` or `netspec new units/and`" in several.stderr


def test_a_file_in_place_of_a_folder_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = run("new", "wine", "-o", "file/wine.yaml")
    assert done.exit_code == 4
    assert "a file stands where a folder is to be" in done.stderr


def test_no_file_is_overwritten(run: Run, tmp_path: Path) -> None:
    (tmp_path / "xor.yaml").write_text("mine")
    done = run("new", "xor")
    assert done.exit_code == 2
    assert "error[file-exists]" in done.stderr
    assert (tmp_path / "xor.yaml").read_text() == "mine"
    (tmp_path / "folder").mkdir()
    assert run("new", "xor", "-o", "folder").stdout == f"wrote {Path('folder', 'xor.yaml')}\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tabel", "there is no template `tabel`\n   = help: did you mean `netspec new table`?"),
        ("digts", "did you mean `netspec new digits`?"),
        ("associations", "did you mean `netspec new hebbian/association`?"),
        ("mnist/mlp", "`mnist/mlp` is not in the gallery: its data, `mnist`, do not come with netspec"),
        ("../pyproject", "the gallery has no `../pyproject`"),
    ],
)
def test_what_the_gallery_lacks_gets_an_answer(run: Run, tmp_path: Path, name: str, words: str) -> None:
    before = set(tmp_path.iterdir())
    done = run("new", name)
    assert done.exit_code == 2
    assert words in done.stderr
    assert set(tmp_path.iterdir()) == before


def test_train_leads_from_an_empty_folder_to_the_gallery(run: Run, tmp_path: Path) -> None:
    assert "There are:\n  digits.yaml" in run("train").stderr
    (tmp_path / "digits.yaml").unlink()
    assert "There is none in this folder; `netspec new` lists specs to begin with" in run("train").stderr
    assert "there is no file `wine.yaml`; `netspec new wine` writes one" in run("train", "wine.yaml").stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with netspec as its wheel has it, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for command in (
        ["-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")],
        ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder / "site"), "--find-links",
         str(folder / "dist"), "netspec"],
    ):  # fmt: skip
        done = subprocess.run([sys.executable, *command], cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_a_wheel_brings_the_gallery(installed: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("NETSPEC_DATA", "NETSPEC_RUNS")}

    def netspec(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "netspec", *arguments],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert not (installed / "specs").exists()
    listed = netspec("new").partition("\n\n")[2].splitlines()[1:]
    assert [line.split()[0] for line in listed] == [entry.name for entry in api.gallery()]
    assert netspec("new", "text") == "wrote text.yaml\n"
    assert "what netspec says of it:" in netspec("explain", "dead-layer")
    assert netspec("new", "digits") == "wrote digits.yaml\n"
    netspec("train", "digits.yaml")
    netspec("evaluate", "@last", "--check")
