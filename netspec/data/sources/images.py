"""Pictures in folders and zip archives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.cache import cached_table
from netspec.data.fieldtype import FieldType
from netspec.data.paths import FilePaths, find_file, texts_by_split
from netspec.data.pictures.archive import Root, is_picture, opened
from netspec.data.pictures.decode import Background, Colour, Form
from netspec.data.pictures.labelled import picture_table
from netspec.data.pictures.listing import Level, Listing, Told, are_splits, list_pictures, silent
from netspec.data.source import Source
from netspec.data.table import Table
from netspec.declared import Items
from netspec.diagnostics import DataError

if TYPE_CHECKING:
    from netspec.data.streaming.streamed import Streamed, Wanted

Length: TypeAlias = Annotated[int, pydantic.Strict(True), pydantic.Field(ge=1)]

_ARCHIVE = ".zip"


class Images(Source):
    """Pictures in folders or zip archives, fields ``image [height, width, channels]`` and ``label``; needs Pillow
    (``pip install 'netspec[data]'``).

    A folder a class: ``photos/cat/1.jpg``. ``folders`` says what else folders name, from the outside in: in
    ``train/cat/1.jpg`` the split and the class, in ``1.jpg`` nothing, and then there is no ``label``. Below these
    folders pictures may lie in others. What is not called ``.png``, ``.jpg``, ``.jpeg``, ``.bmp``, ``.gif``, ``.tif``,
    ``.tiff``, ``.webp``, ``.pgm`` or ``.ppm`` is passed over, and so is what is hidden. A path may lead into an
    archive: ``photos.zip/large/train``. Classes are sorted by name; rows go by split, then in the order of the paths,
    by class, and by name: training shuffles them, and splits are drawn.

    A pixel is a byte, scaled to 0 to 1 when it is read. How pictures are read:

    - A picture is turned upright as its EXIF data say, and of an animation the first picture is taken.
    - Grey pictures have one channel, coloured ones and those with a palette three. With ``color`` all are made one:
      grey is 0.299 R + 0.587 G + 0.114 B.
    - An alpha channel in which nothing is transparent falls away; else ``background`` says what shows through.
    - 16 bits a channel are refused: how dark they are meant to be is not known.
    - ``size`` stretches or shrinks each picture, whatever its proportions; shrunk pixels are weighted means of all
      that they cover.

    They are decoded once, and kept in the cache folder until a file changes. With ``stream: true`` they need not fit
    into memory.

    Example:
        data:
          source: {images: {path: photos.zip, size: [64, 64], color: rgb}}
          split: {test: 0.2, stratify: label}
        network:
          inputs: {image: [64, 64, 3]}
          layers: [{conv2d: {filters: 8, kernel: 5, activation: relu}}, {max_pool2d: 4}, flatten, {dense: 2}]
        loss: cross_entropy

    Errors:
        missing-package: Pillow is not installed
        no-rows: there are no pictures; what is there instead is told
        stray-picture: a picture lies outside of the folders that `folders` speaks of
        empty-class: a folder that names a class or a split holds no pictures
        unknown-class: a folder to test names a class that none to train does
        unknown-split: a folder should name a split, and is not called `train`, `validation` or `test`
        empty-split: no folder is called `train`
        unequal-pictures: pictures differ in size, and there is no `size`; or in colour, and there is no `color`
        bad-picture: a picture is damaged, has too many pixels, 16 bits a channel, or transparent pixels
        wrong-magic: a path leads to something that is neither a folder nor a zip archive
        truncated-file: an archive is damaged
        locked-file: a picture of an archive wants a password
    """

    kind: ClassVar[str] = "images"
    streams: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = (_ARCHIVE,)
    path: FilePaths = pydantic.Field(
        description="A folder, an archive, a pattern, a list of them, or `{train: ..., test: ...}`.",
        json_schema_extra={"main": True},
    )
    folders: Items[Level] = pydantic.Field(
        default=("class",),
        description="What folders name, from the outside in: `[class]`, `[split, class]`, `[split]` or `[]`.",
    )
    size: Annotated[tuple[Length, Length], pydantic.Strict(False)] | None = pydantic.Field(
        default=None, description="Height and width that all pictures are made; by default all must have one size."
    )
    color: Colour | None = pydantic.Field(
        default=None, description="What all pictures are made; by default all must be grey or all coloured."
    )
    background: Background | None = pydantic.Field(
        default=None, description="What shows through transparent pixels; by default there may be none."
    )

    @pydantic.model_validator(mode="after")
    def _says_each_once(self) -> Self:
        if len(set(self.folders)) != len(self.folders):
            raise ValueError("`folders` names one thing twice")
        if "split" in self.folders and isinstance(self.path, Mapping):
            raise ValueError("`path` and `folders` both say what the splits are: keep one of them")
        return self

    @classmethod
    def of_file(cls, path: Path) -> Source:
        names = _outermost(path)
        if not names or not are_splits(names):
            return cls(path=str(path))
        if "train" in names:
            return cls(path=str(path), folders=("split", "class"))
        return cls(path=tuple(f"{path}/{name}" for name in names))

    @property
    def form(self) -> Form:
        """What pictures are made."""
        return Form(self.size, self.color, self.background)

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        image = FieldType("image", None, "uint8")
        if self.size is not None and self.color is not None:
            image = fieldtype.image(*self.size, 1 if self.color == "grey" else 3)
        label = {"label": fieldtype.category(None)} if "class" in self.folders else {}
        return {"image": image, **label}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        return self.open_told(base, silent, offline=offline)

    def open_told(self, base: Path, told: Told, *, offline: bool = False) -> Table:
        import hashlib

        roots = self._roots(base)
        every = [root for own in roots.values() for root in own]
        settings = repr(([root.inner for root in every], {s: len(own) for s, own in roots.items()}, self.form))
        name = f"images-{hashlib.sha256(f'{settings} {self.folders}'.encode()).hexdigest()[:8]}"
        files = [path for root in every for path in root.files()]
        decode = lambda: picture_table(list_pictures(roots, self.folders), self.form, told)  # noqa: E731
        return cached_table(name, files, decode, of=[root.path for root in every])

    def files(self, base: Path) -> tuple[Path, ...]:
        return tuple(path for own in self._roots(base).values() for root in own for path in root.files())

    def stream(self, base: Path, folder: Path, wanted: Wanted) -> Streamed:
        from netspec.data.streaming.pictures import stream_pictures

        return stream_pictures(self._listing(base), self.form, folder)

    def _listing(self, base: Path) -> Listing:
        return list_pictures(self._roots(base), self.folders)

    def _roots(self, base: Path) -> dict[str, list[Root]]:
        texts = texts_by_split(self.path)
        return {split: [root for text in own for root in find_roots(text, base)] for split, own in texts.items()}


def _outermost(path: Path) -> list[str]:
    """How the outermost folders with pictures are called, in what may be an archive or a folder."""
    try:
        with opened(Root(path)) as store:
            return sorted({parts[0] for parts in store.files() if is_picture(parts) and len(parts) > 1})
    except DataError:  # told when it is read
        return []


def find_roots(text: str, base: Path) -> list[Root]:
    """The folders and archives that a path or pattern leads to; it may go on within an archive.

    Raises:
        DataError: if that is nothing.
    """
    parts = text.split("/")
    for i, part in enumerate(parts[:-1], 1):
        if part.lower().endswith(_ARCHIVE):
            found = find_file("/".join(parts[:i]), base, folders=True)
            inner = tuple(name for name in parts[i:] if name)
            return [Root(path.joinpath(*inner)) if path.is_dir() else Root(path, inner) for path in found]
    return [Root(path) for path in find_file(text, base, folders=True)]
