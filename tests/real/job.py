"""A real isotovideo job for tests, with what tests do to one."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from demo import processes
from demo.jobs import Job
from tests.waiting import LIMIT_S

END_S = 200.0
"""A whole job takes as long as its modules."""


class RealJob:
    """A job of the demo distribution in a pool directory of its own.

    Works patched by gevent and unpatched. Whoever starts one calls `stop` in the end.
    """

    def __init__(self, pool: Path, backend: str = "null", **variables: str | int) -> None:
        self.pool = pool
        self.backend = backend
        self.variables = variables
        self._job: Job | None = None

    def start(self) -> None:
        self._job = Job(self.pool, self.backend, self.variables)

    @property
    def job(self) -> Job:
        assert self._job is not None, "not started"
        return self._job

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.job.process

    @property
    def pid(self) -> int:
        """Of isotovideo itself, as in os-autoinst.pid."""
        return self.process.pid

    @property
    def token(self) -> str:
        return str(self.job.variables["JOBTOKEN"])

    @property
    def port(self) -> int:
        """Of the command server."""
        return self.job.ports.command_server

    @property
    def vnc(self) -> int:
        """The number of the VNC display; only QEMU has one."""
        return self.job.ports.vnc

    @property
    def log(self) -> str:
        return self.job.log.read_text(errors="replace")

    def wait_until_listening(self) -> None:
        """The command server takes connections now; it answers when the test is about to run."""
        self.wait_for(lambda: not self.is_running or self._listens(), "the port to open")
        assert self.is_running, f"isotovideo has ended already:\n{self.log[-4000:]}"

    def wait_for(
        self, condition: Callable[[], object], what: str, limit_s: float = LIMIT_S
    ) -> None:
        if not processes.wait_until(condition, limit_s):
            raise AssertionError(f"{limit_s} s were not enough for {what}:\n{self.log[-4000:]}")

    def wait_for_end(self) -> int:
        """Returns the exit code, which says nothing about the results."""
        self.wait_for(lambda: not self.is_running, "the job to end", END_S)
        return self.job.wait()

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_for_pause(self) -> None:
        """As autoinst-status.json tells it, which ignores pauses on a failure."""
        self.wait_for(lambda: self._status().get("test_execution_paused"), "a pause")

    def results(self) -> dict[str, str]:
        """By full name and in order, with "none" for modules that have no result yet."""
        return self.job.results()

    def make_needle(self, tag: str, like: str = "grub-menu") -> None:
        """Puts a needle that matches the same screen as another one into the needles folder."""
        needles = self.pool / "needles"
        shutil.copy(needles / f"{like}.png", needles / f"{tag}.png")
        needle = (needles / f"{like}.json").read_text().replace(f'"{like}"', f'"{tag}"')
        (needles / f"{tag}.json").write_text(needle)

    def terminate(self) -> None:
        self.job.terminate()

    def kill9(self) -> None:
        """Kills isotovideo alone: its command server lives on and stays silent."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Stops isotovideo alone, as a host that swaps does: its command server goes on."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill_command_server(self) -> None:
        for pid in processes.members(self.pid, self.pool):
            if (
                Path(f"/proc/{pid}/cmdline")
                .read_bytes()
                .startswith(b"/usr/bin/isotovideo: commands")
            ):
                os.kill(pid, signal.SIGKILL)

    def remaining_processes(self) -> list[int]:
        """What of the job lives, isotovideo and what it started."""
        return processes.members(self.pid, self.pool)

    def stop(self) -> None:
        """Ends everything; may be called whatever has happened before, also twice."""
        if self._job is not None:
            self._job.stop()

    def kill(self) -> None:
        """Ends everything at once, which is faster; as `stop` otherwise."""
        if self._job is not None:
            self._job.kill()

    def _status(self) -> dict[str, object]:
        try:
            status: dict[str, object] = json.loads((self.pool / "autoinst-status.json").read_text())
        except FileNotFoundError:
            return {}  # the first module has not begun
        return status

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
