"""The commands of the program as the site describes them, from what click knows of them."""

from __future__ import annotations

import click

from netspec.cli.group import SECTIONS, Command
from netspec.cli.main import cli


def page() -> str:
    """All commands by section, in the order of ``netspec --help``."""
    context = click.Context(cli, info_name="netspec")
    loaded = [(name, command) for name in cli.list_commands(context) if (command := _command(name, context))]
    parts = []
    for section, title in SECTIONS.items():
        here = sorted((command.place, name, command) for name, command in loaded if command.section == section)
        if here:
            parts += [f"## {title}", *(_described(name, command, context) for _, name, command in here)]
    return "\n\n".join(parts)


def _command(name: str, context: click.Context) -> Command | None:
    found = cli.get_command(context, name)
    assert found is None or isinstance(found, Command)
    return found


def _described(name: str, command: Command, parent: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = [option.get_help_record(context) for option in command.params]
    options = [record for record in records if record and record[1]]  # an argument has none
    lines = [f"### netspec {name}", f"```text\n{usage}\n```", _paragraphs(command.help or "")]
    lines.append("\n".join(f"`{option}`\n: {help_}\n" for option, help_ in options))
    lines.append("```sh\n" + "\n".join(command.examples) + "\n```")
    return "\n\n".join(lines)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
