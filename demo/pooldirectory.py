"""Pool directories of demo jobs: claimed, marked as ours and empty before a job starts."""

import fcntl
import shutil
from pathlib import Path
from typing import IO

from demo import processes
from demo.errors import DemoError

# Only what lies beside this file is ever deleted. It holds the session of the last job, whose
# remains are ended before the next one, even if their starter was killed.
MARK = ".devmode-demo"


class PoolDirectory:
    """The working directory of one job at a time, ours alone until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._mark = _claim(self.path)

    def prepare(self) -> None:
        """Ends and deletes what an earlier job has left."""
        self._mark.seek(0)
        session = self._mark.read().strip()
        if session.isdecimal():
            processes.end(int(session), self.path)
        try:
            for entry in self.path.iterdir():
                if entry.name != MARK:
                    _delete(entry)
        except OSError as error:
            raise DemoError(f"{self.path} can't be emptied: {error.strerror}.") from error

    def remember(self, session: int) -> None:
        """Notes which session the job runs in."""
        self._mark.seek(0)
        self._mark.truncate()
        self._mark.write(f"{session}\n")
        self._mark.flush()

    def release(self) -> None:
        """Lets others claim this directory; the files of the last job stay."""
        self._mark.close()


def _claim(path: Path) -> IO[str]:
    try:
        # isotovideo leaves the job token readable for all in here.
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (path / MARK).exists() and any(path.iterdir()):
            raise DemoError(
                f"{path} holds files that are no demo job's, and they would be deleted:"
                " choose another folder with --pool."
            )
        mark = (path / MARK).open("a+")
    except OSError as error:
        raise DemoError(f"{path} can't be used as pool directory: {error.strerror}.") from error
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        mark.close()
        raise DemoError(
            f"Another demo job runs in {path}: stop it or choose another folder with --pool."
        ) from error
    return mark


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
