"""Whatever a file holds, it is read or told; nothing else happens, and no warning is given."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

import bad_data
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.data.known import source_of_file
from netspec.data.rows import read_rows
from netspec.diagnostics import NetspecError

GOOD = {
    "a.csv": bad_data.GOOD.encode(),
    "quoted.csv": b'a,b\n"1,2","x\ny"\n3,"z""z"\n',
    "a.npz": bad_data.npz(x=bad_data.X, k=bad_data.K, t=np.array(["a", "bb", "c", "d"])),
    "a.npy": bad_data.npy(bad_data.X),
    "text.npy": bad_data.npy(np.array(["ab", "c"])),
    "a.idx": bad_data.idx(bad_data.X.astype(">f4"), 13),
    "packed.idx": gzip.compress(bad_data.idx(np.zeros((5, 4, 3), np.uint8)), mtime=0),
    "a.jsonl": b'{"x": [1, 2], "k": "a"}\n{"x": [3, 4], "k": null}\n',
}
PIECES = [b'"', b",", b"\n", b"\0", b"\xff\xfe", b"nan", b"inf", b"1e999", b"{", b"[", b"9" * 40]


def damaged(content: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    """Bytes put in, taken out or changed, and the end cut off."""
    for share, what, piece in changes:
        at = share * len(content) // 1000
        if what == "insert":
            content = content[:at] + piece + content[at:]
        elif what == "remove":
            content = content[:at] + content[at + len(piece) :]
        elif what == "replace":
            content = content[:at] + piece + content[at + len(piece) :]
        else:
            content = content[:at]
    return content


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 999),
        st.sampled_from(["insert", "remove", "replace", "cut"]),
        st.binary(min_size=1, max_size=6) | st.sampled_from(PIECES),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_a_damaged_file_is_read_or_told(name: str, changes: list[tuple[int, str, bytes]], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(damaged(GOOD[name], changes))
    source = source_of_file(path)
    for read in (lambda: source and source.open(tmp_path), lambda: path.suffix != ".idx" and read_rows(path)):
        with suppress(NetspecError):
            read()
