"""Language models that make text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trainings import netspec, printed

from netspec import api
from netspec.catalog.layers.recurrent import Recurrence
from netspec.diagnostics import ChoiceError, DataError
from netspec.runs.run import Run
from netspec.train.decoding import Decoder
from netspec.train.generating import Drawing
from netspec.train.opening import scaling_constants
from netspec.train.predictor import Predictor

SPEC = """\
netspec: 1
name: letters
data: {source: {stream: {path: text.txt, unit: UNIT, steps: 12}}}
network:
  inputs: {tokens: [T]}
  layers: [embedding: 8, LAYER: {units: 24, carry: true}, {dense: "${data.tokens.size}"}]
loss: {cross_entropy: {target: next}}
optimizer: {adam: {lr: 0.02}}
train: {epochs: EPOCHS, batch: 4, seed: 1}
"""


def trained(folder: Path, text: str, unit: str = "character", layer: str = "gru", epochs: int = 12) -> Path:
    """The run of a small language model of a text."""
    (folder / "text.txt").write_text(text)
    spec = folder / "letters.yaml"
    spec.write_text(SPEC.replace("UNIT", unit).replace("LAYER", layer).replace("EPOCHS", str(epochs)))
    return api.train(spec, out=folder / "run").run


@pytest.fixture(scope="module")
def alphabet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("alphabet"), "abcdefg " * 120)


def test_the_text_goes_on(alphabet: Path) -> None:
    made = api.generate(alphabet, "cde", length=13, temperature=0)
    assert (made.text, made.tokens, made.whole) == ("fg abcdefg ab", 13, "cdefg abcdefg ab")
    assert api.generate(alphabet, "cde", length=13, top_k=1, seed=9).text == made.text


def test_the_same_seed_draws_the_same_text(alphabet: Path) -> None:
    drawn = [api.generate(alphabet, "ab", length=60, temperature=4, seed=seed).text for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert api.generate(alphabet, "ab", length=20, temperature=4, seed=3).text == drawn[0][:20]


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    shares = np.array([0.5, 0.0, 0.3, 0.2], np.float32)
    counts = np.bincount([Drawing(seed=5).draw(shares, i) for i in range(4000)], minlength=4) / 4000
    assert counts == pytest.approx(shares, abs=0.03)
    cold = np.bincount([Drawing(0.5, 2, 5).draw(shares, i) for i in range(4000)], minlength=4) / 4000
    assert cold == pytest.approx([25 / 34, 0, 9 / 34, 0], abs=0.03)


@pytest.mark.parametrize("layer", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("goes_on", [True, False])
def test_steps_one_by_one_give_what_all_at_once_do(
    layer: str, goes_on: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(tmp_path, "the quick brown fox " * 9, layer=layer, epochs=1)
    monkeypatch.setattr(Recurrence, "resumes", goes_on)
    predictor = Predictor(Run(run))
    classes = predictor.fitted.fields["tokens"].type.classes or ()
    tokens = np.array([[classes.index(letter) for letter in "quick brown"]])
    ((output, whole),) = predictor.outputs(
        {"tokens": np.concatenate([tokens[0], np.zeros(40)]).astype(np.uint16), "tokens.starts": np.zeros(1, np.int64),
         "tokens.lengths": np.array([11], np.int32)}, 1,
    ).items()  # fmt: skip
    decoder, row = Decoder(predictor.program, scaling_constants(predictor.fitted), seed=0), np.zeros(1, np.int64)
    assert (output, decoder.goes_on) == ("dense_1", goes_on)
    decoder.load(predictor.weights)
    decoder.begin({}, row, 1, 11)
    for _ in range(2):
        decoder.anew(row)
        for start, stop in ((0, 3), (3, 4), (4, 9), (9, 10)):
            assert np.array_equal(decoder.advance(row, tokens[:, start:stop])[0], whole[0][stop - 1])
    decoder.close()


def test_words_stand_apart_and_lines_end(tmp_path: Path) -> None:
    run = trained(tmp_path, "the cat sat\non the mat\n" * 40, "word")
    assert api.generate(run, "the cat", length=6, temperature=0).whole == "the cat sat\non the mat\n"
    assert api.generate(run, length=7, temperature=0).text in ("the cat sat\non the mat", "on the mat\nthe cat sat")


def test_as_a_command(alphabet: Path) -> None:
    said = ("generate", alphabet, "--prompt", "abc")
    found = printed(netspec(*said, "--length", "5", "--temperature", "0", "--json", cwd=alphabet))
    assert {key: found[key] for key in ("prompt", "text", "tokens", "seed")} == {
        "prompt": "abc", "text": "defg ", "tokens": 5, "seed": 0,
    }  # fmt: skip
    assert netspec(*said, "--length", "4", "--top-k", "1", cwd=alphabet).stdout == "abcdefg\n"


def test_what_makes_no_text_is_told(alphabet: Path, tmp_path: Path) -> None:
    spec = tmp_path / "xor.yaml"
    spec.write_text(
        "netspec: 1\ndata: {source: {logic: xor}}\nnetwork: {inputs: {x: [2]}, layers: [dense: 1]}\n"
        "loss: mse\noptimizer: sgd\ntrain: {epochs: 1}\n"
    )
    run = api.train(spec, out=tmp_path / "xor").run
    with pytest.raises(ChoiceError, match="does not make sequences"):
        api.generate(run, "abc")
    (tmp_path / "text.txt").write_text("abcdefg " * 20)
    spec = tmp_path / "strict.yaml"
    strict = SPEC.replace("steps: 12", "steps: 12, unknown: false").replace("UNIT", "character")
    spec.write_text(strict.replace("LAYER", "rnn").replace("EPOCHS", "1"))
    run = api.train(spec, out=tmp_path / "strict").run
    with pytest.raises(DataError, match=r"the prompt.*`z` is none of the 8 tokens"):
        api.generate(run, "abz")
