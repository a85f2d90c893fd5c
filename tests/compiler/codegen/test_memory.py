"""Buffers and the store: packing into rows and panels and back, padding, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.compiler.codegen.buffers import LINE, pack, place_buffer, unpack
from netspec.compiler.codegen.memory import ALIGNMENT, Store, allocate, keep
from netspec.compiler.graph.lowering import Padding
from netspec.tensortype import BATCH, Layout, TensorType, bind, known


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 40), max_size=3).map(tuple),
    padding=st.sampled_from(["none", "vectors", "spill"]),
    panels=st.sampled_from([0, 16, 32]),
)
def test_what_is_packed_is_unpacked(shape: tuple[int, ...], padding: Padding, panels: int) -> None:
    layout = Layout("panels", panels) if panels and len(shape) == 2 else Layout()
    buffer = place_buffer("x", TensorType("float32", shape, layout), "persistent", padding)
    memory = allocate(known(buffer.bytes))
    memory[:] = 255  # every float32 a NaN
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    pack(buffer, memory, array)
    assert np.array_equal(unpack(buffer, memory, shape), array)
    assert np.isfinite(memory.view(np.float32)).all()
    assert np.abs(memory.view(np.float32)).sum(dtype=np.float64) == pytest.approx(np.abs(array).sum(dtype=np.float64))


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 33])
def test_rows_of_the_arena_hold_whole_vectors(columns: int) -> None:
    stride = known(place_buffer("x", TensorType("float32", (5, columns)), "arena").row_stride)
    assert stride % LINE == 0
    assert stride >= -(-columns // 16) * LINE
    assert stride == LINE or stride // LINE % 2 == 1


def test_rows_as_long_as_the_batch_have_a_vector_to_spare() -> None:
    stride = place_buffer("x", TensorType("float32", (5, BATCH)), "arena").row_stride
    for batch in (1, 16, 17, 33):
        assert known(bind(stride, {"B": batch})) >= -(-batch // 16) * LINE


@pytest.mark.parametrize("count", [0, 1, 100, 5 << 20])
def test_memory_is_aligned_and_zero(count: int) -> None:
    memory = allocate(count)
    assert memory.nbytes == count
    assert memory.ctypes.data % ALIGNMENT == 0
    assert not memory.any()


def test_kept_rows_are_a_copy() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    held = keep(array)
    array[:] = 0
    assert held.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_store_refuses_another_layout() -> None:
    store, type_ = Store(), TensorType("float32", (5, 3))
    store.put(place_buffer("w", type_, "persistent"), np.ones((5, 3), np.float32))
    assert store.get("w").shape == (5, 3)
    assert "w" in store
    with pytest.raises(ValueError, match="padded otherwise"):
        store.memory(place_buffer("w", type_, "persistent", "none"))
    with pytest.raises(ValueError, match="is held as"):
        store.memory(place_buffer("w", type_.with_layout(Layout("panels", 16)), "persistent"))


def test_an_array_put_again_stays_where_it_is() -> None:
    store, buffer = Store(), place_buffer("w", TensorType("float32", (5,)), "persistent")
    store.put(buffer, np.zeros(5, np.float32))
    before = store.memory(buffer).ctypes.data
    store.put(buffer, np.ones(5, np.float32))
    assert store.memory(buffer).ctypes.data == before
    assert store.get("w").tolist() == [1] * 5
