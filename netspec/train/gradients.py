"""Gradients checked: the compiled ones against finite differences of the loss in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netspec.compiler.graph import Graph, key_of
from netspec.compiler.graph.interpreter import interpret, interpret_values
from netspec.train.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

LIMIT: Final = 1e-4
"""Of a weight's largest gradient; float32 alone costs some 1e-6."""

NOTHING: Final = 1e-12
"""Of the largest gradient of all: what is less is zero but for rounding, as that of a bias before a normalisation, and
held to the largest of all. Its own largest element is rounding too."""

LEAST_STEP: Final = 1e-7  # so that no unit of the thousands of a map crosses its kink on the way
LARGEST_STEP: Final = 1e-3
SHORT_STEP: Final = 1e-5  # within which a loss that bends has a kink: curvature would not show
SHORTER: Final = 3  # ways of which each is a fourth of the one before: rounding is then 4e-5 of the gradient at most
BEND: Final = 1e-3  # of the largest gradient: how far slopes ahead and behind may differ for what lies between
ELEMENTS: Final = 8
TELLING: Final = 4
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


@dataclass(frozen=True)
class GradCheck:
    """The gradients of all weights, checked."""

    rows: tuple[CheckedGradient, ...]
    limit: float

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """As `gradcheck --json` prints it."""
        weights = [{"name": r.name, "shape": list(r.shape), "error": r.error, "passed": r.passed} for r in self.rows]
        return {"limit": self.limit, "passed": self.passed, "weights": weights}


def check_gradients(engine: Engine, arrays: dict[str, Array], rows: Array) -> list[CheckedGradient]:
    """Compare every weight's gradient on ``rows`` with central differences.

    At its largest elements, at random ones, and where the graph interpreted in float64 says something else; and all
    elements of that are held to one difference, with all of the weight moved in a random direction. So neither a wrong
    derivative nor a wrong kernel hides among the many elements that there is no time to move. The weights are moved a
    little first: a bias of 0 often puts a unit on its kink, where there is no derivative to compare with.
    """
    import numpy as np

    engine.executable("gradient")  # puts the weights into memory, or tells that there is no room for them
    rng = np.random.default_rng(0)
    trained = {key for key, parameter in engine.program.parameters.items() if parameter.trainable}
    weights = {key: w for key, w in engine.weights().items() if key in trained}
    engine.load({key: w + rng.uniform(-MOVED, MOVED, w.shape).astype(w.dtype) for key, w in weights.items()})
    found = engine.gradient(rows)
    graph = engine.program.gradient
    given: dict[str, Any] = {f"data.{name}": array for name, array in arrays.items()}
    given |= {key_of(v): engine.constant(key_of(v)) for v in graph.inputs_of("constant")}
    given |= {key_of(v): np.float32(0) for v in graph.inputs_of("step")}
    given |= {key: many[0] for key, many in engine.places("gradient", rows.reshape(1, -1)).items()}
    given |= {key: array.astype(np.float64) for key, array in engine.weights().items()}
    given["index"] = rows
    sizes = engine.lengths.sizes(rows)
    given = {key: value for key, value in given.items() if key in graph.by_key}
    interpreted = interpret(graph, given, np.float64, sizes)
    losses = _Losses(graph, given, sizes)
    checked = []
    whole = max((float(np.abs(interpreted[f"gradient.{name}"]).max()) for name in found), default=0.0)
    for name, gradient in found.items():
        exact = interpreted[f"gradient.{name}"]
        largest = float(max(np.abs(gradient).max(), np.abs(exact).max())) or 1.0
        if float(np.abs(exact).max()) < NOTHING * whole:
            largest = whole
        loss = losses.of(name)
        step = _step(losses.now, largest)
        errors = [
            _off(loss, losses.now, _unit(exact, i), step, float(gradient.flat[i]), largest)
            for i in _picked(gradient, exact, rng)
        ]
        direction, length = rng.choice((-1.0, 1.0), exact.shape), max(largest, float(np.linalg.norm(exact)))
        slope = float((exact * direction).sum())
        errors.append(_off(loss, losses.now, direction, _step(losses.now, length), slope, length))
        checked.append(CheckedGradient(name, gradient.shape, float(np.max(errors))))  # NaN is the worst of all
    return checked


def _picked(gradient: Array, exact: Array, rng: np.random.Generator) -> list[int]:
    import numpy as np

    count = min(ELEMENTS, gradient.size)
    picked = set(rng.choice(gradient.size, count, replace=False).tolist())
    for telling in (np.abs(gradient), np.abs(gradient - exact)):
        picked.update(np.argsort(telling, axis=None)[-TELLING:].tolist())
    return sorted(picked)


def _step(loss: float, gradient: float) -> float:
    """How far a weight is moved: as little as tells its gradient from the rounding of the loss.

    In float64 a loss is right to some 1e-15 of itself, so a difference quotient is off by ``1e-15 * loss / step``: here
    by 2.5e-6 of the gradient. The least step would not do where gradients vanish, before many sigmoid layers.
    """
    return min(max(LEAST_STEP, 4e-10 * abs(loss) / gradient), LARGEST_STEP)


def _unit(like: Array, at: int) -> Array:
    import numpy as np

    found = np.zeros(like.shape)
    found.flat[at] = 1
    return found


class _Losses:
    """The loss in float64 as a function of one weight: what does not depend on it is computed once.

    Thousands of losses are computed, and no gradient with them: that is a third of the work.
    """

    def __init__(self, graph: Graph, given: dict[str, Any], sizes: Mapping[str, int]) -> None:
        import numpy as np

        self._given, self._sizes = given, sizes
        (self._loss,) = (value for key, value in graph.outputs if key == "loss")
        self._forward = Graph("loss", graph.inputs, (("loss", self._loss),))
        self._values = interpret_values(self._forward, given, np.float64, sizes)
        self.now = float(self._values[self._loss])

    def of(self, name: str) -> Callable[[Array], float]:
        """The loss where the weight ``name`` is moved by so much."""
        import numpy as np

        moving = {self._forward.by_key[name]}
        for node in self._forward.nodes:
            if not moving.isdisjoint(node.inputs):
                moving.update(node.values)
        kept = {value: array for value, array in self._values.items() if value not in moving}

        def loss(by: Array) -> float:
            given = {**self._given, name: self._given[name] + by}
            return float(interpret_values(self._forward, given, np.float64, self._sizes, kept)[self._loss])

        return loss


def _off(
    loss: Callable[[Array], float], now: float, direction: Array, step: float, slope: float, largest: float
) -> float:
    """How far ``slope`` is from that of the loss in a direction, in parts of ``largest``.

    Of a hundred thousand units one crosses its kink even on the shortest way. It does so on one side, and the slope of
    the other is that at the point; where units do on both, shorter ways tell. What lies between the slopes of both
    sides counts as right only if these are nearly one.
    """
    off = float("inf")
    for shorter in range(SHORTER):
        way = step / 4**shorter
        ahead, behind = loss(way * direction), loss(-way * direction)
        off = min(abs((ahead - behind) / (2 * way) - slope), off)
        if off <= LIMIT * largest or step > SHORT_STEP:
            break
        low, high = sorted(((ahead - now) / way, (now - behind) / way))
        off = min(abs(low - slope), abs(high - slope), off)
        if off <= LIMIT * largest:
            break
        if low <= slope <= high and high - low <= BEND * largest:
            return 0.0
    return off / largest
