"""Vectors of words beside gensim's, by one measure: `python -m benchmarks.vectors split|gensim|run|measure ...`.

``split TEXT FOLDER`` writes every tenth line to FOLDER/test.txt, the others to FOLDER/train.txt. ``gensim KIND TEXT
OUT`` trains gensim (which is no part of netspec's environment: this file then needs NumPy and gensim alone), ``run RUN
OUT`` takes a trained run, and ``measure FOLDER QUESTIONS OUT...`` tells what each of them is worth.
"""

from __future__ import annotations

import argparse
from collections import Counter
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
SAMPLES = 20_000
AT_ONCE = 500


def split(text: Path, folder: Path) -> None:
    lines = text.read_text(encoding="utf-8").splitlines()
    for name, wanted in (("train", False), ("test", True)):
        kept = [line for i, line in enumerate(lines) if (i % 10 == 9) == wanted]
        (folder / f"{name}.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")


def train_gensim(kind: str, text: Path, out: Path, alpha: float, threads: int, seed: int) -> None:
    """Train with the settings of specs/word2vec, say how long it took, and keep both tables."""
    module = import_module("gensim.models.word2vec")
    given = {"vector_size": 100, "window": 5, "negative": 5, "min_count": 5, "sample": 1e-3, "epochs": 5}
    start = perf_counter()
    sentences = module.LineSentence(str(text))
    given |= {"sg": int(kind == "skipgram"), "cbow_mean": 1, "alpha": alpha, "min_alpha": 1e-4}
    model = module.Word2Vec(sentences, **given, workers=threads, seed=seed)
    seconds = perf_counter() - start
    print(f"{seconds:.2f} s, {5 * model.corpus_total_words / seconds:,.0f} words/s")
    np.savez(out, words=np.array(model.wv.index_to_key), table=model.wv.vectors, scores=model.syn1neg)


def take_run(run: Path, out: Path) -> None:
    api = import_module("netspec.api")
    found, weights = api.vectors(run, "vectors"), import_module("safetensors.numpy").load_file(run / "best.safetensors")
    kept = [i for i, word in enumerate(found.words) if word != "<unk>"]
    words, scores = np.array(found.words)[kept], weights["scores.kernel"].T[kept]
    np.savez(out, words=words, table=found.table[kept], scores=scores)


def analogies(words: list[str], table: Array, questions: Path) -> tuple[float, int]:
    """The share of questions that `b - a + c` answers, and how many all words of are known; case counts for nothing."""
    index: dict[str, int] = {}
    for i, word in enumerate(words):
        index.setdefault(word.upper(), i)  # the most frequent of a word's spellings
    rows = sorted(index.values())
    unit = table[rows] / np.maximum(np.linalg.norm(table[rows], axis=1, keepdims=True), 1e-12)
    place = {row: i for i, row in enumerate(rows)}
    asked = [line.upper().split() for line in questions.read_text().splitlines() if not line.startswith(":")]
    known = np.array([[place[index[word]] for word in four] for four in asked if all(word in index for word in four)])
    right = 0
    for part in np.split(known, range(AT_ONCE, len(known), AT_ONCE)):
        a, b, c, d = part.T
        cosines = (unit[b] - unit[a] + unit[c]) @ unit.T
        for given in (a, b, c):
            cosines[np.arange(len(part)), given] = -np.inf
        right += int((cosines.argmax(axis=1) == d).sum())
    return right / len(known), len(known)


def ranks(words: list[str], table: Array, scores: Array, folder: Path, *, whole: bool) -> Array:
    """The rank of a word among all, of its held-out neighbours' mean vector (``whole``) or one of them.

    Scores of negative sampling are logarithms of how much more often than when drawn: so that of drawing is added.
    """
    counts = Counter((folder / "train.txt").read_text(encoding="utf-8").split())
    drawn = 0.75 * np.log([max(counts[word], 1) for word in words])
    index = {word: i for i, word in enumerate(words)}
    pairs = []
    for line in (folder / "test.txt").read_text(encoding="utf-8").splitlines():
        row = [index[word] for word in line.split() if word in index]
        pairs += [(word, row[max(0, i - 5) : i] + row[i + 1 : i + 6]) for i, word in enumerate(row) if len(row) > 1]
    rng = np.random.default_rng(0)
    chosen = [pairs[i] for i in rng.choice(len(pairs), SAMPLES, replace=False)]
    found = []
    for first in range(0, SAMPLES, AT_ONCE):
        part = chosen[first : first + AT_ONCE]
        near = [context if whole else [context[rng.integers(len(context))]] for _, context in part]
        z = np.stack([table[context].mean(axis=0) for context in near]) @ scores.T + drawn
        own = z[np.arange(len(part)), [word for word, _ in part]]
        found.append((z > own[:, None]).sum(axis=1) + 1)
    return np.concatenate(found)


def measure(folder: Path, questions: Path, files: list[Path], *, whole: bool) -> None:
    for path in files:
        held = np.load(path)
        words, table = held["words"].tolist(), held["table"]
        share, count = analogies(words, table, questions)
        rank = ranks(words, table, held["scores"], folder, whole=whole)
        print(
            f"{path}: {len(words)} words; rank mean {rank.mean():.0f}, median {np.median(rank):.0f}, "
            f"mean of 1/rank {(1 / rank).mean():.4f}; {share:.4f} of {count} analogies"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["split", "gensim", "run", "measure"])
    parser.add_argument("given", nargs="+")
    parser.add_argument("--alpha", type=float, default=0.025)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", action="store_true", help="rank by one neighbour, as skip-gram learns")
    said = parser.parse_args()
    if said.what == "split":
        split(Path(said.given[0]), Path(said.given[1]))
    elif said.what == "gensim":
        kind, text, out = said.given
        train_gensim(kind, Path(text), Path(out), said.alpha, said.threads, said.seed)
    elif said.what == "run":
        take_run(Path(said.given[0]), Path(said.given[1]))
    else:
        folder, questions, *files = map(Path, said.given)
        measure(folder, questions, files, whole=not said.pairs)


if __name__ == "__main__":
    main()
