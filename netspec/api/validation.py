"""`validate` for Python: many specs at once, on as many processors as pay."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from netspec.diagnostics import Diagnostic, in_order, render
from netspec.spec.check import Checked, check
from netspec.spec.expectations import can_hold, check_facts
from netspec.spec.linting import diagnose

if TYPE_CHECKING:
    from netspec.train.examination import ExaminedData

STDIN: Final = "<stdin>"
# A copy of this process has all that is loaded, and knows what it read; elsewhere than on Linux to fork is not safe.
_START: Final = "fork" if sys.platform == "linux" else "spawn"
# Specs of 100 lines from which on a second process pays: each takes 7 ms, to fork 60 ms, and to load all anew 300 ms.
_WORTH_PROCESSES: Final = 24 if _START == "fork" else 100


@dataclass(frozen=True)
class Validated:
    """What is wrong with one spec."""

    name: str
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    """The files that were read for it, by name; of a spec in which nothing was found, none."""
    waiting: tuple[str, ...] = ()
    """Facts of `expect` that were skipped, each with the reason."""
    seconds: float = 0.0
    data: ExaminedData | None = None
    """What the data hold, if they were asked for."""

    @property
    def errors(self) -> int:
        return sum(d.severity == "error" for d in self.diagnostics)

    @property
    def warnings(self) -> int:
        return len(self.diagnostics) - self.errors

    def render(self) -> str:
        """All diagnostics as text."""
        return "\n".join(render(d, self.sources) for d in self.diagnostics)


def validate(
    specs: Sequence[str | Path],
    *,
    stdin: str | None = None,
    stdin_name: str = STDIN,
    jobs: int | None = None,
    data: bool = False,
    offline: bool = False,
    told: Callable[[str], None] = lambda text: None,
) -> list[Validated]:
    """Check specs completely, without their data unless these are asked for.

    Args:
        specs: Files; ``-`` stands for the text ``stdin``.
        stdin: The text of a spec.
        stdin_name: What it is called; what it includes is looked for in the folder of a file of that name.
        jobs: How many processes check; by default one for each processor where there are many specs.
        data: Open the data too, and check them; one process does.
        offline: Download nothing.
        told: Is told what takes long.
    """
    work = partial(_validated, stdin=stdin or "", stdin_name=stdin_name)
    if data:
        from netspec.train.examination import examine_data

        examine = partial(examine_data, offline=offline, told=told)
        return [work(spec, examine=examine) for spec in specs]
    workers = min(_jobs(len(specs)) if jobs is None else jobs, len(specs))
    if workers < 2:
        return [work(spec) for spec in specs]
    # The first, in this process, loads what the others then have as soon as they are forked.
    return [work(specs[0]), *_shared(work, specs[1:], workers)]


def _validated(
    spec: str | Path, stdin: str, stdin_name: str, examine: Callable[[Checked], ExaminedData] | None = None
) -> Validated:
    begin = time.perf_counter()
    name = stdin_name if spec == "-" else str(spec)
    checked = check(stdin, name=name) if spec == "-" else check(Path(spec))
    waiting = (*checked.waiting, *_hold_memory(checked))
    examined = examine(checked) if examine else None
    faults = tuple(in_order(examined.diagnostics if examined else diagnose(checked)))
    sources = dict(checked.report.sources) if faults else {}
    return Validated(name, faults, sources, waiting, time.perf_counter() - begin, examined)


def _hold_memory(checked: Checked) -> list[str]:
    """Hold a sound spec to the memory that it expects; what waits for the data is returned, as text.

    The compiler plans the memory, so it is loaded with NumPy, in half a second; but only for a spec that asks for this.
    """
    document, report = checked.document, checked.report
    if document is None or not can_hold(report) or not document.expect.of_memory.facts:
        return []
    from netspec.inspection import Compiled
    from netspec.pipeline import static_program

    peaks = Compiled(static_program(document, report)).peaks()
    known = {
        kind: {"peak_bytes": peak["bytes"]} if peak and "lengths" not in peak else {} for kind, peak in peaks.items()
    }
    whole = "train" if document.optimizer is not None else "predict"
    return check_facts(document.expect.of_memory, known[whole], known["predict"], report)


def _jobs(specs: int) -> int:
    if specs < _WORTH_PROCESSES:
        return 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return available or 1


def _shared(work: Callable[[str | Path], Validated], specs: Sequence[str | Path], workers: int) -> list[Validated]:
    """The same as ``map``, shared out among processes."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context(_START)
    # Pieces large enough that handing them over costs nothing, and small enough that none is waited for at the end.
    piece = max(1, min(25, len(specs) // (4 * workers)))
    with ProcessPoolExecutor(workers, context, _deaf_to_interrupts) as pool:
        try:
            return list(pool.map(work, specs, chunksize=piece))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _deaf_to_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal; the first alone tells of it and ends the others."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
