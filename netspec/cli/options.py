"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def spec_argument(function: _F) -> _F:
    """SPEC, a file that is there."""
    from netspec.cli.specfiles import SpecPath

    return click.argument("spec", type=SpecPath())(include_option(function))


def include_option(function: _F) -> _F:
    """``--allow-include DIR``, as often as wanted; of every command that reads specs."""
    return click.option(
        "--allow-include",
        metavar="DIR",
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        expose_value=False,
        callback=_allow_folders,
        help="Let specs include files of DIR too, beside those of their own folder. May be repeated.",
    )(function)


def _allow_folders(_: click.Context, __: click.Parameter, folders: tuple[Path, ...]) -> None:
    if folders:
        from netspec.spec.include import allow_folders

        allow_folders(folders)


def overrides_option(function: _F) -> _F:
    """``--set a.b=c``, as often as wanted."""
    return click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_check_overrides,
        help="Change a value of the spec, such as train.epochs=5; VALUE is YAML. May be repeated.",
    )(function)


def threads_option(function: _F) -> _F:
    """``--threads N``."""
    help_ = "How many threads compute; by default as many as pay. The results are the same bits for any number."
    return click.option("--threads", type=click.IntRange(min=1), metavar="N", help=help_)(function)


def offline_option(function: _F) -> _F:
    """``--offline``."""
    help_ = "Download nothing; data that are not on this machine are an error that says which files go where."
    return click.option("--offline", is_flag=True, help=help_)(function)


def codes_option(name: str, help_: str) -> Callable[[_F], _F]:
    """An option that takes codes of diagnostics, or words that they begin with."""
    return click.option(name, metavar="CODES", multiple=True, callback=_check_codes, help=help_ + " May be repeated.")


def json_option(help_: str) -> Callable[[_F], _F]:
    """``--json``; ``help_`` says what it prints."""
    return click.option("--json", "as_json", is_flag=True, help=help_)


def existing_path(metavar: str) -> click.Path:
    """A file or folder that is there and can be read."""
    path = click.Path(exists=True, readable=True, path_type=Path)
    path.name = metavar
    return path


def _check_codes(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from netspec.diagnostics import matches, suggestion
    from netspec.spec.lints import codes

    known = codes()
    names = tuple(name.strip() for value in values for name in value.split(",") if name.strip())
    for name in names:
        if not any(matches(code, (name,)) for code in known):
            near = suggestion(name, known)
            answer = f"; did you mean `{near}`?" if near else "; `netspec explain` lists them"
            raise click.BadParameter(f"there is no code `{name}`, and none that begins so{answer}")
    return names


def _check_overrides(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        key, equals, _rest = value.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"`{value}` is not KEY=VALUE, as in `--set train.epochs=5`")
    return values
