"""Augmentations: what each makes of pictures, alone and compiled."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from catalog_graphs import Weights
from compiled import Compiled, assert_close, assert_same_bits

from netspec.catalog.augmentations import Augmentation, augmented, constants
from netspec.catalog.scope import Scope
from netspec.catalog.streams import stream
from netspec.compiler.graph import Graph, GraphBuilder, Input
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.kernels.random_numbers import uniform_reference
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.gather import Gather
from netspec.tensortype import BATCH, TensorType, size

ROWS, BATCH_SIZE, STEP = 40, 33, 7
SHAPES: Final = ((9, 11, 1), (8, 6, 3))

SETTINGS: Final[dict[str, list[dict[str, Any]]]] = {
    "crop": [{"pad": 2}, {"size": (5, 6)}, {"size": (12, 8), "pad": 2}],
    "brightness": [{}],
    "contrast": [{"by": 0.5}],
    "cutout": [{"size": (3, 4)}, {"size": 5, "fill": 0.5}],
    "elastic": [{"alpha": 20, "sigma": 2}, {"sigma": 9.5}],
    "mixup": [{}, {"alpha": 1.5}],
    "rotation": [{"degrees": 30}],
    "scale": [{}, {"by": 0.4, "separate": True}],
    "shear": [{"degrees": 25}],
    "shift": [{"pixels": 1.5}, {"pixels": (2, 0), "whole": True}],
    "flip": [{}, {"axis": "vertical", "probability": 0.8}],
}
"""Fields of every kind, as these tests try it."""


def kinds() -> list[Any]:
    return [pytest.param(kind, given, id=f"{kind}-{i}") for kind in SETTINGS for i, given in enumerate(SETTINGS[kind])]


def made(kind: str, **fields: Any) -> Augmentation:
    item = Augmentation.kinds[kind].model_validate(fields)
    assert isinstance(item, Augmentation)
    return item


def built(
    items: list[Augmentation], shape: tuple[int, ...], *, training: bool = True
) -> tuple[Graph, dict[str, npt.NDArray[Any]]]:
    """The graph of augmentations ``a0``, ``a1``, ... of stored bytes, and all that it reads."""
    g, rng = GraphBuilder(), np.random.default_rng(3)
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    table = g.input("pixels", TensorType("uint8", (size("N"), *shape)), "stored")
    image = g.add(Cast("float32"), g.add(Gather(), table, index))
    named = {f"a{i}": item for i, item in enumerate(items)}
    result = augmented(
        named, image, 255.0, lambda name: nullcontext(Scope(g, name, Weights(g), training=training)), training=training
    )
    graph = g.graph("augmented", {"y": result})
    arrays: dict[str, npt.NDArray[Any]] = {
        "pixels": rng.integers(0, 256, (ROWS, *shape), np.uint8),
        "index": rng.integers(0, ROWS, BATCH_SIZE),
    }
    for value in graph.inputs:
        op = value.node.op
        assert isinstance(op, Input)
        if op.key.endswith(("/stream_hi", "/stream_lo")):
            path, _, half = op.key.rpartition("/stream_")
            arrays[op.key] = np.float32(stream(5, path)[half == "lo"])
        elif op.key == "step":
            arrays[op.key] = np.float32(STEP)
        elif op.role == "constant":
            arrays[op.key] = constants(named, (shape[0], shape[1]))[op.key]
    return graph, arrays


def interpreted(graph: Graph, arrays: dict[str, npt.NDArray[Any]], real: Any = np.float64) -> npt.NDArray[Any]:
    return interpret(graph, arrays, real, {"B": len(arrays["index"]), "N": ROWS})["y"]


def drawn(path: str) -> npt.NDArray[np.float32]:
    """The uniform numbers of a batch at ``path``."""
    return uniform_reference(*map(float, stream(5, path)), float(STEP), (BATCH_SIZE,))


def test_every_kind_is_tried() -> None:
    assert set(SETTINGS) == set(Augmentation.kinds)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kind", "given"), kinds())
def test_compiled_equals_interpreted_on_any_number_of_threads(
    kind: str, given: dict[str, Any], shape: tuple[int, ...]
) -> None:
    graph, arrays = built([made(kind, **given)], shape)
    compiled = Compiled(graph)
    first = compiled.run(arrays, BATCH_SIZE)
    assert_close(first, {"y": interpreted(graph, arrays)})
    for threads in (2, 3, 5):
        assert_same_bits(compiled.run(arrays, BATCH_SIZE, threads=threads), first)


@pytest.mark.parametrize(("kind", "given"), kinds())
def test_each_acts_in_training_and_only_there(kind: str, given: dict[str, Any]) -> None:
    item, shape = made(kind, **given), SHAPES[0]
    graph, arrays = built([item], shape)
    still, _ = built([item], shape, training=False)
    trained, evaluated = interpreted(graph, arrays), interpreted(still, arrays)
    assert trained.shape == evaluated.shape
    rows = [not np.array_equal(a, b) for a, b in zip(trained, evaluated, strict=True)]
    assert sum(rows) > BATCH_SIZE // 4  # a flip leaves half of them
    assert {value.node.op.key for value in still.inputs if isinstance(value.node.op, Input)} == {"index", "pixels"}
    height, width = evaluated.shape[1:3]
    whole = np.pad(arrays["pixels"], ((0, 0), (4, 4), (4, 4), (0, 0)))[arrays["index"]]
    top, left = ((n + 1) // 2 + 4 if n < 0 else n // 2 + 4 for n in (shape[0] - height, shape[1] - width))
    np.testing.assert_array_equal(evaluated, whole[:, top : top + height, left : left + width])


@pytest.mark.parametrize(("kind", "given"), kinds())
def test_draws_differ_by_sample_and_step(kind: str, given: dict[str, Any]) -> None:
    graph, arrays = built([made(kind, **given)], SHAPES[0])
    arrays["index"] = np.array([4, 9, 9] * (BATCH_SIZE // 3))  # two pictures, for one that mixes them
    now = interpreted(graph, arrays)
    assert len(np.unique(now[::3].reshape(BATCH_SIZE // 3, -1), axis=0)) > 1
    np.testing.assert_array_equal(interpreted(graph, arrays), now)
    later = interpreted(graph, {**arrays, "step": np.float32(STEP + 1)})
    assert not np.array_equal(later, now)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_crops_are_copies_of_stored_pixels(shape: tuple[int, ...]) -> None:
    graph, arrays = built([made("crop", size=(5, 6), pad=3)], shape)
    found = Compiled(graph).run(arrays, BATCH_SIZE)["y"]
    padded = np.pad(arrays["pixels"], ((0, 0), (3, 3), (3, 3), (0, 0)))[arrays["index"]]
    rows, columns = (
        np.floor(drawn(f"a0/{way}") * (n + 6 - m + 1)).astype(int)
        for way, n, m in zip(("down", "across"), shape, (5, 6), strict=False)
    )
    assert (rows.min(), rows.max()) == (0, shape[0] + 1)
    for picture, whole, row, column in zip(found, padded, rows, columns, strict=True):
        np.testing.assert_array_equal(picture, whole[row : row + 5, column : column + 6])


@pytest.mark.parametrize(("axis", "way"), [("horizontal", 2), ("vertical", 1)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_flips_are_copies_of_stored_pixels(shape: tuple[int, ...], axis: str, way: int) -> None:
    graph, arrays = built([made("flip", axis=axis)], shape)
    found = Compiled(graph).run(arrays, BATCH_SIZE)["y"]
    whole = arrays["pixels"][arrays["index"]]
    mirrored = drawn("a0") < 0.5
    assert 0 < mirrored.sum() < BATCH_SIZE
    np.testing.assert_array_equal(found[mirrored], np.flip(whole, way)[mirrored])
    np.testing.assert_array_equal(found[~mirrored], whole[~mirrored])


def test_those_that_move_pixels_are_one_resampling() -> None:
    shape = SHAPES[1]
    graph, arrays = built([made("crop", pad=2), made("flip"), made("flip", axis="vertical")], shape)
    assert [node.op.name for node in graph.nodes].count("resample") == 1
    assert next(node.op for node in graph.nodes if node.op.name == "resample").whole  # type: ignore[attr-defined]
    one_by_one = interpreted(*built([made("crop", pad=2)], shape))
    for name, way in (("a1", 2), ("a2", 1)):
        one_by_one = np.where((drawn(name) < 0.5)[:, None, None, None], np.flip(one_by_one, way), one_by_one)
    np.testing.assert_array_equal(Compiled(graph).run(arrays, BATCH_SIZE)["y"], one_by_one)


def maps(kind: str, drawn_at: Any) -> list[npt.NDArray[Any]]:
    """The linear maps that a kind is said to draw, of every sample."""
    if kind == "rotation":
        return [np.array([[c, -s], [s, c]]) for c, s in _turns(drawn_at("a0"), 30)]
    if kind == "shear":
        return [np.array([[1, 0], [s / c, 1]]) for c, s in _turns(drawn_at("a0"), 25)]
    down, across = (0.6 + 0.8 * drawn_at(f"a0/{way}") for way in ("down", "across"))
    return [np.diag([1 / a, 1 / b]) for a, b in zip(down, across, strict=True)]


def _turns(u: npt.NDArray[Any], degrees: float) -> list[tuple[float, float]]:
    angles = np.radians(degrees) * (2 * u.astype(float) - 1)
    return list(zip(np.cos(angles), np.sin(angles), strict=True))


@pytest.mark.parametrize(
    ("kind", "given"),
    [("rotation", {"degrees": 30}), ("shear", {"degrees": 25}), ("scale", {"by": 0.4, "separate": True})],
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_affine_maps_are_those_of_scipy(kind: str, given: dict[str, Any], shape: tuple[int, ...]) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    graph, arrays = built([made(kind, **given)], shape)
    found = interpreted(graph, arrays)
    centre = (np.array(shape[:2]) - 1) / 2
    for picture, pixels, matrix in zip(found, arrays["pixels"][arrays["index"]], maps(kind, drawn), strict=True):
        for channel in range(shape[2]):
            expected = ndimage.affine_transform(
                pixels[..., channel].astype(float), matrix, centre - matrix @ centre, order=1, mode="grid-constant"
            )
            np.testing.assert_allclose(picture[..., channel], expected, atol=1e-3)


def test_the_elastic_field_is_as_strong_and_as_smooth_as_simards() -> None:
    alpha, sigma, n = 30.0, 3.0, 64
    item = made("elastic", alpha=alpha, sigma=sigma)
    table = constants({"a0": item}, (n, n))["a0/splines"].astype(float).reshape(-1, n, n)
    # Uniform noise on [-1, 1] has the variance 1/3, at the knots here and at every pixel there.
    inner = table[:, 20:44, 20:44]
    assert np.sqrt((inner**2).sum(axis=0) / 3).mean() == pytest.approx(
        alpha / (2 * np.sqrt(3 * np.pi) * sigma), rel=0.02
    )
    for apart in (1, 2, 4, 6):
        here = (table[:, 20:44, 20:44] * table[:, 20:44, 20 + apart : 44 + apart]).sum() / (inner**2).sum()
        # The correlation of splines is Gaussian to 0.022.
        assert here == pytest.approx(np.exp(-(apart**2) / (4 * sigma**2)), abs=0.03)


def test_a_field_after_a_field_is_another_resampling() -> None:
    elastic = made("elastic", alpha=20, sigma=2)
    graph, _ = built([made("rotation"), elastic, made("shift", pixels=1), elastic], SHAPES[0])
    assert [node.op.name for node in graph.nodes].count("resample") == 2
