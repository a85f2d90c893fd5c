"""Gradients checked: the compiled ones against finite differences of the loss in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netspec.compiler.graph import key_of
from netspec.compiler.graph.interpreter import interpret
from netspec.train.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

LIMIT: Final = 1e-4
"""Of a weight's largest gradient; float32 alone costs some 1e-6."""

STEP: Final = 1e-5
ELEMENTS: Final = 24
MOVED: Final = 0.01


@dataclass(frozen=True)
class CheckedGradient:
    """The gradient of one weight; ``error`` is relative to its largest element."""

    name: str
    shape: tuple[int, ...]
    error: float

    @property
    def passed(self) -> bool:
        return self.error <= LIMIT


def check_gradients(engine: Engine, arrays: dict[str, Array], rows: Array) -> list[CheckedGradient]:
    """Compare every weight's gradient on ``rows`` with central differences.

    At its largest elements, at random ones, and where the graph interpreted in float64 says something else: so neither
    a wrong derivative nor a wrong kernel hides among the many elements that there is no time to move. The weights are
    moved a little first: a bias of 0 often puts a unit on its kink, where there is no derivative to compare with.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    engine.load({key: w + rng.uniform(-MOVED, MOVED, w.shape).astype(w.dtype) for key, w in engine.weights().items()})
    found = engine.gradient(rows)
    graph = engine.program.gradient
    given: dict[str, Any] = {f"data.{name}": array for name, array in arrays.items()}
    given |= {key_of(v): engine.constant(key_of(v)) for v in graph.inputs_of("constant")}
    given |= {key_of(v): np.float32(0) for v in graph.inputs_of("step")}
    given |= {key: array.astype(np.float64) for key, array in engine.weights().items()}
    given["index"] = rows
    given = {key: value for key, value in given.items() if key in graph.by_key}
    interpreted = interpret(graph, given, np.float64)
    checked = []
    for name, gradient in found.items():
        exact = interpreted[f"gradient.{name}"]
        largest = float(max(np.abs(gradient).max(), np.abs(exact).max())) or 1.0
        picked = _picked(gradient, exact, rng)
        errors = [abs(_difference(graph, given, name, i) - float(gradient.flat[i])) for i in picked]
        worst = float(np.max(errors)) / largest  # NumPy's max, for NaN is the worst of all
        checked.append(CheckedGradient(name, gradient.shape, worst))
    return checked


def _picked(gradient: Array, exact: Array, rng: np.random.Generator) -> list[int]:
    import numpy as np

    count = min(ELEMENTS, gradient.size)
    picked = set(rng.choice(gradient.size, count, replace=False).tolist())
    for telling in (np.abs(gradient), np.abs(gradient - exact)):
        picked.update(np.argsort(telling, axis=None)[-4:].tolist())
    return sorted(picked)


def _difference(graph: Any, given: dict[str, Any], name: str, at: int) -> float:
    import numpy as np

    losses = []
    for sign in (1, -1):
        moved = given[name].copy()
        moved.flat[at] += sign * STEP
        losses.append(float(interpret(graph, {**given, name: moved}, np.float64)["loss"]))
    return (losses[0] - losses[1]) / (2 * STEP)
