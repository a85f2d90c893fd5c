"""Includes, overrides and ``${}``: in this order, with the place of what went wrong."""

from __future__ import annotations

from contextvars import copy_context
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.diagnostics import SpecError, render
from netspec.spec.arithmetic import InterpolationError, evaluate
from netspec.spec.check import check
from netspec.spec.document import examine, load
from netspec.spec.include import allow_folders
from netspec.spec.tree import plain
from netspec.tensortype import size

NETWORK = "network: {inputs: {x: [2]}, layers: [{dense: '${n}'}]}\n"


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / "spec.yaml"


def tree(path: Path, *overrides: str) -> dict[str, object]:
    return dict(plain(load(path, overrides).tree))


def test_later_files_win_and_the_spec_over_all(tmp_path: Path) -> None:
    spec = write(
        tmp_path,
        a="vars: {n: 1, m: [1, 2]}\noptimizer: {sgd: {lr: 0.1, momentum: 0.5}}\n",
        b="vars: {n: 2, m: [3]}\n" + NETWORK,
        spec="netspec: 1\ninclude: [a.yaml, b.yaml]\noptimizer: {sgd: {lr: 0.3}}\n",
    )
    found = tree(spec)
    assert found["vars"] == {"n": 2, "m": [3]}
    assert found["optimizer"] == {"sgd": {"lr": 0.3, "momentum": 0.5}}


def test_includes_are_relative_to_their_own_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", one="include: two.yaml\n", two="vars: {n: 7}\n")
    spec = write(tmp_path, spec="netspec: 1\ninclude: deep/one.yaml\n" + NETWORK)
    assert tree(spec)["vars"] == {"n": 7}


def test_fault_in_an_included_file_is_shown_there(tmp_path: Path) -> None:
    spec = write(tmp_path, a="vars: {n: 0}\ntrain: {epoch: 3}\n", spec="netspec: 1\ninclude: a.yaml\n" + NETWORK)
    _, report = examine(spec)
    places = [(Path(d.span.file).name, d.span.line, d.code) for d in report.diagnostics if d.span]
    assert ("a.yaml", 2, "unknown-key") in places
    assert all(render(d, report.sources) for d in report.diagnostics)


def test_one_file_may_be_included_twice(tmp_path: Path) -> None:
    spec = write(
        tmp_path, a="vars: {n: 1}\n", b="include: a.yaml\n", spec="netspec: 1\ninclude: [a.yaml, b.yaml]\n" + NETWORK
    )
    assert tree(spec)["vars"] == {"n": 1}


def test_longer_cycles_are_named(tmp_path: Path) -> None:
    spec = write(tmp_path, a="include: b.yaml\n", b="include: a.yaml\n", spec="netspec: 1\ninclude: a.yaml\n" + NETWORK)
    _, report = examine(spec)
    (cycle,) = [d for d in report.diagnostics if d.code == "include-cycle"]
    assert "a.yaml > b.yaml > a.yaml" in cycle.message


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("vars.n=5", "vars", {"n": 5}),
        ("train.seed=3", "train", {"seed": 3}),
        ("optimizer=adam", "optimizer", "adam"),
        ("optimizer.adam.lr=1e-3", "optimizer", {"adam": {"lr": 0.001}}),
        ("metrics=[]", "metrics", []),
        ("name=a=b", "name", "a=b"),
        ('name="1"', "name", "1"),
    ],
)
def test_overrides_are_yaml(tmp_path: Path, override: str, key: str, value: object) -> None:
    spec = write(tmp_path, spec="netspec: 1\nvars: {n: 1}\n" + NETWORK)
    document, _ = examine(spec, [override])
    assert document is not None
    assert plain(document.tree)[key] == value


@pytest.mark.parametrize(
    ("override", "code", "column"),
    [
        ("vars.n", "bad-override", 1),
        ("=3", "bad-override", 1),
        ("a..b=3", "bad-override", 1),
        ("network.layers.0=3", "bad-override", 1),
        ("vars.n=", "null-value", 8),
        ("vars.n=[1", "yaml-syntax", 10),
        ("train.epochs=many", "wrong-type", 14),
        ("trian.epochs=3", "unknown-key", 1),
    ],
)
def test_bad_overrides_are_shown_as_they_were_typed(tmp_path: Path, override: str, code: str, column: int) -> None:
    spec = write(tmp_path, spec="netspec: 1\nvars: {n: 1}\n" + NETWORK)
    _, report = examine(spec, ["train.seed=1", override])
    (d,) = report.diagnostics
    assert d.span is not None
    assert (d.code, d.span.file, d.span.line, d.span.column) == (code, "--set", 2, column)
    assert override in render(d, report.sources)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("2 ** -1.0", 0.5),
        ("1e-3 * 2", 0.002),
        ("7 / 2.0", 3.5),
        ("n", 4),
        ("data.w.size * 2", size("|w|") * 2),
        ("+n - -n", 8),
        ("0 ** 100", 0),
        ("(-1) ** 101", -1),
    ],
)
def test_arithmetic(text: str, value: object) -> None:
    found = evaluate(text, {"n": 4, "data.w.size": size("|w|")}.__getitem__)
    assert found == value
    assert type(found) is type(value)


@given(st.text(alphabet="0123456789.e+-*/%() nx", max_size=30))
def test_arithmetic_agrees_with_python_or_refuses(text: str) -> None:
    try:
        found = evaluate(text, {"n": 4, "x": 0.5}.__getitem__)
    except (InterpolationError, KeyError):
        return
    source = "".join(f" {part} " for part in [text.strip()])
    try:
        expected = eval(compile(source.strip(), "", "eval"), {"n": 4, "x": 0.5})
    except (SyntaxError, SyntaxWarning):
        return  # numbers such as 007, which Python refuses
    assert found == expected or str(found) == str(expected)


def test_interpolation_keeps_types_and_escapes() -> None:
    document, _ = examine(
        "netspec: 1\nvars: {n: 3, f: 0.5, t: true, s: ab, l: [1], deep: '${n + 1}'}\n"
        "train: {a: '${n}', b: '${f}', c: '${t}', d: 'x${n}${s}', e: '$${n}', f: '${l}', g: '${ deep * 2 }', h: '$n'}\n"
    )
    assert document is not None
    found = {"a": 3, "b": 0.5, "c": True, "d": "x3ab", "e": "${n}", "f": [1], "g": 8, "h": "$n"}
    assert plain(document.tree)["train"] == found


def test_a_name_without_a_value_hides_no_fault_beside_it() -> None:
    _, report = examine("netspec: 1\nvars: {n: '${gone}'}\nname: 'a${lost}b${far + n}c${n +}d${n * 2}'\n" + NETWORK)
    assert {d.message for d in report.diagnostics} == {
        *(f"there is no `{name}` in `vars`" for name in ("gone", "lost", "far")),
        "`${n +}`: it ends too soon",
    }


def test_load_raises_everything_at_once() -> None:
    with pytest.raises(SpecError) as raised:
        load("netspec: 2\nname: No\nnetwork: {inputs: {x: [0]}, layers: [dens]}\n")
    assert [d.code for d in raised.value.diagnostics] == ["version", "bad-name", "out-of-range", "unknown-kind"]
    assert raised.value.render().count("<text>:") == 4


@pytest.mark.parametrize("form", ["['${%s}', '${%s}', '${%s}']", "'${%s}${%s}${%s}'"])
def test_variables_cannot_blow_up(form: str) -> None:
    names = [f"v{i}" for i in range(60)]
    pairs = ", ".join(f"{a}: {form % (b, b, b)}" for a, b in pairwise(names))
    _, report = examine(f"netspec: 1\nvars: {{{pairs}, v59: abc}}\n" + NETWORK.replace("${n}", "${v0}"))
    assert "too-large" in {d.code for d in report.diagnostics}


# --- the folder of a spec ---


def test_include_stays_in_the_folder_of_the_spec(tmp_path: Path) -> None:
    write(tmp_path, common="vars: {n: 7}\n")
    inner = write(tmp_path / "inner", spec="netspec: 1\ninclude: ../common.yaml\n" + NETWORK)
    (found,) = check(inner).report.diagnostics
    assert (found.code, found.span and found.span.line) == ("outside-folder", 2)
    assert "--allow-include" in found.helps[0]
    write(tmp_path / "inner", spec="netspec: 1\ninclude: sub/../link.yaml\n" + NETWORK)
    (tmp_path / "inner" / "link.yaml").symlink_to(tmp_path / "common.yaml")
    found = check(inner).report.diagnostics[0]
    assert (found.code, f"--allow-include {tmp_path}`" in found.helps[0]) == ("outside-folder", True)


def test_files_that_are_included_stay_in_the_folder_too(tmp_path: Path) -> None:
    write(tmp_path, common="vars: {n: 7}\n")
    write(tmp_path / "inner" / "deep", one="include: ../two.yaml\n", three="include: ../../common.yaml\n")
    spec = write(tmp_path / "inner", two="vars: {n: 3}\n", spec="netspec: 1\ninclude: deep/one.yaml\n" + NETWORK)
    assert not check(spec).report.failed
    spec = write(tmp_path / "inner", spec="netspec: 1\ninclude: deep/three.yaml\n" + NETWORK)
    assert [d.code for d in check(spec).report.diagnostics] == ["outside-folder"]


def test_other_folders_can_be_allowed(tmp_path: Path) -> None:
    write(tmp_path / "common", one="vars: {n: 7}\n")
    spec = write(tmp_path / "inner", spec="netspec: 1\ninclude: ../common/one.yaml\n" + NETWORK)
    assert check(spec).report.failed

    def allowed() -> bool:
        allow_folders([tmp_path / "common"])
        return not check(spec).report.failed

    assert copy_context().run(allowed)
    assert check(spec).report.failed
