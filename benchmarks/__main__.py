"""`python -m benchmarks [NAME...]`: measure, print, and with no name write RESULTS.md."""

from __future__ import annotations

import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

from benchmarks import machine
from benchmarks.mnist import MissingDataError, check_data
from benchmarks.report import Section, results

BENCHMARKS = (
    "mlp_step",
    "conv_step",
    "conv_epoch",
    "conv_kernels",
    "sequence_step",
    "xor_step",
    "predict_one",
    "predict_images",
    "start",
    "conv_start",
    "validate_speed",
    "validate_many",
    "busy",
    "memory",
    "conv_memory",
    "streaming",
)
RESULTS = Path(__file__).with_name("RESULTS.md")


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    try:
        check_data()
    except MissingDataError as missing:
        sys.stderr.write(f"{missing}\n")
        return 3
    sections: list[Section] = []
    for name in names or BENCHMARKS:
        begin = time.perf_counter()
        found = _measured(name)
        sys.stderr.write(f"{name}: {time.perf_counter() - begin:.0f} s\n")
        sections += found
        for section in found:
            sys.stdout.write(section.text() + "\n")
        if not names:  # after each, so that one that hangs does not lose the others
            RESULTS.write_text(results(machine.description(), sections), "utf-8")
    if names:
        sys.stdout.write(results(machine.description(), sections).partition("\n## ")[0] + "\n")
    return 0


def _measured(name: str) -> list[Section]:
    """The sections of one benchmark; one that says so where it failed."""
    warning = machine.noise()
    if warning:
        sys.stderr.write(f"{name}: {warning}\n")
    try:
        found: list[Section] = import_module(f"benchmarks.{name}").run()
    except Exception as fault:
        traceback.print_exc()
        return [Section(name, (), remarks=[f"Not measured: {type(fault).__name__}: {fault}"])]
    warning = warning or machine.noise(1)  # or it came while this ran
    if warning:
        for section in found:
            section.remarks.append(f"Not to be relied on: {warning}.")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
