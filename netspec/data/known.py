"""The data sets that netspec has by name, and the kinds of files that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args, get_origin

from netspec.data import sources as _sources  # noqa: F401  registers the kinds of sources
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.diagnostics import ChoiceError, Diagnostic, suggestion
from netspec.tensortype import known

Origin: TypeAlias = Literal["here", "absent", "with netspec"]


@dataclass(frozen=True)
class DataSet:
    """A source that a spec names without saying more than which: `mnist`, `sklearn: iris`."""

    name: str
    source: Source

    @property
    def origin(self) -> Origin:
        """Whether its files are on this machine, or none are needed."""
        download = self.source.download
        if download is None:
            return "with netspec"
        return "here" if download.found() else "absent"

    @property
    def folder(self) -> Path | None:
        """Where its files lie; None if they do not, or there are none."""
        found = self.source.download and self.source.download.found()
        return next(iter(found.values())).parent if found else None

    def facts(self) -> dict[str, Any]:
        """What is known of it without opening it."""
        download = self.source.download
        types = {name: t for name, t in (self.source.describe(Path()) or {}).items() if name not in self.source.parts}
        found: dict[str, Any] = {
            "name": self.name,
            "fields": {name: {"type": t.kind, "shape": _shape(t), "size": t.size} for name, t in types.items()},
            "rows": dict(self.source.sizes() or {}),
            "origin": self.origin,
            "folder": None if self.folder is None else str(self.folder),
        }
        if download is not None:
            found |= {"bytes": download.size, "licence": download.licence, "urls": list(download.urls)}
            found |= {"made": download.made} if download.made else {}
            found["files"] = dict(download.files)
        return found


def data_sets() -> list[DataSet]:
    """All that are known by name, by kind of source."""
    return [
        DataSet(" ".join([f"{kind}:", choice]) if choice else kind, source)
        for kind in Source.kinds
        for choice, source in _offered(cast("type[Source]", Source.kinds[kind]))
    ]


def data_set(name: str) -> DataSet:
    """The one of a name: as `data_sets` has it, with or without blanks, or without its kind of source.

    Raises:
        ChoiceError: if none or several are called so.
    """
    plain = name.replace(" ", "")
    every = {known.name.replace(" ", ""): known for known in data_sets()}
    found = [every[plain]] if plain in every else [known for key, known in every.items() if plain == _short(key)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"`{known.name}`" for known in found)
        raise ChoiceError(Diagnostic("unknown-data", f"`{name}` could be {listed}", helps=("name it whole",)))
    near = suggestion(name, [*every, *map(_short, every)])
    helps = (f"did you mean `{near}`?",) if near else ("`netspec data` lists them",)
    raise ChoiceError(Diagnostic("unknown-data", f"there is no data set `{name}`, and no such file", helps=helps))


def _short(name: str) -> str:
    return name.partition(":")[2]


def source_of_file(path: Path) -> Source | None:
    """What reads a file, by the end of its name; a folder is one of pictures."""
    if path.is_dir():
        return cast("type[Source]", Source.kinds["images"]).of_file(path)
    for kind in Source.kinds:
        reader = cast("type[Source]", Source.kinds[kind])
        if reader.suffixes and path.name.endswith(reader.suffixes):
            return reader.of_file(path)
    return None


def suffixes() -> tuple[str, ...]:
    """How the names of files end that a source reads."""
    return tuple(suffix for kind in Source.kinds for suffix in cast("type[Source]", Source.kinds[kind]).suffixes)


def _shape(type_: FieldType) -> list[int] | None:
    return None if type_.shape is None else [known(n) for n in type_.shape]


def _offered(kind: type[Source]) -> list[tuple[str, Source]]:
    """Every way to name a source that needs nothing but one of some words; of most kinds there is none."""
    fields = kind.model_fields
    needed = [name for name, field in fields.items() if field.is_required()]
    if not needed:
        return [("", kind())]
    words = get_args(fields[needed[0]].annotation) if get_origin(fields[needed[0]].annotation) is Literal else ()
    key = fields[needed[0]].alias or needed[0]
    return [(word, kind.model_validate({key: word})) for word in words] if len(needed) == 1 else []
