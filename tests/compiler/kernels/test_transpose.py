"""Transpositions and copies between all layouts and edge sizes."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_runs import EDGES, PARTS, address, blank, lay, run

from netspec.compiler.kernels.transpose import relayout_kernel, transpose_kernel, transpose_words

WIDTHS = (0, 16, 32)


@pytest.mark.parametrize("rows", EDGES)
@pytest.mark.parametrize("columns", EDGES)
def test_transpose_and_relayout_between_all_layouts(rows: int, columns: int) -> None:
    matrix = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    for source_width in WIDTHS:
        source = lay(matrix, source_width)
        for target_width in WIDTHS:
            for parts in PARTS:
                turned, copied = blank(columns, rows, target_width), blank(rows, columns, target_width)
                widths = {"source_width": source_width, "target_width": target_width}
                run(transpose_kernel(), transpose_words(rows, columns, source.words, turned.words, **widths), parts)
                run(relayout_kernel(), transpose_words(rows, columns, source.words, copied.words, **widths), parts)
                np.testing.assert_array_equal(turned.read(), matrix.T)
                np.testing.assert_array_equal(copied.read(), matrix)


@pytest.mark.parametrize("split", ["rows", "outer"])
def test_many_matrices(split: str) -> None:
    stack = np.random.default_rng(0).standard_normal((35, 20, 32)).astype(np.float32)
    for parts in PARTS:
        turned = np.full((35, 32, 32), np.nan, np.float32)
        source = (address(stack), 32 * 4, 20 * 32 * 4, 0)
        target = (address(turned), 32 * 4, 32 * 32 * 4, 0)
        run(transpose_kernel(split), transpose_words(20, 32, source, target, outer=35), parts)  # type: ignore[arg-type]
        np.testing.assert_array_equal(turned[:, :, :20], stack.transpose(0, 2, 1))


@pytest.mark.parametrize("columns", [31, 32, 33, 100])
def test_parts_of_the_columns(columns: int) -> None:
    matrix = np.random.default_rng(0).standard_normal((20, columns)).astype(np.float32)
    for parts in PARTS:
        source, turned = lay(matrix, 32), blank(columns, 20, 32)
        widths = {"source_width": 32, "target_width": 32}
        run(transpose_kernel("columns"), transpose_words(20, columns, source.words, turned.words, **widths), parts)
        np.testing.assert_array_equal(turned.read(), matrix.T)
