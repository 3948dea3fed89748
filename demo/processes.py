"""The processes of a job, found by session and working directory, and ended one by one.

isotovideo is started as the leader of a session. All that it starts (command server, test
process, backend, video encoder, QEMU) stays in that session and in the pool directory, even after
isotovideo itself was killed.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

# How long the members of a session get to end after a signal.
PATIENCE_S = 3


def members(session: int, pool: Path) -> list[int]:
    """Returns the pids of the living processes of a session that work in this pool directory."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in pids if _belongs(pid, session, pool)]


def end(session: int, pool: Path) -> None:
    """Ends all members of a session, by SIGTERM and if that did not do by SIGKILL."""
    if not _end_by(signal.SIGTERM, session, pool):
        kill(session, pool)


def kill(session: int, pool: Path) -> None:
    """Ends all members of a session at once, by SIGKILL."""
    _end_by(signal.SIGKILL, session, pool)


def wait_until(condition: Callable[[], object], patience_s: float) -> bool:
    """Waits until something is true and returns whether it became so in time."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _end_by(signal_number: signal.Signals, session: int, pool: Path) -> bool:
    for pid in members(session, pool):
        _signal(pid, signal_number, session, pool)
    return wait_until(lambda: not members(session, pool), PATIENCE_S)


def _belongs(pid: int, session: int, pool: Path) -> bool:
    try:
        # pid (command) state parent group session …; the command may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return (
            fields[0] not in {"Z", "X"}
            and int(fields[3]) == session
            and os.path.samefile(f"/proc/{pid}/cwd", pool)
        )
    except OSError:
        return False  # gone meanwhile, or not ours


def _signal(pid: int, signal_number: signal.Signals, session: int, pool: Path) -> None:
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            # From here on the number can't become another process's unnoticed.
            if _belongs(pid, session, pool):
                signal.pidfd_send_signal(descriptor, signal_number)
        finally:
            os.close(descriptor)
