"""Wall clocks that a test sets, of devmode's processes and of a PostgreSQL, by libfaketime."""

import time
from contextlib import suppress
from pathlib import Path

from tests.databases import PostgresqlServer
from tests.processes.world import Gunicorn, World

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Clock:
    """Shows the time of this machine, or so much more."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"{name}.clock"
        self.ahead_s = 0
        self.turn(0)

    @property
    def environment(self) -> dict[str, str]:
        """Of processes that look at this clock; clocks that only go on are left alone."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def turn(self, ahead_s: int) -> None:
        """Have it show so many seconds more than the time, or fewer."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{ahead_s:+}")
        draft.replace(self._file)
        self.ahead_s = ahead_s


class ClockedPostgresql(PostgresqlServer):
    """A server whose clock a test sets."""

    def __init__(self, clock: Clock) -> None:
        # Not for setpriv, which runs as somebody else.
        self.prefix = ("env", *map("=".join, clock.environment.items()))
        super().__init__()


class ClockedWorld(World):
    """Two gunicorns that look at clocks of their own, or at the same, and the database's clock."""

    def __init__(
        self, folder: Path, database_url: str, clocks: tuple[Clock, Clock], of_database: Clock
    ) -> None:
        self._clocks = clocks
        self._of_database = of_database
        super().__init__(folder, database_url, 1, 1)

    def new_gunicorn(self, number: int, environment: dict[str, str]) -> Gunicorn:
        # libfaketime breaks the call by which gevent's monitor sleeps.
        environment |= {"GEVENT_MONITOR_THREAD_ENABLE": "false"}
        return super().new_gunicorn(number, environment | self._clocks[number].environment)

    def database_time(self) -> float:
        return time.time() + self._of_database.ahead_s

    def end(self) -> None:
        super().end()
        remove_what_the_killed_have_left()


def remove_what_the_killed_have_left() -> None:
    """libfaketime cleans up where a process ends by itself only."""
    for left in Path("/dev/shm").glob("*faketime_s*_*"):
        if not Path("/proc", left.name.rpartition("_")[2]).exists():
            # Another process may do the same.
            with suppress(FileNotFoundError):
                left.unlink()
