"""The vectors of words that a run has learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from trainings import netspec, printed

from netspec import api
from netspec.diagnostics import ChoiceError

SPEC = """\
netspec: 1
name: words
data:
  source: {lines: {path: {no: no.txt, yes: yes.txt}}}
  fields:
    words: {tokens: {of: text, max_size: 30}}
    letters: {tokens: {of: text, unit: character}}
    label: {category: file}
network:
  inputs: {words: [T], letters: [S]}
  layers:
    - embedding: {size: 3, from: words, name: vectors}
    - mean_over_time: {name: of_words}
    - embedding: {size: 4, from: letters, name: letter_vectors}
    - mean_over_time: {name: of_letters}
    - concat: [of_words, of_letters]
    - dense: 2
loss: cross_entropy
optimizer: sgd
train: {epochs: 1, batch: full}
"""
WORDS = ("king", "queen", "man", "woman", "child")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    (folder / "no.txt").write_text("king queen man\nking king")
    (folder / "yes.txt").write_text("woman child queen\nking man woman queen")
    (folder / "words.yaml").write_text(SPEC)
    return api.train(folder / "words.yaml", out=folder / "run").run


def test_near_is_a_large_cosine(run: Path) -> None:
    found = api.vectors(run, "vectors")
    assert (found.words[0], set(found.words[1:])) == ("<unk>", set(WORDS))
    table = {word: load_file(run / "best.safetensors")["vectors.table"][i] for i, word in enumerate(found.words)}
    unit = {word: row / np.linalg.norm(row) for word, row in table.items()}
    cosines = {word: float(unit["king"] @ unit[word]) for word in WORDS if word != "king"}
    near = found.nearest("king")
    assert [word for word, _ in near] == sorted(cosines, key=cosines.__getitem__, reverse=True)
    assert dict(near) == pytest.approx(cosines, abs=1e-6)
    target = unit["king"] - unit["man"] + unit["woman"]
    ((best, _),) = found.analogy("man", "king", "woman", count=1)
    assert best == max(("queen", "child"), key=lambda word: unit[word] @ target)


def test_the_text_of_word2vec(run: Path, tmp_path: Path) -> None:
    found, path = api.vectors(run, "vectors"), tmp_path / "words.txt"
    found.save_word2vec(path)
    heading, *lines = path.read_text().splitlines()
    assert heading == "6 3"
    assert tuple(line.split()[0] for line in lines) == found.words
    numbers = np.array([line.split()[1:] for line in lines], np.float32)
    assert np.array_equal(numbers, found.table)
    with pytest.raises(ChoiceError, match="is there already"):
        found.save_word2vec(path)
    found.save_word2vec(path, force=True)
    with pytest.raises(ChoiceError, match="separates by blanks"):
        api.vectors(run, "letter_vectors").save_word2vec(tmp_path / "letters.txt")


def test_what_is_asked_for_in_vain(run: Path) -> None:
    with pytest.raises(ChoiceError, match="2 layers: `vectors`, `letter_vectors`") as raised:
        api.vectors(run)
    assert raised.value.diagnostics[0].helps == ("name one: `--layer vectors`",)
    with pytest.raises(ChoiceError, match="no layer `vector`") as raised:
        api.vectors(run, "vector")
    assert raised.value.diagnostics[0].helps == ("did you mean `vectors`?",)
    with pytest.raises(ChoiceError, match="`kings` is none of the 6 tokens") as raised:
        api.vectors(run, "vectors").nearest("kings")
    assert raised.value.diagnostics[0].helps == ("did you mean `king`?",)


def test_as_a_command(run: Path) -> None:
    said = ("vectors", run, "--layer", "vectors")
    facts = printed(netspec(*said, "--nearest", "man", "--count", "2", "--json", cwd=run))
    assert [one["word"] for one in facts["nearest"]] == [w for w, _ in api.vectors(run, "vectors").nearest("man", 2)]
    assert netspec(*said, cwd=run).stdout == "vectors: 6 vectors of 3 numbers\n"
    netspec(*said, "--save", "word2vec", "-o", "out.txt", cwd=run)
    assert (run / "out.txt").read_text().startswith("6 3\n<unk> ")
