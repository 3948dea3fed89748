"""Tells in which pool directories a process has ended, asked by one call of the system.

A descriptor of a process (pidfd) becomes readable when the process ends, a zombie too. To ask
/proc about each takes some 10 µs, and every process of devmode asks twice a second.
"""

import os
import resource
import select
from pathlib import Path
from typing import Final

from gevent import monkey

from devmode.jobs.files import close
from devmode.jobs.processes import all_work

_poll: Final = monkey.get_original("select", "poll")
"""Gevent's takes its way through the hub."""


class Vigil:
    """Keeps watch over the processes of pool directories: isotovideo, and the QEMU it drives."""

    def __init__(self) -> None:
        """Watch nothing yet, and never with more than a quarter of the descriptors there are."""
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4
        self._poll = _poll()
        self._pids: dict[Path, list[int]] = {}
        self._descriptors: dict[Path, list[int]] = {}
        self._directories: dict[int, Path] = {}
        """By descriptor."""

    def keep(self, directory: Path, pids: list[int]) -> None:
        """Watch these processes, which just now worked in a pool directory, and no others of it."""
        if self._pids.get(directory, []) == pids:
            return
        self._let_go(directory)
        self._pids.pop(directory, None)
        if not pids:
            return
        self._pids[directory] = pids
        if len(self._directories) + len(pids) <= self._most:
            self._hold(directory, pids)

    def ended(self) -> set[Path]:
        """Return the pool directories in which one of the processes works no more.

        One that is held by a descriptor and goes to work elsewhere is not told.
        """
        told = {self._directories[descriptor] for descriptor, _events in self._poll.poll(0)}
        asked = self._pids.keys() - self._descriptors.keys()
        return told | {it for it in asked if not all_work(it, self._pids[it])}

    def _hold(self, directory: Path, pids: list[int]) -> None:
        """Hold descriptors of all of them, or of none: then /proc is asked."""
        descriptors = self._descriptors[directory] = []
        try:
            for pid in pids:
                descriptor = os.pidfd_open(pid)
                descriptors.append(descriptor)
                self._directories[descriptor] = directory
                self._poll.register(descriptor, select.POLLIN)
        except OSError:
            self._let_go(directory)
            return
        # One may have ended before that, and another have got its pid.
        if not all_work(directory, pids):
            self._let_go(directory)

    def _let_go(self, directory: Path) -> None:
        for descriptor in self._descriptors.pop(directory, []):
            self._poll.unregister(descriptor)
            del self._directories[descriptor]
            close(descriptor)
