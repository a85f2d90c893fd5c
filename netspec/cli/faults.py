"""How a command ends when something is wrong: the exit code, the words, and the file that a bug report needs."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from netspec.cli import streams
from netspec.diagnostics import Diagnostic, EnvironmentFault, NetspecError

WELL: Final = 0
USAGE: Final = 2
INTERNAL: Final = 3
ENVIRONMENT: Final = 4
INTERRUPTED: Final = 130


def end_of(error: BaseException) -> int:
    """Tell the user of ``error`` and return the exit code; a fault of netspec itself leaves its traceback in a file."""
    code = INTERNAL
    match error:
        case NetspecError():
            streams.diagnostics(error.render())
            code = error.exit_code
        case click.ClickException():
            error.show()
            code = USAGE
        case click.Abort() | KeyboardInterrupt():
            streams.say("interrupted")
            code = INTERRUPTED
        case BrokenPipeError():
            code = _reader_left()
        case MemoryError() | OSError(errno=errno.ENOMEM):
            from netspec.memory import limits_of_process

            helps = (
                "use a smaller `train.batch`; `netspec show SPEC` says what a network needs",
                "data that do not fit are read while training goes on: `data: {stream: true}`",
            )
            code = _lacking("out-of-memory", "there is not enough memory", *helps, notes=limits_of_process())
        case OSError() if "libllvmlite" in str(error):
            help_ = "install it anew; or, where `ulimit -v` limits this process, grant it 0.2 GB more"
            code = _lacking("broken-compiler", "llvmlite, which makes the kernels, cannot be loaded", help_)
        case RuntimeError() if "can't start new thread" in str(error):
            help_ = "ask for fewer: `--threads 1`, or raise the limits on processes (`ulimit -u`) and memory"
            code = _lacking("no-threads", "the system starts no more threads", help_)
        case OSError(filename=str() | bytes() as name):
            from netspec.runs.files import disk_fault

            code = end_of(disk_fault(error, "use", Path(os.fsdecode(name)), by=""))
        case OSError(errno=errno.ENOSPC):
            # Files are written under `disk_faults`, which names them: without a name it is the output's disk.
            from netspec.runs.files import disk_fault

            code = end_of(disk_fault(error, "write", Path("standard output"), by=""))
        case _:
            _report(error)
    return code


def _lacking(code: str, message: str, *helps: str, notes: tuple[str, ...] = ()) -> int:
    """Tell of what the machine has too little of."""
    streams.diagnostics(EnvironmentFault(Diagnostic(code, message, notes=notes, helps=helps)).render())
    return ENVIRONMENT


def _reader_left() -> int:
    # `netspec show SPEC | head`: the reader has what it wanted. Without this Python complains once more at exit.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return WELL


def _report(error: BaseException) -> None:
    """Keep the traceback in a file. What it worked on, such as the graph, comes with it as the exception's notes."""
    import platform
    import shlex
    import tempfile

    from netspec import __version__

    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f", {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last else ""
    text = "".join(traceback.format_exception(error))
    facts = f"netspec {__version__}, Python {platform.python_version()}, {platform.platform()}, {platform.machine()}"
    try:
        descriptor, path = tempfile.mkstemp(prefix="netspec-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{facts}\ncommand: {shlex.join(sys.argv)}\n\n{text}")
        where = f"the traceback is in {path}"
    except OSError:
        streams.say(text)
        where = "the traceback stands above"
    reason = str(error).strip().split("\n")[0]
    fault = Diagnostic(
        "internal-error",
        f"{type(error).__name__}: {reason[:300]}{place}",
        notes=("this is a fault of netspec, not of your spec or data", where),
        helps=(f"please report it with that file and the spec{_tracker()}",),
    )
    streams.diagnostics(NetspecError(fault).render())


def _tracker() -> str:
    """Where to report, if the installed package says so."""
    from importlib.metadata import PackageNotFoundError, metadata

    with suppress(PackageNotFoundError):
        for entry in metadata("netspec").get_all("Project-URL") or []:
            label, _, url = entry.partition(", ")
            if label.lower() in ("issues", "tracker", "bug tracker"):
                return f" at {url}"
    return ""
