from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench
from sklearn import metrics as sklearn

from netspec.catalog.metrics import Collected, Decoded, Inspected, Metric, Reading, Summed
from netspec.data.fieldtype import category, numbered_classes
from netspec.tensortype import BATCH, ShapeError, TensorType

PLAIN = Reading()


def made(kind: str, fields: dict[str, Any]) -> Metric:
    metric = Metric.kinds[kind](**fields)
    assert isinstance(metric, Metric)
    return metric


def rows_of(metric: Metric, output: Any, target: Any, how: Reading = PLAIN) -> np.ndarray:
    """What each sample gives."""
    bench, output, target = Bench(training=False), np.asarray(output, float), np.asarray(target)
    y = bench.input("y", *output.shape[1:])
    t = bench.input("t", *target.shape[1:], dtype="float32" if target.dtype.kind == "f" else "uint8")
    rows: np.ndarray = bench.value(metric.build(bench.scope, y, t, how), y=output, t=target)
    return rows


def contributions(kind: str, output: Any, target: Any, **cuts: float) -> tuple[np.ndarray, Summed]:
    metric = made(kind, {})
    assert isinstance(metric, Summed)
    return rows_of(metric, output, target, Reading(**cuts)), metric  # type: ignore[arg-type]  # no flag is among them


def found(kind: str, output: Any, target: Any, how: Reading = PLAIN, **fields: Any) -> Any:
    """The metric of all samples."""
    metric = made(kind, fields)
    rows = rows_of(metric, output, target, how)
    if isinstance(metric, Summed):
        return metric.finish(float(rows.sum()), len(rows))
    assert isinstance(metric, Collected)
    assert rows.ndim == 2
    return metric.finish(rows.astype(np.float64))


def test_accuracy_takes_the_largest() -> None:
    scores = [[0.1, 0.7, 0.2], [2.0, -1.0, 0.0], [0.0, 0.0, 1.0]]
    rows, metric = contributions("accuracy", scores, [1, 2, 2])
    assert rows.tolist() == [1, 0, 1]
    assert metric.finish(float(rows.sum()), 3) == pytest.approx(2 / 3)
    assert metric.better == "higher"


def test_accuracy_of_equal_scores_and_nan() -> None:
    scores = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [np.nan, 0.0, 1.0], [np.nan, np.nan, np.nan]]
    assert contributions("accuracy", scores, [0, 1, 0, 0])[0].tolist() == [1, 0, 0, 0]


def test_accuracy_against_one_hot_numbers() -> None:
    assert contributions("accuracy", [[0.1, 0.9], [0.8, 0.2]], [[0.0, 1.0], [0.0, 1.0]])[0].tolist() == [1, 0]


def test_accuracy_of_one_output() -> None:
    outputs = [[-0.2], [0.3], [0.7], [0.0]]
    numbers = [[0.0], [0.0], [1.0], [1.0]]
    assert contributions("accuracy", outputs, numbers)[0].tolist() == [1, 1, 1, 0]
    assert contributions("accuracy", outputs, numbers, cut=0.0)[0].tolist() == [1, 0, 1, 1]
    assert contributions("accuracy", outputs, [0, 0, 1, 1], cut=0.0)[0].tolist() == [1, 0, 1, 1]


def test_accuracy_of_values_minus_one_and_one() -> None:
    rows, _ = contributions("accuracy", [[-0.2], [0.3]], [[-1.0], [-1.0]], cut=0.0, middle=0.0)
    assert rows.tolist() == [1, 0]


def test_rmse() -> None:
    output, target = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0, 1.0], [0.0, 1.0]])
    rows, metric = contributions("rmse", output, target)
    np.testing.assert_allclose(rows, ((output - target) ** 2).mean(axis=1))
    assert metric.finish(float(rows.sum()), 2) == pytest.approx(np.sqrt(((output - target) ** 2).mean()))
    assert metric.better == "lower"


RNG = np.random.default_rng(1)
SCORES = np.round(RNG.normal(size=(80, 4)), 1)  # rounded, so that some are equal
CLASSES = RNG.integers(0, 4, 80)
SINGLE = np.round(RNG.normal(size=(60, 1)), 1)
SIDES = RNG.integers(0, 2, 60)
LOGITS = Reading(0.0, 0.5, True)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k(k: int) -> None:
    scores = RNG.normal(size=(80, 4))
    assert found("top_k", scores, CLASSES, k=k) == pytest.approx(
        sklearn.top_k_accuracy_score(CLASSES, scores, k=k, labels=range(4))
    )
    assert found("top_k", SCORES, CLASSES, k=1) == found("accuracy", SCORES, CLASSES)
    assert found("top_k", np.full((4, 4), np.nan), np.arange(4), k=3) == 0


def test_top_k_needs_more_classes() -> None:
    with pytest.raises(ShapeError, match="more than 5 classes"):
        made("top_k", {}).check(TensorType("float32", (BATCH, 5)), category(numbered_classes(5)))


@pytest.mark.parametrize("kind", ["precision", "recall", "f1"])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
def test_by_class(kind: str, average: str | None) -> None:
    theirs = getattr(sklearn, f"{kind}_score")
    chosen = np.argmax(SCORES, axis=1)
    expected = theirs(CLASSES, chosen, average=average or "macro", zero_division=0)
    assert found(kind, SCORES, CLASSES, average=average) == pytest.approx(expected)
    absent = np.where(CLASSES == 2, 0, CLASSES)
    chosen_absent = SCORES - [0, 0, 100, 0]
    expected = theirs(absent, np.argmax(chosen_absent, axis=1), average=average or "macro", zero_division=0)
    assert found(kind, chosen_absent, absent, average=average) == pytest.approx(expected)
    expected = theirs(SIDES, SINGLE[:, 0] >= 0, average=average or "binary", zero_division=0)
    assert found(kind, SINGLE, SIDES, LOGITS, average=average) == pytest.approx(expected)


def test_by_class_of_values_minus_one_and_one_and_of_two_scores() -> None:
    expected = sklearn.f1_score(SIDES, SINGLE[:, 0] >= 0)
    assert found("f1", SINGLE, (2.0 * SIDES - 1)[:, None], Reading(0.0, 0.0)) == pytest.approx(expected)
    two = np.concatenate([np.zeros_like(SINGLE), SINGLE], axis=1)
    assert found("f1", two, SIDES) == pytest.approx(sklearn.f1_score(SIDES, SINGLE[:, 0] > 0))


def test_binary_is_for_two_classes() -> None:
    with pytest.raises(ShapeError, match="two classes, got 3"):
        made("f1", {"average": "binary"}).check(TensorType("float32", (BATCH, 3)), category(numbered_classes(3)))


def test_confusion_matrix() -> None:
    expected = sklearn.confusion_matrix(CLASSES, np.argmax(SCORES, axis=1)).tolist()
    assert found("confusion_matrix", SCORES, CLASSES) == expected
    assert found("confusion_matrix", SCORES[:3], CLASSES[:3] * 0)[1:] == [[0] * 4] * 3
    expected = sklearn.confusion_matrix(SIDES, SINGLE[:, 0] >= 0).tolist()
    assert found("confusion_matrix", SINGLE, SIDES, LOGITS) == expected
    assert found("confusion_matrix", [[np.nan], [1.0]], [0, 1], LOGITS) == [[0, 0], [0, 1]]
    assert made("confusion_matrix", {}).better is None


def test_roc_auc() -> None:
    assert found("roc_auc", SINGLE, SIDES) == pytest.approx(sklearn.roc_auc_score(SIDES, SINGLE[:, 0]))
    assert found("roc_auc", SINGLE, (2.0 * SIDES - 1)[:, None], Reading(0.0, 0.0)) == pytest.approx(
        sklearn.roc_auc_score(SIDES, SINGLE[:, 0])
    )
    p = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    expected = sklearn.roc_auc_score(CLASSES, p, multi_class="ovr")
    assert found("roc_auc", SCORES, CLASSES, LOGITS) == pytest.approx(expected)
    assert found("roc_auc", p, CLASSES) == pytest.approx(expected)


def test_roc_auc_of_two_outputs_for_two_classes_is_the_mean_of_both() -> None:
    outputs = 1 / (1 + np.exp(-np.concatenate([-SINGLE, np.sin(3 * SINGLE)], axis=1)))  # two sigmoids that no sum binds
    both = [sklearn.roc_auc_score(k == SIDES, outputs[:, k]) for k in (0, 1)]
    assert found("roc_auc", outputs, SIDES) == pytest.approx(np.mean(both))


def test_roc_auc_where_it_is_not_defined() -> None:
    assert np.isnan(found("roc_auc", SINGLE, SIDES * 0))
    assert np.isnan(found("roc_auc", [[np.nan], [1.0]], [0, 1]))
    without = np.where(CLASSES == 3, 0, CLASSES)
    kept = [sklearn.roc_auc_score(without == k, SCORES[:, k]) for k in range(3)]
    assert found("roc_auc", SCORES, without) == pytest.approx(np.mean(kept))


def test_mae_max_error_and_r2() -> None:
    t = RNG.normal(size=(50, 2)) + 2000.0  # far from 0, where sums of squares would lose the digits
    y = t + 0.1 * RNG.normal(size=(50, 2))
    assert found("mae", y, t) == pytest.approx(sklearn.mean_absolute_error(t, y))
    assert found("max_error", y, t) == pytest.approx(np.abs(y - t).max())
    assert np.isnan(found("max_error", [[np.nan], [1.0]], [[0.0], [0.0]]))
    assert found("r2", y, t) == pytest.approx(sklearn.r2_score(t, y))
    t[:, 0] = 7.0
    assert found("r2", y, t) == pytest.approx(sklearn.r2_score(t, y))
    y[:, 0] = 7.0
    assert found("r2", y, t) == pytest.approx(sklearn.r2_score(t, y))


def test_perplexity() -> None:
    p = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    expected = np.exp(sklearn.log_loss(CLASSES, p))
    assert found("perplexity", SCORES, CLASSES, LOGITS) == pytest.approx(expected)
    assert found("perplexity", p, CLASSES) == pytest.approx(expected)
    assert found("perplexity", np.zeros((5, 4)), CLASSES[:5], LOGITS) == pytest.approx(4)
    one = made("perplexity", {})
    assert isinstance(one, Summed)
    assert one.finish(1e6, 10) == np.inf
    assert np.isnan(one.finish(np.nan, 10))


def test_every_kind_says_how_it_comes_to_its_number() -> None:
    assert all(issubclass(kind, Summed | Collected | Inspected | Decoded) for kind in Metric.kinds.values())


def test_the_catalog_loads_nothing_heavy() -> None:
    families = ["activations", "initializers", "layers", "losses", "metrics", "optimizers", "schedules"]
    imports = "".join(f"import netspec.catalog.{family}; " for family in families)
    heavy = "import sys; print([m for m in ('numpy', 'numba', 'llvmlite', 'sklearn') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", imports + heavy], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


TAGS = ("O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC")

# Sentences as they are tagged and as they were to be, and how many stretches are right, given and wanted.
STRETCHES: list[tuple[list[tuple[str, str]], tuple[int, int, int]]] = [
    ([("B-PER E-PER O S-LOC", "B-PER E-PER O S-LOC")], (2, 2, 2)),
    ([("B-PER I-PER O S-PER", "B-PER E-PER O S-LOC")], (1, 2, 2)),  # what does not end as it should is there
    ([("B-LOC E-LOC", "S-LOC S-LOC")], (0, 1, 2)),
    ([("B-PER E-PER", "B-LOC E-LOC")], (0, 1, 1)),
    ([("I-PER", "S-PER"), ("I-PER", "S-PER")], (2, 2, 2)),  # none goes on in the next sentence
    ([("I-PER I-LOC E-LOC", "S-PER B-LOC E-LOC")], (2, 2, 2)),  # another type begins another one
    ([("E-PER E-PER", "S-PER S-PER")], (2, 2, 2)),
    ([("B-PER B-PER I-PER", "S-PER B-PER E-PER")], (2, 2, 2)),
    ([("O O O", "O S-PER O"), ("S-LOC", "O")], (0, 1, 1)),
]


@pytest.mark.parametrize(("sentences", "counts"), STRETCHES)
def test_entity_f1_counts_whole_stretches(sentences: list[tuple[str, str]], counts: tuple[int, int, int]) -> None:
    metric = made("entity_f1", {})
    assert isinstance(metric, Collected)
    rows = [
        (TAGS.index(given), TAGS.index(wanted), float(place == 0))
        for tagged, target in sentences
        for place, (given, wanted) in enumerate(zip(tagged.split(), target.split(), strict=True))
    ]
    right, given, wanted = counts
    assert metric.finish(np.array(rows), TAGS) == pytest.approx(2 * right / (given + wanted))


def test_entity_f1_without_stretches_is_not_defined() -> None:
    metric = made("entity_f1", {})
    assert isinstance(metric, Collected)
    assert np.isnan(metric.finish(np.zeros((3, 3)), TAGS))
