"""The children of a process, as the kernel tells them."""

from pathlib import Path


def children(pid: int) -> list[int]:
    """The pids of those that the first thread of a process has started, the oldest first."""
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
