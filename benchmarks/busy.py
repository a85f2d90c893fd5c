"""Training steps beside one other busy process: threads must not wait for one that does not run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import mnist
from benchmarks.harness import THREADS, Contender, Ready, compare
from benchmarks.mlp_step import add_ticks, make_netspec, row_shares
from benchmarks.report import CONTENDERS, Check, Section, contenders_table

SPINNER = "while True: pass"
FAIR = THREADS / (THREADS + 1)


def make_quiet(batch: int) -> Ready:
    """As it is alone."""
    return Ready(make_netspec(batch).round, "alone")


def make_disturbed(batch: int) -> Ready:
    """With a process beside it that never sleeps, on the same two processors."""
    alone = make_netspec(batch).round

    def round_() -> float:
        with spinner():
            return alone()

    with spinner():
        ticks = row_shares(mnist.engine(), batch, mnist.shuffled(batch, 100)[0])
    return Ready(round_, "beside a Python process that only spins", {"ticks": ticks})


@contextmanager
def spinner() -> Iterator[None]:
    """A process that never sleeps."""
    process = subprocess.Popen([sys.executable, "-c", SPINNER])
    try:
        time.sleep(0.3)
        yield
    finally:
        process.kill()
        process.wait()


def run() -> list[Section]:
    """At least half the quiet speed."""
    return [_section(64), _section(512)]


def _section(batch: int) -> Section:
    names = ("netspec alone", "netspec beside a busy process")
    contenders = [Contender(names[0], make_quiet, (batch,)), Contender(names[1], make_disturbed, (batch,))]
    found = compare(contenders, rounds=11, seconds=12)
    section = Section(f"MNIST MLP step, batch {batch}, beside a busy process", CONTENDERS)
    contenders_table(section, found)
    quiet, disturbed = (found[name] for name in names)
    if quiet and disturbed:
        share = quiet.median / disturbed.median
        workload = f"MNIST MLP step, batch {batch}, one busy process beside"
        section.checks.append(Check(workload, f"{share:.0%} of the quiet speed", "50 % of it", share >= 0.5))
        section.remarks.append(
            f"{THREADS} threads and the busy process share the processors evenly at {FAIR:.0%} of the quiet speed. "
            "What is lost beyond that is waiting at barriers for a thread that does not run: the rows `barrier` below."
        )
        add_ticks(section, disturbed.facts["ticks"], disturbed.median)
    return section
