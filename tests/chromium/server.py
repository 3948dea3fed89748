"""A devmode in processes of its own: gunicorn, an SQLite file, a folder of pool directories."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from tests.children import children
from tests.migrations import UPGRADE
from tests.ports import free_port
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]


class Server:
    """Starts and kills gunicorn, all on the same database."""

    def __init__(self, folder: Path, port: int | None = None, **settings: str) -> None:
        self.folder = folder
        self.start_code = "sesame"
        self._port = port or free_port()
        for name in ("pools", "metrics"):
            (folder / name).mkdir()
        database = folder / "devmode.sqlite"
        database.write_bytes(_empty_database())
        self._environment = os.environ | {
            "DEVMODE_DATABASE_URL": f"sqlite:///{database}",
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            "DEVMODE_BIND": f"127.0.0.1:{self._port}",
            "DEVMODE_POOL_DIRECTORIES": str(folder / "pools" / "*"),
            "DEVMODE_NEEDLE_DIRECTORIES": str(folder / "pools" / "*" / "needles"),
            "DEVMODE_KEPT_DIRECTORY": str(folder / "kept"),
            "DEVMODE_START_CODE": self.start_code,
            "DEVMODE_SECRET_KEY": "only for tests",
            **{f"DEVMODE_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def expire_logins(self) -> None:
        """Let the time of every login be over."""
        with sqlite3.connect(self.folder / "devmode.sqlite") as database:
            database.execute("UPDATE logins SET expires_at = 0")
        database.close()

    def page_of(self, pool: Path) -> str:
        """Wait until the job in a pool directory is known, and return the path of its page."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if number := self._number_of(pool):
                return f"/jobs/{number}"
            time.sleep(0.02)
        raise AssertionError(f"devmode did not find the job in {pool}:\n{self.log}")

    @contextmanager
    def down(self) -> Iterator[None]:
        """Be killed for a while; another test finds it up again, whatever becomes of this one."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Stand still for a while, with every connection open."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill gunicorn with all its workers, as a power cut would.

        Tests end so too, which is faster: how devmode stops is seen in tests/processes.
        """
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def processes(self) -> list[int]:
        """Return the pids of gunicorn and its workers."""
        assert self._process is not None
        return [self._process.pid, *children(self._process.pid)]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def _number_of(self, pool: Path) -> int | None:
        with closing(sqlite3.connect(self.folder / "devmode.sqlite")) as database:
            running = "SELECT max(id) FROM jobs WHERE pool_directory = ? AND ended_at IS NULL"
            number: int | None = database.execute(running, [str(pool)]).fetchone()[0]
            return number

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/sign-in", timeout=2).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"gunicorn did not answer:\n{self.log}")


@cache
def _empty_database() -> bytes:
    """An SQLite file with all tables; migrating one for every test took half of each start."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "devmode.sqlite"
        environment = os.environ | {"DEVMODE_DATABASE_URL": f"sqlite:///{file}"}
        subprocess.run(UPGRADE, cwd=ROOT, env=environment, check=True, capture_output=True)
        return file.read_bytes()
