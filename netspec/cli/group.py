"""The group of all commands: each is loaded when it is called, help sorts them, and near misses get an answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, NoReturn

import click

from netspec.cli import commands, faults
from netspec.diagnostics import suggestion

SECTIONS: Final = {"check": "Check", "train": "Train", "use": "Use", "look": "Look", "more": "More"}

# What other tools call it. The first that this version has is the answer, so a word may name what is yet to come.
OTHER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "check": ("validate",),
    "lint": ("validate",),
    "format": ("fmt", "validate"),
    "init": ("new", "train"),
    "summary": ("show",),
    "inspect": ("show",),
    "test": ("evaluate",),
    "fit": ("train",),
    "run": ("train",),
    "visualize": ("show",),
}

# Options of other tools, without `--` and with `-` for `_`, and what does it here. An answer that names an option is
# given only by commands that have it.
OTHER_OPTIONS: Final[dict[str, str]] = {
    **dict.fromkeys(("epochs", "num-epochs", "max-epochs", "n-epochs"), "--set train.epochs=N"),
    **dict.fromkeys(("batch", "batch-size", "b"), "--set train.batch=N"),
    **dict.fromkeys(("seed", "random-seed", "random-state"), "--set train.seed=N"),
    **dict.fromkeys(("lr", "learning-rate"), "--set optimizer.KIND.lr=X"),
    **dict.fromkeys(("max-steps", "iterations", "max-iter", "num-steps"), "--steps N"),
    **dict.fromkeys(("max-time", "time-limit", "timeout"), "--max-seconds S"),
    **dict.fromkeys(("cv", "kfold", "k-fold", "k-folds", "n-folds"), "--folds K"),
    **dict.fromkeys(("o", "output", "output-dir", "output-directory", "out-dir", "save-dir"), "--out DIR"),
    **dict.fromkeys(("checkpoint", "resume-from", "resume-from-checkpoint"), "--resume RUN"),
    **dict.fromkeys(("init-weights", "pretrained", "init-from"), "--weights FILE"),
    **dict.fromkeys(("j", "jobs", "n-jobs", "workers", "num-threads", "num-workers"), "--threads N"),
    **dict.fromkeys(("silent", "q"), "--quiet"),
    **dict.fromkeys(("f", "format", "to-format"), "--to FORMATS"),
    "json": "--format json",
}


class Command(click.Command):
    """A command with its section of the help, its place there, and examples of its use."""

    def __init__(self, *args: Any, section: str, place: int, examples: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section, self.place, self.examples = section, place, tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = {option for parameter in self.params for option in parameter.opts}
            answer = OTHER_OPTIONS.get(error.option_name.lstrip("-").replace("_", "-"), "")
            if answer.partition(" ")[0] not in known:
                raise
            raise click.UsageError(f"there is no option `{error.option_name}`: it is `{answer}`", ctx) from None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the examples as they are: wrapped lines could not be copied."""
        formatter.write_paragraph()
        formatter.write("Examples:\n" if len(self.examples) > 1 else "Example:\n")
        for example in self.examples:
            formatter.write(f"  {example}\n")


class Netspec(click.Group):
    """Finds commands as files, groups their help and turns every way to fail into an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_name(module.name) for module in iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"{commands.__name__}.{_module(cmd_name)}").command
        if not isinstance(command, Command):
            raise TypeError(f"`command` of the file of `{cmd_name}` is no Command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if not word.startswith("-") and self.get_command(ctx, word) is None:
            raise click.UsageError(self._answer(ctx, word))  # without ctx: the usage of the group would bury the answer
        return super().resolve_command(ctx, args)

    def _answer(self, ctx: click.Context, word: str) -> str:
        if word in ("help", "version"):
            return f"it is `netspec --{word}`"
        if word.endswith((".yaml", ".yml")):
            return f"what to do with `{word}`? `netspec train {word}` trains it, `netspec show {word}` describes it"
        known = self.list_commands(ctx)
        start = f"there is no command `{word}`"
        near = word if word in OTHER_WORDS else suggestion(word, [*known, *OTHER_WORDS])
        if near in OTHER_WORDS:
            near = next((name for name in OTHER_WORDS[near] if name in known), None)
        if near is None:
            return f"{start}; `netspec --help` lists them all"
        command = self.get_command(ctx, near)
        does = command.get_short_help_str(limit=70).rstrip(".") if command else ""
        is_meant = (
            f": `netspec {near}` is what you want" if word in OTHER_WORDS else f"; did you mean `netspec {near}`?"
        )
        return f"{start}{is_meant} ({does})"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        loaded = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        for section, title in SECTIONS.items():
            here = [
                (command.place, name, command) for name, command in loaded if command and command.section == section
            ]
            if here:
                with formatter.section(title):
                    formatter.write_dl(
                        [
                            (name, command.get_short_help_str(limit=90))
                            for _, name, command in sorted(here, key=lambda row: row[:2])
                        ]
                    )

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> NoReturn:
        """Run and exit with 0 well, 1 wrong spec, data or result, 2 usage, 3 internal, 4 environment, 130 interrupted.

        A number that a command returns, or hands to ``context.exit``, is the exit code.
        """
        try:
            code: Any = super().main(*args, **{**kwargs, "standalone_mode": False})
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            code = faults.end_of(error)
        except SystemExit:
            # click leaves like this, with 1, only when the reader of a pipe is gone; here 1 would mean a wrong spec.
            code = faults.end_of(BrokenPipeError())
        sys.exit(code if isinstance(code, int) else faults.WELL)


def _module(name: str) -> str:
    """The file of a command; `import` is a keyword of Python, so its file is `import_`."""
    from keyword import iskeyword

    return f"{name}_" if iskeyword(name) else name


def _name(module: str) -> str:
    return module.rstrip("_")
