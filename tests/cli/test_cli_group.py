"""Finding commands, help, near misses, and every exit code."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import Result

from netspec import __version__
from netspec.cli.group import OTHER_OPTIONS, OTHER_WORDS, SECTIONS, Command
from netspec.cli.main import cli
from netspec.diagnostics import DataError, Diagnostic, EnvironmentFault, SpecError

Run = Callable[..., Result]

CHECKOUT = Path(__file__).parents[2]
COMMANDS = cli.list_commands(click.Context(cli))
HEAVY = {"numpy", "numba", "llvmlite", "scipy", "sklearn", "rich", "pydantic", "yaml", "safetensors"}


def netspec(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netspec", *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=options.pop("cwd", CHECKOUT), timeout=60, **options
    )


def test_bare_netspec_names_the_three_commands_of_a_newcomer(run: Run) -> None:
    done = run()
    assert done.exit_code == 0
    assert re.findall(r"^  netspec (\w+)", done.stdout, re.MULTILINE) == ["new", "train", "predict"]


def test_help_groups_every_command_and_fits_80_columns(run: Run) -> None:
    text = run("--help").stdout
    titles = [title for title in SECTIONS.values() if f"\n{title}:\n" in text]
    assert titles[:3] == ["Check", "Train", "Use"]
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_examples_that_parse(run: Run, name: str) -> None:
    done = run(name, "--help")
    assert done.exit_code == 0
    assert "\nExample" in done.stdout
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, Command)
    assert command.examples
    options = {option for parameter in command.params for option in parameter.opts}
    for example in command.examples:
        assert example.split()[:2] == ["netspec", name]
        assert set(re.findall(r"--[a-z-]+", example)) <= options
        assert f"  {example}\n" in done.stdout


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"netspec {__version__}\n"


@pytest.mark.parametrize("word", OTHER_WORDS)
def test_words_of_other_tools_get_the_right_command(run: Run, word: str) -> None:
    done = run(word, "x.yaml")
    assert done.exit_code == 2
    assert done.stdout == ""
    answer = re.search(r"`netspec (\w+)`", done.stderr)
    assert answer
    assert answer[1] in OTHER_WORDS[word]
    assert answer[1] in COMMANDS


@pytest.mark.parametrize(("word", "meant"), [("trian", "train"), ("evalute", "evaluate"), ("Validate", "validate")])
def test_a_mistyped_command_gets_the_nearest(run: Run, word: str, meant: str) -> None:
    done = run(word)
    assert done.exit_code == 2
    assert f"did you mean `netspec {meant}`?" in done.stderr


def test_a_word_like_none_gets_the_list(run: Run) -> None:
    assert "--help" in run("qqqqqq").stderr


def test_a_spec_or_help_in_place_of_a_command_gets_an_answer(run: Run) -> None:
    assert "`netspec train digits.yaml`" in run("digits.yaml").stderr
    assert "`netspec --help`" in run("help").stderr


def test_an_unknown_option_is_usage(run: Run) -> None:
    assert run("--sed").exit_code == 2
    assert run("train", "digits.yaml", "--thread", "2").exit_code == 2


@pytest.mark.parametrize("word", OTHER_OPTIONS)
def test_options_of_other_tools_get_the_right_one(run: Run, word: str) -> None:
    option = f"-{word}" if len(word) == 1 else f"--{word}"
    meant = OTHER_OPTIONS[word]
    having = [
        name
        for name in COMMANDS
        if (command := cli.get_command(click.Context(cli), name))
        and meant.split()[0] in {o for p in command.params for o in p.opts}
        and option not in {o for p in command.params for o in p.opts}
    ]
    assert having
    for name in having:
        done = run(name, option, "3")
        assert done.exit_code == 2
        assert f"there is no option `{option}`: it is `{meant}`" in done.stderr


def test_an_option_that_a_command_lacks_is_offered_by_none(run: Run) -> None:
    assert "train.epochs" not in run("evaluate", "@last", "--epochs", "3").stderr
    assert "`--set train.batch=N`" in run("train", "digits.yaml", "--batch_size=3").stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SpecError(Diagnostic("shape-mismatch", "no fit")), 1, "error[shape-mismatch]: no fit"),
        (DataError(Diagnostic("no-rows", "empty")), 1, "error[no-rows]: empty"),
        (EnvironmentFault(Diagnostic("disk-full", "no room")), 4, "error[disk-full]: no room"),
        (PermissionError(13, "Permission denied", "/x"), 4, "error[no-permission]: cannot use `/x`: Permission denied"),
        (MemoryError(), 4, "error[out-of-memory]"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 4, "error[out-of-memory]"),
        (OSError("Could not find/load shared object file 'libllvmlite.so'"), 4, "error[broken-compiler]"),
        (RuntimeError("can't start new thread"), 4, "error[no-threads]"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.UsageError("what?"), 2, "what?"),
    ],
)
def test_every_way_to_fail_has_its_exit_code(
    run: Run, api: SimpleNamespace, error: BaseException, code: int, text: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    api.compile = fail
    done = run("show", "digits.yaml")
    assert done.exit_code == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_internal_error_keeps_its_traceback_in_a_file(
    run: Run, api: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        error = AssertionError("the graph\nis odd")
        error.add_note("graph: %1 = map(...)")
        raise error

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    api.compile = fail
    done = run("show", "digits.yaml")
    assert done.exit_code == 3
    assert "error[internal-error]: AssertionError: the graph, test_cli_group.py:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "report it" in done.stderr
    (report,) = tmp_path.glob("netspec-error-*.txt")
    assert str(report) in done.stderr
    text = report.read_text()
    assert "Traceback" in text
    assert "graph: %1 = map(...)" in text
    assert f"netspec {__version__}" in text


def test_a_reader_that_leaves_is_no_error() -> None:
    """Help is longer than the pipe that nobody reads, as in `netspec --help | head -0`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "netspec", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
def test_closed_streams_end_nothing() -> None:
    done = subprocess.run(f"{sys.executable} -m netspec --help >&- 2>&-", shell=True, cwd=CHECKOUT, check=False)
    assert done.returncode == 0


def test_a_narrow_encoding_ends_nothing() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "iso8859-2:strict"}
    assert "`żółw.yaml`" in netspec("train", "żółw.yaml", env=environment, encoding="iso8859-2").stderr
    done = netspec("train", "亀.yaml", env=environment)
    assert done.returncode == 2
    assert "`\\u4e80.yaml`" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["train", "--help"], ["lint"]], ids=" ".join)
def test_words_alone_load_nothing_heavy(arguments: list[str]) -> None:
    program = f"""
import atexit, sys
sys.argv = ["netspec", *{arguments!r}]
from netspec.cli.main import main
atexit.register(lambda: print(sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr))
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert done.stderr.splitlines()[-1] == "[]"
