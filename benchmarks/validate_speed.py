"""`netspec validate` of a small and a large spec, and `netspec --help`, as whole processes."""

from __future__ import annotations

import statistics

from benchmarks.mnist import ROOT
from benchmarks.processes import PROGRAM, compile_bytecode, python
from benchmarks.report import Check, Section, at_most, duration

HEADER = ("command", "median", "least")
COMMANDS = {
    "`python -c pass`": (),
    "`netspec --help`": ("--help",),
    "`netspec validate specs/xor.yaml`": ("validate", str(ROOT / "specs" / "xor.yaml")),
    "`netspec validate specs/imagenet/resnet152.yaml`": (
        "validate",
        str(ROOT / "specs" / "imagenet" / "resnet152.yaml"),
    ),
}
LIMITS = {
    "`netspec --help`": 0.1,
    "`netspec validate specs/xor.yaml`": 0.18,
    "`netspec validate specs/imagenet/resnet152.yaml`": 0.4,
}
PACKAGES = ("netspec", "pydantic", "pydantic_core", "click", "yaml", "typing_extensions", "annotated_types")
HEAVY = ("numpy", "numba", "llvmlite")
WATCH = f"""\
import atexit, sys
def check():
    found = [name for name in {HEAVY} if name in sys.modules]
    if found:
        sys.stderr.write(f"imported {{found}}")
        sys.stderr.flush()
        import os
        os._exit(99)
atexit.register(check)
{PROGRAM}
"""


def run() -> list[Section]:
    """A fraction of a second, without NumPy and Numba."""
    compile_bytecode()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(21):
        for name, arguments in COMMANDS.items():
            times[name].append(python(PROGRAM if arguments else "pass", arguments).seconds)
    section = Section("Commands that only look", HEADER)
    for name, arguments in COMMANDS.items():
        median = statistics.median(times[name])
        section.rows.append((name, duration(median), duration(min(times[name]))))
        if arguments:
            section.checks.append(at_most(name, median, LIMITS[name]))
            section.checks.append(_light(name, arguments))
            section.remarks.append(f"Imports of {name} by package, in ms: {_imports(arguments)}.")
    return [section]


def _light(name: str, arguments: tuple[str, ...]) -> Check:
    """Whether the command does without the heavy packages."""
    required = "neither NumPy nor Numba imported"
    try:
        python(WATCH, arguments)
    except RuntimeError as fault:
        return Check(name, str(fault).rpartition(": ")[2], required, False)
    return Check(name, "neither imported", required, True)


def _imports(arguments: tuple[str, ...]) -> str:
    """How long each package's own modules take to import; the rest of Python's library as one."""
    own: dict[str, float] = {}
    for line in python(PROGRAM, arguments, options=("-X", "importtime")).said.splitlines():
        words = line.removeprefix("import time:").split("|")
        if len(words) == 3 and words[0].strip().isdigit():
            package = words[2].strip().partition(".")[0]
            name = package if package in PACKAGES else "Python's library and others"
            own[name] = own.get(name, 0.0) + int(words[0]) / 1000
    return ", ".join(f"{name} {spent:.0f}" for name, spent in sorted(own.items(), key=lambda item: -item[1]))
