"""How much memory this process may still take, and the fault when more would be needed.

What is known of that differs between systems: Linux tells what is available, what a container is granted and what the
process is limited to; macOS and Windows tell less.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netspec.diagnostics import Diagnostic, EnvironmentFault

_WORTH_ASKING: Final = 1 << 25
"""What is smaller is never refused, for asking the system costs half a millisecond."""


@dataclass(frozen=True)
class Room:
    """Bytes that can still be taken, and what grants them, as in "this machine has"."""

    bytes: int
    granted: str


def room(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> Room | None:
    """The least that the machine, the container and the limits of this process grant; None where nothing is known."""
    found = [*_machine(proc), *_container(proc, groups), *_limits(proc)]
    return min(found, key=lambda r: r.bytes, default=None)


def refuse_too_much(needed: int, what: str, *, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> None:
    """Whether there is room for ``needed`` bytes; asked before they are taken, as a system out of memory kills.

    Args:
        needed: how many.
        what: what needs them, the beginning of the message.
        notes: what they are made of.
        helps: what to change.

    Raises:
        EnvironmentFault: if there is not, with the numbers.
    """
    left = room() if needed >= _WORTH_ASKING else None
    if left is not None and needed > left.bytes:
        message = f"{what} needs {amount(needed)} of memory, and {left.granted} {amount(left.bytes)} left"
        raise EnvironmentFault(Diagnostic("out-of-memory", message, notes=notes, helps=helps))


def amount(bytes_: int) -> str:
    """Memory in the unit that fits: 950 B, 1.2 MB, 12.0 TB."""
    value = float(bytes_)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.95 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def _machine(proc: Path) -> Iterator[Room]:
    """What the machine has, swap included: slow is not impossible."""
    if sys.platform == "win32":
        yield from _windows()
        return
    facts = _numbers(proc / "meminfo")
    if "MemAvailable:" in facts:
        yield Room(1024 * (facts["MemAvailable:"] + facts.get("SwapFree:", 0)), "this machine has")
    elif "SC_PHYS_PAGES" in os.sysconf_names:  # all that there is; who uses how much of it is not known
        yield Room(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "this machine has at most")


def _windows() -> Iterator[Room]:
    import ctypes

    words = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)]
    names = ("physical", "free", "committable", "uncommitted", "virtual", "unused", "extended")
    made = type("Status", (ctypes.Structure,), {"_fields_": words + [(n, ctypes.c_ulonglong) for n in names]})
    status = made()
    status.length = ctypes.sizeof(status)
    if getattr(ctypes, "windll").kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # noqa: B009  of Windows only
        yield Room(int(status.uncommitted), "this machine has")


def _container(proc: Path, groups: Path) -> Iterator[Room]:
    """What a control group (version 2 or 1) and those around it still grant; files that it can drop count as free."""
    for line in _lines(proc / "self" / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            root, names = groups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = groups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        inner = Path(path.lstrip("/"))
        for folder in (root / inner, *(root / parent for parent in inner.parents)):
            limit, used = (_number(folder / name) for name in names[:2])
            if limit is not None and used is not None and limit < 1 << 60:
                cached = _numbers(folder / "memory.stat").get(names[2], 0)
                yield Room(max(0, limit - used + cached), "this container (its control group) has")


def _limits(proc: Path) -> Iterator[Room]:
    """What `ulimit` leaves."""
    pages = [int(word) for line in _lines(proc / "self" / "statm") for word in line.split()]
    if len(pages) < 6:
        return
    used = {"-v": pages[0], "-d": pages[5]}
    for option, limit, size in _ulimits():
        yield Room(max(0, limit - used[option] * size), f"this process (by `ulimit {option}`) has")


def limits_of_process() -> tuple[str, ...]:
    """What `ulimit` says of this process, in words; nothing where it says nothing."""
    return tuple(f"`ulimit {option}` limits this process to {amount(limit)}" for option, limit, _ in _ulimits())


def _ulimits() -> Iterator[tuple[str, int, int]]:
    """The limits there are: the option that sets one, its bytes, and the bytes of a page."""
    if sys.platform != "linux":
        return
    import resource

    for option, kind in (("-v", resource.RLIMIT_AS), ("-d", resource.RLIMIT_DATA)):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            yield option, limit, resource.getpagesize()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """The number that a file holds; None if it says `max`, or is not there."""
    text = "".join(_lines(path)[:1]).strip()
    return int(text) if text.isdigit() else None


def _numbers(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    words = [line.split() for line in _lines(path)]
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdigit()}


@contextmanager
def uncollected() -> Iterator[None]:
    """Let no garbage be collected meanwhile, where much is made that stays.

    Passes leave graphs behind that die together. Those of a ResNet-50 are some megabytes, and to look through all
    objects again and again while they are made takes a fifth of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
