"""Both kinds of database for tests: files of SQLite, and a PostgreSQL server of their own."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from tests.children import children
from tests.waiting import LIMIT_S

OWNER = "postgres"
"""Whom PostgreSQL runs as where the tests run as root, which it refuses."""
_numbers = itertools.count(1)


class PostgresqlServer:
    """A server on a socket in a temporary folder, which can be stopped, started and frozen."""

    prefix: tuple[str, ...] = ()
    """What its programs are started by."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="devmode-postgresql-"))
        self._data = self.folder / "data"
        self._programs = max(Path("/usr/lib/postgresql").glob("*/bin/postgres")).parent
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.folder, OWNER)
        self._run("initdb", "--no-sync", "-A", "trust", "-U", OWNER, "-D", str(self._data)).wait()

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "max_connections": "200",
        }
        settings = [part for item in options.items() for part in ("-c", "=".join(item))]
        self._process = self._run("postgres", "-D", str(self._data), *settings)
        deadline = time.monotonic() + LIMIT_S
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, as an administrator's restart does: connections are cut."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(LIMIT_S)

    def freeze(self) -> None:
        """Stop every process of it in the middle of whatever it does: nothing is refused."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def back_up(self, url: URL, file: Path) -> None:
        """Write what `pg_dump` makes of a database."""
        assert url.database is not None
        arguments = ["-h", str(self.folder), "-U", OWNER, "-Fc", "-f", str(file)]
        program = str(self._programs / "pg_dump")
        subprocess.run([program, *arguments, url.database], check=True, timeout=LIMIT_S)

    def restore(self, url: URL, file: Path) -> None:
        """Make a database what it was, whatever it is now."""
        assert url.database is not None
        with self._connect() as connection:
            connection.execute(f"DROP DATABASE {url.database} WITH (FORCE)".encode())
            connection.execute(f"CREATE DATABASE {url.database}".encode())
        arguments = ["-h", str(self.folder), "-U", OWNER, "-d", url.database, str(file)]
        program = str(self._programs / "pg_restore")
        subprocess.run([program, *arguments], check=True, timeout=LIMIT_S)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"devmode_{next(_numbers)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://{OWNER}@/{name}?host={self.folder}"

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        # The first of them makes no more of the others meanwhile.
        for process in (pid, *children(pid)):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.folder), user=OWNER, dbname="postgres", autocommit=True
        )

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        # It ends also with tests, or a bench, that are killed.
        as_whom = ["setpriv", "--pdeathsig", "INT"]
        if os.geteuid() == 0:
            as_whom += [f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups"]
        command = [*as_whom, *self.prefix, str(self._programs / program), *arguments]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    server = PostgresqlServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new_database()
