"""Reads what test modules recorded: the folder `testresults` of a pool directory, or what was kept
of one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

from devmode.commandserver.address import JobToken
from devmode.errors import TextNotFound
from devmode.jobs.files import beginning, contents, decoded, opened
from devmode.jobs.modules import LARGEST_RECORD, is_module_name, record_file
from devmode.jobs.png import HEAD, LARGEST_PICTURE, size_of
from devmode.jobs.pool import RESULTS
from devmode.jobs.steps import Step, is_result_file, read_steps
from devmode.jobs.variables import variables_of

LARGEST_TEXT: Final = 4 << 20
THUMBNAILS: Final = ".thumbs"

Open = Callable[[], AbstractContextManager[int]]


class Results:
    """The results of one job.

    Every method raises `TextNotFound` if the results can't be read, or are another job's.
    """

    def __init__(self, open_folder: Open) -> None:
        """Read from the folder that `open_folder` opens; it raises `OSError`, `TextNotFound`."""
        self._open_folder = open_folder

    def record(self, module: str) -> bytes | None:
        """Return what a module has told, by its short name, as JSON; None if it has not yet."""
        if not is_module_name(module):
            raise TextNotFound("There is no such module.")
        with self._opened() as results:
            return contents(results, record_file(module), LARGEST_RECORD)

    def steps(self, module: str) -> tuple[Step, ...]:
        """Return the steps of a module by its short name, none if it has not told them yet."""
        return read_steps(decoded(self.record(module)))

    def picture(self, name: str) -> bytes:
        """Return a screenshot as PNG."""
        with self._opened() as results:
            return _picture(results, name)

    def thumbnail(self, name: str) -> bytes:
        """Return a small picture of a screenshot as PNG."""
        with self._opened() as results, opened(THUMBNAILS, results) as thumbnails:
            return _picture(thumbnails, name)

    def size(self, name: str) -> tuple[int, int]:
        """Return width and height of a screenshot, in pixels; nothing by nothing if unknown."""
        if not is_result_file(name):
            return 0, 0
        try:
            return size_of(self.beginning(name, HEAD))
        except TextNotFound:
            return 0, 0

    def beginning(self, name: str, size: int) -> bytes:
        """Return the first `size` bytes of a result, of a text not masked unless it was kept so."""
        with self._opened() as results:
            return beginning(results, name, size)

    def text(self, name: str) -> bytes:
        """Return a text as it is, not masked unless it was kept so."""
        with self._opened() as results:
            return _file(results, name, LARGEST_TEXT)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            with self._open_folder() as results:
                yield results
        except FileNotFoundError:
            raise TextNotFound("There are no results yet, or no longer.") from None
        except OSError as error:
            raise TextNotFound(f"The results can't be read: {error.strerror}.") from error


def results_in_pool(directory: Path, token: JobToken) -> Results:
    """Return the results in a pool directory while that is the job's that `token` belongs to."""

    @contextmanager
    def open_folder() -> Iterator[int]:
        with opened(directory) as pool:
            variables_of(pool, token)
            with opened(RESULTS, pool) as results:
                yield results

    return Results(open_folder)


def worth_keeping(results: Results, modules: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield files of the results of these modules, the most worth keeping first.

    That is what each module has told; then what belongs to steps that did not go well; then the
    texts of the others, and at last their screenshots. Raises `TextNotFound` when all has gone.
    """
    steps: list[Step] = []
    for module in modules:
        record = results.record(module)
        if record is not None:
            steps += read_steps(decoded(record))
            yield record_file(module), record
    bad = [step for step in steps if step.result in ("fail", "softfail")]
    good = [step for step in steps if step.result not in ("fail", "softfail")]
    yield from _texts(results, bad)
    yield from _screenshots(results, bad)
    yield from _texts(results, good)
    yield from _screenshots(results, good)


def _texts(results: Results, steps: Iterable[Step]) -> Iterator[tuple[str, bytes]]:
    for step in steps:
        with suppress(TextNotFound):
            if step.text:
                yield step.text, results.text(step.text)


def _screenshots(results: Results, steps: Iterable[Step]) -> Iterator[tuple[str, bytes]]:
    for step in steps:
        with suppress(TextNotFound):
            if step.screenshot:
                yield step.screenshot, results.picture(step.screenshot)
                yield f"{THUMBNAILS}/{step.screenshot}", results.thumbnail(step.screenshot)


def _picture(folder: int, name: str) -> bytes:
    content = _file(folder, name, LARGEST_PICTURE)
    if size_of(content) == (0, 0):
        raise TextNotFound("This is no picture, or it is not whole yet.")
    return content


def _file(folder: int, name: str, most: int) -> bytes:
    content = contents(folder, name, most) if is_result_file(name) else None
    if content is None:
        raise TextNotFound("There is no such result.")
    return content
