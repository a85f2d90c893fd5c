"""Writing a network in several formats, each checked against the compiled network before it is kept."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netspec.diagnostics import ChoiceError, Diagnostic, NetspecError, suggestion
from netspec.export.format import Format, Model, Samples
from netspec.export.formats import FORMATS
from netspec.export.samples import random_samples, real_samples
from netspec.runs import platform
from netspec.runs.files import disk_faults

if TYPE_CHECKING:
    from netspec.export.format import Array

Compiled: TypeAlias = "Callable[[Mapping[str, Array], int], Mapping[str, Any]]"
"""The outputs of the compiled network for so many rows of stored inputs."""

LIMIT: Final = 1e-4
"""Of the largest output: sums in float32 taken in another order differ by some 1e-6."""


@dataclass(frozen=True)
class Exported:
    """A format as it was written: its files, and the largest difference on so many random rows and rows of the data."""

    format: str
    files: tuple[Path, ...]
    random: tuple[int, float]
    real: tuple[int, float] | None

    def summary(self) -> dict[str, Any]:
        """As `export --json` prints it."""
        checks = {"random": self.random, **({"real": self.real} if self.real else {})}
        facts = {name: {"rows": rows, "difference": worst} for name, (rows, worst) in checks.items()}
        return {"format": self.format, "files": [str(file) for file in self.files], **facts}


def formats_named(names: Sequence[str]) -> list[Format]:
    """The formats that were asked for.

    Raises:
        ChoiceError: if one is unknown.
    """
    found = []
    for name in dict.fromkeys(names):
        if name not in FORMATS:
            near = suggestion(name, FORMATS)
            helps = (f"did you mean `{near}`?",) if near else (f"there are {', '.join(f'`{n}`' for n in FORMATS)}",)
            raise ChoiceError(Diagnostic("unknown-export", f"there is no format `{name}`", helps=helps))
        found.append(FORMATS[name]())
    return found


def export(
    model: Model, formats: Sequence[Format], out: str | Path | None, compiled: Compiled, *, force: bool = False
) -> list[Exported]:
    """Write ``model`` in each format, run what was written, and keep it if it is the same network.

    Args:
        model: What is written.
        formats: From `formats_named`.
        out: A folder, which is there or whose text ends with a slash, or the files' name with or without a suffix; by
            default the network's name in this folder.
        compiled: What the files are held against.
        force: Overwrite files that are there.

    Raises:
        ChoiceError: if a file is there already.
        NetspecError: if a format cannot say the network, or what was written computes something else.
    """
    _refuse_lengths(model)
    targets = [_target(model, format_, out) for format_ in formats]
    for target in targets:
        _refuse_to_overwrite(target, force)
    samples = [random_samples(model), real_samples(model)]
    expected = [None if s is None else compiled(s.inputs, s.count) for s in samples]
    with ExitStack() as stack:
        written = []
        for format_, target in zip(formats, targets, strict=True):
            files = format_.write(model, Path(stack.enter_context(_folder_beside(target))) / target.name)
            found = [
                None if s is None or e is None else (s.count, _difference(format_, model, files[0], s, e))
                for s, e in zip(samples, expected, strict=True)
            ]
            written.append((files, found))
        for (files, _), target in zip(written, targets, strict=True):
            for file in files:
                _refuse_to_overwrite(target.parent / file.name, force)
        return [
            Exported(format_.name, _kept(files, target.parent), found[0] or (0, 0.0), found[1])
            for format_, target, (files, found) in zip(formats, targets, written, strict=True)
        ]


def _refuse_lengths(model: Model) -> None:
    """Raise if samples differ in length: no format says yet how such are read."""
    for name in model.inputs:
        type_ = model.fitted.fields[name].type
        if type_.lengths:
            message = f"the input `{name}` is {type_}, and no format writes networks of samples that differ in length"
            helps = ("`netspec predict` takes them, and the weights lie in the run's `best.safetensors`",)
            raise NetspecError(Diagnostic("cannot-export", message, helps=helps))


def _folder_beside(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the disk of ``target``, so that what is right has only to be renamed."""
    with disk_faults("write", target, "with -o"):
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".netspec-export-", dir=target.parent)


def _target(model: Model, format_: Format, place: str | Path | None) -> Path:
    own = re.sub(r"\W", "_", model.name) if format_.importable else model.name
    out = Path(place or "")
    is_folder = out.is_dir() or (isinstance(place, str) and place.endswith(("/", os.sep)))
    if is_folder:
        return out / f"{own}{format_.suffix}"
    return out if out.suffix == format_.suffix else out.with_name(f"{out.name}{format_.suffix}")


def _difference(format_: Format, model: Model, path: Path, samples: Samples, expected: Mapping[str, Array]) -> float:
    """The largest difference of any output, where the network gives numbers.

    Raises:
        NetspecError: if it is more than rounding.
    """
    import numpy as np

    found, worst = format_.run(model, path, samples), 0.0
    for name, array in expected.items():
        given = np.asarray(found[name], np.float64).reshape(array.shape)
        alike = np.isnan(array) & np.isnan(given)
        off = float(np.max(np.where(alike, 0, np.abs(given - array)), initial=0.0))
        limit = LIMIT * max(1.0, float(np.max(np.abs(array), initial=0.0, where=~np.isnan(array))))
        if not off <= limit:
            message = f"what was written as `{format_.name}` differs by {off:.3g} from the compiled network in `{name}`"
            helps = ("nothing was kept; please report it with the run",)
            raise NetspecError(Diagnostic("export-differs", message, helps=helps))
        worst = max(worst, off)
    return worst


def _kept(files: Sequence[Path], folder: Path) -> tuple[Path, ...]:
    """The files at the place that they were written for."""
    targets = tuple(folder / file.name for file in files)
    for file, target in zip(files, targets, strict=True):
        with disk_faults("write", target, "with -o"):
            platform.replace(file, target)
    return targets


def _refuse_to_overwrite(target: Path, force: bool) -> None:
    if target.exists() and not force:
        helps = ("name another place with `-o`", "or overwrite it: `--force`")
        message = f"`{target}` is there already and is not overwritten"
        raise ChoiceError(Diagnostic("file-exists", message, helps=helps))
