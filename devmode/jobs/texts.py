"""The texts in a pool directory: isotovideo's log, and what the SUT wrote to serial lines.

They are read while they grow, and may be cut off, replaced or deleted at any moment. A pool
directory is used by one job after the other, so whoever reads has to know the job's token.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devmode.commandserver.address import JobToken
from devmode.errors import TextNotFound
from devmode.jobs.files import close, opened, opened_file
from devmode.jobs.variables import variables_of

LOG: Final = "log"
SERIAL: Final = "serial0"
AT_ONCE: Final = 64 << 10
"""How much is read at once, in bytes."""
MOST_BEHIND: Final = 512 << 10
"""Who is further behind the end than this goes on near the end."""
END: Final = AT_ONCE
"""How much of the end of a text is read first, all of it at once."""
_FINGERPRINT: Final = 64
"""As many of the last bytes read are read again, to notice that a file was written anew."""
_FILES = {LOG: "autoinst-log.txt", SERIAL: SERIAL}
EXPECTED: Final = tuple(_FILES)
"""The texts that every job has, sooner or later."""
_CONSOLE = re.compile(r"virtio_console\w{0,40}", re.ASCII)


@dataclass(frozen=True)
class Chunk:
    """Some bytes of a text, and where they stand in which version of its file."""

    generation: str
    offset: int
    data: bytes


def file_of(text: str) -> str:
    """Return the name of the file that holds a text; raise `TextNotFound`."""
    if text in _FILES:
        return _FILES[text]
    if _CONSOLE.fullmatch(text):
        return f"{text}.log"
    raise TextNotFound("There is no such text: a job has a log and serial outputs.")


def texts_of(directory: Path) -> list[str]:
    """Return the names of the texts that lie in a pool directory; log and serial0 are expected."""
    try:
        found = sorted(name.removesuffix(".log") for name in os.listdir(directory))
    except OSError:
        found = []
    return [*_FILES, *(name for name in found if _CONSOLE.fullmatch(name))][:20]


def open_text(directory: Path, token: JobToken, text: str) -> int:
    """Return the descriptor of a text, to be closed by the caller.

    Raises `TextNotFound` with the reason, also when the directory is another job's by now.
    """
    try:
        with opened(directory) as pool:
            variables_of(pool, token)
            return opened_file(pool, file_of(text))
    except FileNotFoundError:
        raise TextNotFound("There is no such file yet, or no longer.") from None
    except OSError as error:
        raise TextNotFound(f"The file can't be read: {error.strerror}.") from error


class GrowingText:
    """Reads a text from near its end on, through everything that may happen to its file."""

    token: JobToken
    """Of the job that wrote what was read."""

    def __init__(self, directory: Path, text: str, token: Callable[[], JobToken]) -> None:
        """Read nothing yet; `token` tells the job's token, or raises `TextNotFound`."""
        self._directory = directory
        self._text = text
        self._find_token = token
        self._file: int | None = None
        self._inode = 0
        self._generations = 0
        self._offset = 0
        self._fingerprint = b""

    def read(self) -> Chunk | None:
        """Return the next bytes, None if there are no more now.

        Raises `TextNotFound` while there is no file, after all of an earlier one was read.
        """
        try:
            chunk = self._next(self._file) if self._file is not None else None
            if chunk is None and not self._is_in_place():
                chunk = self._next(self._open())
        except OSError as error:
            self.close()
            raise TextNotFound(f"The file can't be read: {error.strerror}.") from error
        return chunk

    def close(self) -> None:
        """Let go of the file; a later `read` begins anew."""
        if self._file is not None:
            close(self._file)
            self._file = None

    def _open(self) -> int:
        self.close()
        self.token = self._find_token()
        self._file = open_text(self._directory, self.token, self._text)
        facts = os.fstat(self._file)
        self._inode = facts.st_ino
        self._generations += 1
        self._go_on_at(max(0, facts.st_size - END))
        return self._file

    def _go_on_at(self, offset: int) -> None:
        self._offset = offset
        self._fingerprint = b""

    def _next(self, file: int) -> Chunk | None:
        size = os.fstat(file).st_size
        if size - self._offset > MOST_BEHIND:
            self._go_on_at(size - END)
        known = len(self._fingerprint)
        data = os.pread(file, known + AT_ONCE, self._offset - known)
        if size < self._offset or not data.startswith(self._fingerprint):
            return self._next(self._open())  # it was written anew, perhaps by another job
        if len(data) == known:
            return None
        chunk = Chunk(f"{self._inode}.{self._generations}", self._offset, data[known:])
        self._offset += len(data) - known
        self._fingerprint = data[-_FINGERPRINT:]
        return chunk

    def _is_in_place(self) -> bool:
        """Whether the file that is read is the one that has its name."""
        if self._file is None:
            return False
        try:
            with opened(self._directory) as pool:
                facts = os.stat(file_of(self._text), dir_fd=pool, follow_symlinks=False)
        except OSError:
            return False
        return facts.st_ino == self._inode
