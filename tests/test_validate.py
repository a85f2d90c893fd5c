"""What `api.validate` finds beyond single specs: memory that a spec expects, and many specs in several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec import api

SPEC = """\
netspec: 1
data: {source: {sklearn: digits}}
network:
  inputs: {image: [8, 8, 1]}
  layers: [flatten, {dense: 10}]
loss: cross_entropy
optimizer: {sgd: 0.1}
train: {epochs: 1, batch: BATCH}
expect: {peak_bytes: "<= TRAINED", predict: {peak_bytes: PREDICTED}}
"""


def spec(path: Path, batch: int | str, trained: int, predicted: int) -> Path:
    facts = {"BATCH": str(batch), "TRAINED": str(trained), "PREDICTED": str(predicted)}
    text = SPEC
    for word, value in facts.items():
        text = text.replace(word, value)
    path.write_text(text)
    return path


def test_memory_is_held_as_show_tells_it(tmp_path: Path) -> None:
    loose = spec(tmp_path / "a.yaml", 32, 10**9, 1)
    (checked,) = api.validate([loose])
    (wrong,) = checked.diagnostics
    peaks = api.compile(loose.read_text().partition("expect:")[0]).summary()["peak_bytes"]
    assert wrong.message.startswith(f"`predict.peak_bytes` is {peaks['predict']['bytes']},")
    trained, predicted = peaks["train"]["bytes"], peaks["predict"]["bytes"]
    (checked,) = api.validate([spec(tmp_path / "b.yaml", 32, trained, predicted)])
    assert (checked.diagnostics, checked.waiting) == ((), ())
    assert api.evaluate(tmp_path / "b.yaml", check=True).passed
    (checked,) = api.validate([spec(tmp_path / "c.yaml", 32, trained - 1, predicted)])
    assert [d.code for d in checked.diagnostics] == ["expectation-failed"]


def test_memory_that_waits_for_the_data_is_told(tmp_path: Path) -> None:
    """How many rows a step takes, where it takes all, is known once they are there."""
    loose = spec(tmp_path / "a.yaml", "full", 1, 1)
    (checked,) = api.validate([loose])
    assert checked.waiting == ("`peak_bytes` waits for the data",)


@pytest.mark.parametrize("jobs", [2, 5])
def test_processes_give_what_one_gives_in_its_order(jobs: int, tmp_path: Path) -> None:
    """Notes keep their places on the way, and the text of what is named `-` is that of standard input."""
    for n in range(8):
        (tmp_path / f"{n}.yaml").write_text(
            f"netspec: 1\nnetwork: {{inputs: {{x: [8, 8, {n + 1}]}}, layers: [{{dense: 3}}]}}\n"
        )
    names = [*sorted(tmp_path.glob("*.yaml")), "-", tmp_path / "none.yaml"]
    one, several = (api.validate(names, stdin="netspec: 1\n", jobs=n) for n in (1, jobs))
    assert [(s.name, s.diagnostics, s.sources) for s in several] == [(s.name, s.diagnostics, s.sources) for s in one]
    notes = [[note.span for d in s.diagnostics for note in d.notes if hasattr(note, "span")] for s in several]
    assert notes == [[note.span for d in s.diagnostics for note in d.notes if hasattr(note, "span")] for s in one]
    assert notes[0]
