"""The processes of a bench: gunicorn as it is deployed, and helpers that are spoken to by lines."""

import json
import os
import resource
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.children import children
from tests.migrations import UPGRADE

ROOT = Path(__file__).parents[1]
START_CODE = "bench"
MOST_FILES = 65536
START_S = 60.0


def lift_limits() -> None:
    """Let this process and its children open as many files as the machine permits."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(MOST_FILES, hard) if hard != resource.RLIM_INFINITY else MOST_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Child:
    """A child process that answers each line with a line of JSON."""

    def __init__(self, module: str, *arguments: str) -> None:
        """Start it."""
        self.module = module
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Return what it says next."""
        assert self.process.stdout  # noqa: S101 - it is a pipe
        line = self.process.stdout.readline()
        if not line:
            raise ChildProcessError(f"{self.module} ended")
        return line.strip()

    def tell(self, request: object) -> None:
        """Ask for something; `line` is the answer."""
        assert self.process.stdin  # noqa: S101 - it is a pipe
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def ask(self, request: object) -> Any:
        """Ask and wait for the answer."""
        self.tell(request)
        return json.loads(self.line())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin  # noqa: S101 - it is a pipe
        self.process.stdin.close()
        self.process.wait(10)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, by the scheduler: a tick of 10 ms is coarse."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def memory_kb(pid: int) -> int:
    """The proportional set size of a process, in kB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise LookupError("no Pss in smaps_rollup")


class Gunicorn:
    """devmode as `script/run` serves it, on a database and pool directories of its own."""

    def __init__(
        self, folder: Path, pools: Path, database_url: str | None = None, workers: int = 1
    ) -> None:
        """Start and wait until it answers; without a URL the database is a file in the folder."""
        folder.mkdir(exist_ok=True)
        self.address = f"127.0.0.1:{free_port()}"
        environment = os.environ | {
            "DEVMODE_DATABASE_URL": database_url or f"sqlite:///{folder / 'devmode.sqlite'}",
            "DEVMODE_WORKERS": str(workers),
            "DEVMODE_BIND": self.address,
            "DEVMODE_POOL_DIRECTORIES": str(pools / "*"),
            "DEVMODE_START_CODE": START_CODE,
            "DEVMODE_SECRET_KEY": "only for the bench",
            "DEVMODE_STREAMS_PER_LOGIN": "100000",
        }
        subprocess.run(UPGRADE, cwd=ROOT, env=environment, check=True, capture_output=True)
        self._log = (folder / "gunicorn.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"],
            cwd=ROOT,
            env=environment,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait()
        except TimeoutError:
            self.stop()
            raise

    @property
    def workers(self) -> list[int]:
        """The pids of the processes that serve."""
        return children(self._process.pid)

    def cpu_s(self) -> float:
        """Seconds of CPU that the workers have used."""
        return sum(cpu_s(pid) for pid in self.workers)

    def memory_kb(self) -> int:
        """The workers' proportional set size, in kB."""
        return sum(memory_kb(pid) for pid in self.workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://{self.address}/sign-in", timeout=2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("gunicorn did not answer")
