"""The small tables against scikit-learn's MLP of equal size, by the same 10 folds: `python -m benchmarks.folds`.

Both read the same numbers, scaled by the same training rows; scikit-learn's network has the same units and activation
and is trained by its own defaults until its loss no longer falls (`max_iter` is out of reach).
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from netspec import api
from netspec.data.dataset import Dataset
from netspec.runs.run import Run
from netspec.train.opening import open_spec
from netspec.train.session import document_of

SPECS = Path(__file__).parents[1] / "specs"
TABLES = ("iris", "wine", "breast_cancer", "diabetes", "mpg")
FOLDS = 10
SEEDS = range(5)


def main(names: list[str]) -> None:
    """Print a line a table: the measure's mean and deviation by the folds of seed 0, and its mean by those of all."""
    print(f"{'table':15}{'measure':>9}{'netspec':>18}{'scikit-learn':>18}{'netspec, 5 seeds':>18}{'scikit-learn':>14}")
    for name in names or TABLES:
        folds = [measured(name, seed) for seed in SEEDS]
        first = "".join(f"{np.mean(values):.4f} +- {np.std(values, ddof=1):.4f}".rjust(18) for values in folds[0][1:])
        ours, theirs = (np.mean([values for fold in folds for values in fold[side]]) for side in (1, 2))
        print(f"{name:15}{folds[0][0]:>9}{first}{ours:18.4f}{theirs:14.4f}", flush=True)


def measured(name: str, seed: int) -> tuple[str, list[float], list[float]]:
    """The measure, and what netspec and scikit-learn give on the test split of each fold."""
    with tempfile.TemporaryDirectory() as folder:
        out, chosen = Path(folder) / "run", [f"train.seed={seed}"]
        summary = api.train(SPECS / f"{name}.yaml", out=out, folds=FOLDS, overrides=chosen).summary
        measure = next(key for key in summary["test"] if key != "loss")
        ours = [line["test"][measure] for line in summary["folds"]]
        return measure, ours, [peer(Run(Path(line["run"])), measure, seed) for line in summary["folds"]]


def peer(run: Run, measure: str, seed: int) -> float:
    """What scikit-learn's network measures on the test split of a fold."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    document = document_of(run)
    data = open_spec(document).dataset
    hidden = next(layer for layer in document.tree.get("network").get("layers").items if "activation" in str(layer))
    target = document.losses[0].target
    x = np.concatenate([scaled(data, given.name) for given in document.network.inputs], axis=1)
    train, test = data.splits["train"], data.splits["test"]
    chosen = {"max_iter": 100_000, "random_state": seed, **shape_of(hidden)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if measure == "accuracy":
            y = data.columns[target]
            return float(MLPClassifier(**chosen).fit(x[train], y[train]).score(x[test], y[test]))
        y = scaled(data, target)[:, 0]
        off = MLPRegressor(**chosen).fit(x[train], y[train]).predict(x[test]) - y[test]
    return float(np.sqrt(np.mean(off**2)) / data.fitted.fields[target].scale[0])


def shape_of(layer: Any) -> dict[str, Any]:
    """The units and activation of the hidden layer, by scikit-learn's names."""
    from netspec.spec.tree import plain

    fields = plain(layer)["dense"]
    (activation,) = fields["activation"]
    return {"hidden_layer_sizes": (fields["units"],), "activation": activation}


def scaled(data: Dataset, name: str) -> Any:
    """A field as the network sees it."""
    field = data.fitted.fields[name]
    column = data.columns[name].astype(np.float64)
    return column if field.offset is None else (column - field.offset) * field.scale


if __name__ == "__main__":
    main(sys.argv[1:])
