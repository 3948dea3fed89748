"""The processes that work in a pool directory: isotovideo, and the QEMU that it drives."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from devmode.errors import JobNotRunning, NotPermitted
from devmode.jobs.files import close, is_exhaustion, opened


@dataclass(frozen=True, slots=True)
class Process:
    """One of them, told apart from a later one of the same pid by its start."""

    pid: int
    started: int
    """Clock ticks since boot, from `/proc/PID/stat`."""


def process_in(pool: int, pid: int) -> Process | None:
    """Believe a pid only if that process works in the pool directory and isn't a zombie."""
    try:
        if not _works_at(os.fstat(pool), pid):
            return None
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat_line = file.read()
    except OSError as error:
        if is_exhaustion(error):
            raise
        return None
    # The process' name may hold spaces and parentheses; the fields proper follow the last one.
    fields = stat_line.rpartition(b")")[2].split()
    return None if fields[0] in b"ZX" else Process(pid, int(fields[19]))


def is_running(directory: Path, process: Process) -> bool:
    """Whether that very process still works in the pool directory, as far as can be told."""
    try:
        return _works_in(directory, process)
    except OSError:
        return True


def all_work(directory: Path, pids: list[int]) -> bool:
    """Whether processes with these pids still work in the pool directory, told at little cost.

    A process that has ended and is not waited for, a zombie, works nowhere.
    """
    try:
        place = os.stat(directory, follow_symlinks=False)
        return all(_works_at(place, pid) for pid in pids)
    except OSError:
        return False


def terminate(directory: Path, process: Process) -> None:
    """Tell isotovideo to end, as the openQA worker does to cancel a job.

    The process is checked again through a descriptor that can't come to mean another one. Raises
    `JobNotRunning`, and `NotPermitted` with the way to permit it.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        raise JobNotRunning("The job has ended already.") from None
    try:
        if not _works_in(directory, process):
            raise JobNotRunning("The job has ended already.")
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    except PermissionError:
        raise NotPermitted(
            "devmode may not signal this isotovideo: run devmode as the user that runs isotovideo,"
            " or give it the capability CAP_KILL."
        ) from None
    finally:
        close(descriptor)


def _works_at(place: os.stat_result, pid: int) -> bool:
    return os.path.samestat(os.stat(f"/proc/{pid}/cwd"), place)


def _works_in(directory: Path, process: Process) -> bool:
    try:
        with opened(directory) as pool:
            return process_in(pool, process.pid) == process
    except (FileNotFoundError, NotADirectoryError):
        return False
