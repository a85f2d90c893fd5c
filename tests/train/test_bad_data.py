"""Data with a fault end a training before anything is written, with one diagnostic that names file, row and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bad_data
import pytest

from netspec import api
from netspec.diagnostics import NetspecError


@pytest.mark.parametrize("source", ["csv_files", "fields", "idx_files", "archives", "parquet_files"])
def test_what_is_said_of_bad_data(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[str, str], None]
) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    if source == "parquet_files":
        pytest.importorskip("pyarrow")
    said = []
    for number, (name, case) in enumerate(getattr(bad_data, source)().found.items()):
        folder = tmp_path / str(number)
        for file, content in case.files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        Path("spec.yaml").write_text(case.spec)
        with pytest.raises(NetspecError) as raised:
            api.train(Path("spec.yaml"), out=Path("run"))
        assert not Path("run").exists(), name
        said.append(f"## {name}\n\n{raised.value.render()}")
    golden(f"bad_{source}.txt", "\n".join(said))


def test_the_default_batch_gives_way_to_fewer_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(bad_data.GOOD)
    spec = tmp_path / "spec.yaml"
    for batch in (4, 32):
        spec.write_text(bad_data.Case({}, batch=batch).spec)
        assert api.train(spec, out=tmp_path / f"run{batch}").status == "finished"
