"""Which process of which kernel this is, and what others of that kernel can see of its death.

A lease lapses in its time; that a process was killed is known to its kernel at once.
"""

import os
from functools import cache
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
PROCESS_NUMBERS = Path("/proc/self/ns/pid")


def own_incarnation() -> str | None:
    """Return the kernel, the namespace of process numbers and the number of this process."""
    kernel = _kernel()
    return kernel and f"{kernel} {os.getpid()}"


def has_died(incarnation: str | None) -> bool:
    """Tell whether a process is gone; False also of what can't be judged from here.

    Among them are processes of other containers, and one whose number another process has by now.
    """
    kernel, _, number = (incarnation or "").rpartition(" ")
    if not kernel or kernel != _kernel():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def is_of_another_machine(incarnation: str | None) -> bool:
    """Tell whether a process runs under another kernel; False also of what doesn't say so."""
    own = _kernel()
    if incarnation is None or own is None:
        return False
    return _boot_of(incarnation) != _boot_of(own)


def _boot_of(incarnation: str) -> str:
    return incarnation.partition(" ")[0]


@cache
def _kernel() -> str | None:
    """A process number counts in its namespace, and the number of that until the next boot."""
    try:
        return f"{BOOT.read_text().strip()} {PROCESS_NUMBERS.readlink()}"
    except OSError:
        return None
