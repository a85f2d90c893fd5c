"""Arrays come back with the same bits, and any damage is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.diagnostics import DataError
from netspec.runs.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_fitted,
    load_weights,
    save_checkpoint,
    save_fitted,
    save_weights,
)
from netspec.runs.tensors import content_hash, load_tensors, save_tensors


@pytest.fixture
def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "dense_1.kernel": rng.standard_normal((17, 5)).astype(np.float32),
        "dense_1.bias": np.array([np.nan, -0.0, np.inf], np.float32),
        "count": np.asarray(np.int64(7)),
        "none": np.zeros((0, 3), np.uint8),
        "wide": np.arange(3, dtype=np.float64),
    }


def test_arrays_come_back_with_their_bits(tmp_path: Path, arrays: dict[str, Any]) -> None:
    content = save_tensors(tmp_path / "a.safetensors", arrays, {"step": "12"})
    loaded = load_tensors(tmp_path / "a.safetensors")
    assert loaded.facts == {"step": "12", "content": content}
    assert list(loaded.arrays) == sorted(arrays)
    for name, array in arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        assert loaded.arrays[name].shape == array.shape
        assert loaded.arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda a: a.T, id="transposed"),
        pytest.param(lambda a: a[::2, ::-1], id="strided"),
        pytest.param(np.asfortranarray, id="fortran"),
        pytest.param(lambda a: a[:, 1:3], id="columns"),
    ],
)
def test_arrays_that_are_not_contiguous_are_not_corrupted(tmp_path: Path, view: Any) -> None:
    array = view(np.arange(60, dtype=np.float32).reshape(12, 5))
    save_tensors(tmp_path / "a.safetensors", {"a": array})
    np.testing.assert_array_equal(load_tensors(tmp_path / "a.safetensors").arrays["a"], array)


def test_equal_arrays_make_equal_files(tmp_path: Path, arrays: dict[str, Any]) -> None:
    for name in "ab":
        order = sorted(arrays, reverse=name == "b")
        facts = {"step": "1", "epoch": "2", "format": "x", "more": "y"}
        save_tensors(tmp_path / name, {key: arrays[key] for key in order}, facts)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_content_tells_shapes_names_and_dtypes_apart() -> None:
    zeros = np.zeros((2, 3), np.float32)
    different = [
        {"a": zeros},
        {"b": zeros},
        {"a": zeros.reshape(3, 2)},
        {"a": zeros.view(np.int32)},
        {"a": zeros + np.float32(1)},
        {"a": -zeros},
    ]
    assert len({content_hash(case) for case in different}) == len(different)


def test_other_programs_read_our_files_and_we_theirs(tmp_path: Path, arrays: dict[str, Any]) -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    save_weights(tmp_path / "ours.safetensors", arrays, step=3)
    np.testing.assert_array_equal(load_file(tmp_path / "ours.safetensors")["wide"], arrays["wide"])
    with safe_open(tmp_path / "ours.safetensors", framework="np") as file:
        assert file.metadata()["step"] == "3"
    save_file({"a": arrays["wide"]}, tmp_path / "theirs.safetensors")
    theirs = load_weights(tmp_path / "theirs.safetensors")
    assert theirs.step is None
    np.testing.assert_array_equal(theirs.arrays["a"], arrays["wide"])


def test_a_checkpoint_keeps_every_bit_of_its_progress(tmp_path: Path, arrays: dict[str, Any]) -> None:
    progress = {
        "step": 938,
        "epoch": 2,
        "seed": 2**63 + 1,
        "best": {"loss": float("inf"), "metrics": {"accuracy": 0.1 + 0.2, "rmse": float("-inf")}},
        "order": (3, 1, 2),
        "none": None,
        "rate": np.float32(0.1),
    }
    save_checkpoint(tmp_path / "state.safetensors", Checkpoint(arrays, progress))
    loaded = load_checkpoint(tmp_path / "state.safetensors")
    assert loaded.progress == {**progress, "order": [3, 1, 2], "rate": float(np.float32(0.1))}
    assert content_hash(loaded.arrays) == content_hash(arrays)


def test_nan_in_progress_survives(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "s", Checkpoint({}, {"loss": float("nan")}))
    loss = load_checkpoint(tmp_path / "s").progress["loss"]
    assert loss != loss  # noqa: PLR0124 - only NaN differs from itself


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1])
def test_a_truncated_checkpoint_is_explained(tmp_path: Path, arrays: dict[str, Any], keep: int) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Checkpoint(arrays, {"step": 1}))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError) as raised:
        load_checkpoint(path)
    assert raised.value.diagnostics[0].code == "damaged-file"
    assert str(path) in raised.value.render()


def test_any_changed_byte_is_noticed(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Checkpoint(arrays, {"step": 1, "best": 0.25}))
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(DataError):
            load_checkpoint(path)


def test_weights_are_no_checkpoint(tmp_path: Path, arrays: dict[str, Any]) -> None:
    save_weights(tmp_path / "best.safetensors", arrays, step=1)
    with pytest.raises(DataError, match="progress"):
        load_checkpoint(tmp_path / "best.safetensors")


def test_fitted_files_belong_together(tmp_path: Path) -> None:
    paths = tmp_path / "fitted.safetensors", tmp_path / "fitted.json"
    facts = {"classes": {"label": ["a", "é"]}, "mean": 0.5}
    save_fitted(*paths, {"mean": np.ones(3)}, facts)
    arrays, loaded = load_fitted(*paths)
    assert loaded == facts
    np.testing.assert_array_equal(arrays["mean"], np.ones(3))
    assert json.loads(paths[1].read_text("utf-8"))["version"] == 1
    save_tensors(paths[0], {"mean": np.zeros(3)})
    with pytest.raises(DataError, match="does not belong"):
        load_fitted(*paths)


def test_a_missing_checkpoint_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        load_checkpoint(tmp_path / "state.safetensors")
    assert raised.value.diagnostics[0].code == "missing-file"
