"""Processes that do nothing, and the children of a process, as the kernel tells them."""

import subprocess
import sys
from pathlib import Path


def idle_in(directory: Path) -> "subprocess.Popen[bytes]":
    """Starts a process that works in a directory until it is killed, or its input ends."""
    command = [sys.executable, "-c", "input()"]
    return subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE)


def children(pid: int) -> list[int]:
    """The pids of those that the first thread of a process has started, the oldest first."""
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
