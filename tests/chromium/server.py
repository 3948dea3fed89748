"""A devmode in processes of its own: gunicorn, an SQLite file, a folder of pool directories."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_S = 20.0


class Server:
    """Starts, kills and stops gunicorn, all on the same database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start_code = "sesame"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        (folder / "pools").mkdir()
        self._environment = os.environ | {
            "DEVMODE_DATABASE_URL": f"sqlite:///{folder / 'devmode.sqlite'}",
            "DEVMODE_BIND": f"127.0.0.1:{self._port}",
            "DEVMODE_POOL_DIRECTORIES": str(folder / "pools" / "*"),
            "DEVMODE_KEPT_DIRECTORY": str(folder / "kept"),
            "DEVMODE_START_CODE": self.start_code,
            "DEVMODE_SECRET_KEY": "only for tests",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        upgrade = [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"]
        subprocess.run(upgrade, cwd=ROOT, env=self._environment, check=True, capture_output=True)
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

    def kill(self) -> None:
        """Kill gunicorn with all its workers, as a power cut would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def processes(self) -> list[int]:
        """Return the pids of gunicorn and its workers."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [self._process.pid, *map(int, children.read_text().split())]

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/sign-in", timeout=2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(f"gunicorn did not answer:\n{self.log}")
