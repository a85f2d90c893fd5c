"""Pictures to predict for: a file, a folder or a zip archive, read as the network's only image."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.data.faults import data_error, unreadable
from netspec.data.field import Learnt
from netspec.data.fieldtype import FieldType
from netspec.data.pictures.archive import SUFFIXES, Root, is_picture, opened
from netspec.data.pictures.decode import Form, decode, require_pillow
from netspec.data.source import Source
from netspec.data.sources.images import Images
from netspec.data.table import Place, Table, listed
from netspec.memory import refuse_too_much
from netspec.tensortype import known

if TYPE_CHECKING:
    from netspec.data.table import Array


@dataclass(frozen=True)
class PictureRows:
    """The pictures as a column, and what each is called."""

    table: Table
    names: tuple[str, ...]


def are_pictures(path: Path) -> bool:
    """Whether rows to predict are read as pictures."""
    return path.is_dir() or path.name.lower().endswith((*SUFFIXES, ".zip"))


def read_pictures(
    path: Path, inputs: Mapping[str, Learnt], source: Source | None, *, resize: bool = False
) -> PictureRows:
    """Pictures in the size and colours that the network reads; folders say nothing of them.

    Args:
        path: a picture, a folder or an archive.
        inputs: what training learnt of each of the network's inputs.
        source: what the network was trained on: where it made pictures of one size, these are made of it too.
        resize: make them of the network's size whatever they were.

    Raises:
        EnvironmentFault: if Pillow is not installed, or the pictures do not fit into memory.
        DataError: if there is none, one is damaged or of another size, or the network reads something else.
    """
    import numpy as np

    require_pillow()
    name, learnt = _only_image(inputs)
    height, width, channels = (known(n) for n in learnt.type.shape or ())
    made = source if isinstance(source, Images) else None
    size = (height, width) if resize or (made and made.size) else None
    form = Form(size, "grey" if channels == 1 else "rgb", made.background if made else None)
    files = dict(_contents(path))
    refuse_too_much(len(files) * height * width * channels, f"reading {len(files):,} pictures")
    pixels = np.empty((len(files), height, width, channels), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is odd in a file and can be read all the same
        for row, (file, read) in enumerate(files.items()):
            one = decode(read, file, form)
            if one.shape[:2] != (height, width):
                raise _other_size(file, one.shape, (height, width))
            pixels[row] = one
    column = learnt.columns[0] if learnt.columns else name
    table = Table(
        {column: _as_stored(pixels, learnt.type)},
        {column: learnt.type},
        {"train": range(len(files))},
        (Place(path.name, 0),),
        "",
    )
    return PictureRows(table, tuple(files))


def _only_image(inputs: Mapping[str, Learnt]) -> tuple[str, Learnt]:
    images = [(name, learnt) for name, learnt in inputs.items() if learnt.type.kind == "image"]
    others = [name for name in inputs if inputs[name].type.kind != "image"]
    if len(images) != 1 or others:
        reads = listed(f"`{name}` ({learnt.type})" for name, learnt in inputs.items())
        message = f"pictures are rows of a network that reads one image and nothing else, and this one reads {reads}"
        raise data_error("wrong-kind", message, helps=["give CSV, JSON lines, NPZ, NPY or Parquet"])
    name, learnt = images[0]
    channels = known((learnt.type.shape or (0,))[-1])
    if channels not in (1, 3):
        message = f"the network reads images of {channels} channels, and pictures have 1 or 3"
        raise data_error("wrong-kind", message, helps=["give NPZ or NPY"])
    return name, learnt


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every picture by its name: the file's own, or its path below the folder or archive."""
    if not path.is_dir() and not path.name.lower().endswith(".zip"):
        try:
            yield path.name, path.read_bytes()
        except OSError as error:
            raise unreadable(path, error) from None
        return
    with opened(Root(path)) as store:
        files = [parts for parts in store.files() if is_picture(parts)]
        if not files:
            others = listed("/".join(parts) for parts in store.files())
            raise data_error(
                "no-rows", f"there are no pictures in {path}", notes=[f"it holds {others}"] if others else []
            )
        for parts in files:
            yield "/".join(parts), store.read(parts)


def _other_size(name: str, shape: tuple[int, ...], wanted: tuple[int, int]) -> Exception:
    sizes = f"{shape[0]} x {shape[1]} pixels (height x width), and the network reads {wanted[0]} x {wanted[1]}"
    helps = ["`--resize` makes pictures of any size fit, whatever their proportions"]
    return data_error("wrong-shape", f"{name} has {sizes}", helps=helps)


def _as_stored(pixels: Array, type_: FieldType) -> Array:
    """Bytes as the training data have them: up to their full pixel, or from 0 to 1."""
    import numpy as np

    if type_.dtype != "uint8":
        return pixels.astype(np.float32) / np.float32(255)
    if type_.top == 255:
        return pixels
    return np.rint(pixels * (type_.top / 255)).astype(np.uint8)
