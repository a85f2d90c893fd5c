"""Pictures decoded one by one into a file of their pixels."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from netspec.data.pictures.decode import Form
from netspec.data.pictures.labelled import decoded
from netspec.data.pictures.listing import Listing
from netspec.data.streaming.stored import Column, Writer
from netspec.data.streaming.streamed import Sheets, Streamed


def stream_pictures(found: Listing, form: Form, folder: Path) -> Streamed:
    """The columns that `picture_table` has, in files.

    Raises:
        EnvironmentFault: if Pillow is not installed.
        DataError: if a picture is damaged, or pictures differ in size or colour.
    """
    import numpy as np

    with ExitStack() as opened:
        pixels: Writer | None = None
        for one in decoded(found, form):
            if pixels is None:
                pixels, shape = Writer(folder / "image.bin", one.dtype, one.shape), one.shape
                opened.callback(pixels.close)
            pixels.write(one[None])
        assert pixels is not None
        types = found.types(shape)
        writers = {"image": pixels}
        if "label" in types:
            writers["label"] = label = Writer(folder / "label.bin", types["label"].dtype, ())
            opened.callback(label.close)
            for code, count in found.codes():
                label.write(np.full(count, code))
    columns: dict[str, Column] = {name: writer.column() for name, writer in writers.items()}
    return Streamed(columns, types, found.splits, Sheets(found.places))
