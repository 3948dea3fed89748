"""Reads what test modules recorded: the folder `testresults` of a pool directory."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from devmode.commandserver.address import JobToken
from devmode.errors import TextNotFound
from devmode.jobs.files import beginning, contents, json_contents, opened
from devmode.jobs.steps import LARGEST, Step, is_result_file, read_steps
from devmode.jobs.texts import require_job

LARGEST_PICTURE: Final = 8 << 20
LARGEST_TEXT: Final = 4 << 20
LARGEST_RESULT: Final = 8 << 20
THUMBNAILS: Final = ".thumbs"
_PNG = b"\x89PNG\r\n\x1a\n"
_SIZE = struct.Struct(">8s8xII")
"""The beginning of a PNG: its mark, and width and height after the head of the first chunk."""


class Results:
    """The results of one job."""

    def __init__(self, directory: Path, token: JobToken) -> None:
        """Read from a pool directory while it is that of the job that `token` belongs to."""
        self._directory = directory
        self._token = token

    def steps(self, module: str) -> tuple[Step, ...]:
        """Return the steps of a module by its short name, none if it has not told them yet.

        Raises `TextNotFound` if the directory can't be read, or is another job's.
        """
        if "/" in module or "\0" in module or len(module) > 200:
            raise TextNotFound("There is no such module.")
        with self._opened() as results:
            return read_steps(json_contents(results, f"result-{module}.json", LARGEST_RESULT))

    def picture(self, name: str) -> bytes:
        """Return a screenshot as PNG; raise `TextNotFound`."""
        with self._opened() as results:
            return _picture(results, name)

    def thumbnail(self, name: str) -> bytes:
        """Return a small picture of a screenshot as PNG; raise `TextNotFound`."""
        with self._opened() as results, opened(THUMBNAILS, results) as thumbnails:
            return _picture(thumbnails, name)

    def size(self, name: str) -> tuple[int, int]:
        """Return width and height of a screenshot, in pixels; nothing by nothing if unknown."""
        try:
            with self._opened() as results:
                header = beginning(results, name, _SIZE.size)
            begin, width, height = _SIZE.unpack(header)
        except (TextNotFound, struct.error):
            return 0, 0
        known = begin == _PNG and is_result_file(name)
        return (min(width, LARGEST), min(height, LARGEST)) if known else (0, 0)

    def text(self, name: str) -> bytes:
        """Return a text as it is, not masked; raise `TextNotFound`."""
        with self._opened() as results:
            return _file(results, name, LARGEST_TEXT)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            with opened(self._directory) as pool:
                require_job(pool, self._token)
                with opened("testresults", pool) as results:
                    yield results
        except FileNotFoundError:
            raise TextNotFound("There are no results yet, or no longer.") from None
        except OSError as error:
            raise TextNotFound(f"The results can't be read: {error.strerror}.") from error


def _picture(folder: int, name: str) -> bytes:
    content = _file(folder, name, LARGEST_PICTURE)
    if not content.startswith(_PNG):
        raise TextNotFound("This is no picture, or it is not whole yet.")
    return content


def _file(folder: int, name: str, most: int) -> bytes:
    content = contents(folder, name, most) if is_result_file(name) else None
    if content is None:
        raise TextNotFound("There is no such result.")
    return content
