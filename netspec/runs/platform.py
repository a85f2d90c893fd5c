"""What differs between Linux, macOS and Windows: locks, renames, flushing a folder, signals."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

WINDOWS: Final = sys.platform == "win32"

# On Windows a virus scanner or indexer may hold the target of a rename for some milliseconds.
_RENAME_WAITS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if WINDOWS else ()


def replace(source: Path, target: Path) -> None:
    """Rename ``source`` over ``target`` in one step, so that a reader sees the old file or the new one."""
    for wait in _RENAME_WAITS:
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(wait)
    source.replace(target)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut; Windows does so by itself and cannot open folders."""
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        # Some network file systems refuse to flush a folder. The file's own bytes are flushed already.
        pass
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file for this process, without waiting; the system frees it when the process ends."""
    if sys.platform == "win32":
        import msvcrt

        try:
            # The byte lies past the end, because a locked byte cannot be read by others and the file says who holds it.
            os.lseek(descriptor, 1 << 30, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        # flock and not lockf: locks of lockf belong to the process and vanish when it closes any handle of the file.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Some network file systems know no locks; to refuse to train there would help nobody.
        return error.errno in {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
    return True


def processor_name() -> str:
    """The processor as its maker calls it."""
    import platform
    import subprocess

    name = ""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        name = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    elif sys.platform == "linux":
        facts = Path("/proc/cpuinfo")
        lines = facts.read_text(errors="replace").splitlines() if facts.exists() else []
        name = next((line.partition(":")[2] for line in lines if line.startswith(("model name", "Model"))), "")
    return name.strip() or platform.processor() or platform.machine()


class Interrupt:
    """Whether the user has asked to stop; see `catch_interrupts`."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def catch_interrupts() -> Iterator[Interrupt]:
    """Turn Ctrl-C, a polite kill and a closed terminal into a flag, so that the work stops where its files are whole.

    A second Ctrl-C raises KeyboardInterrupt at once. Outside the main thread, where Python does not let handlers be
    set, the flag stays down and Ctrl-C acts as ever.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        numbers.append(signal.SIGBREAK)
    else:
        numbers.append(signal.SIGHUP)
    # What is ignored stays so: `nohup` ignores the hang-up, and a shell's background jobs ignore Ctrl-C.
    heeded = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
