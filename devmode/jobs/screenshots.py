"""The screenshots in a pool directory, and the request to isotovideo to write them.

The video encoder writes `qemuscreenshot/SECONDS.MICROSECONDS.png` and points `last.png` to it, one
per change of the screen, while a file `live_log` exists; whoever wants pictures makes that file.
`last.png` is missing for a moment at each change. It is the one symlink that is followed, and only
to a plain name beside it.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Final

from devmode.errors import NotPermitted
from devmode.jobs.files import Version, close, contents, opened, settled_version
from devmode.jobs.png import LARGEST_PICTURE, is_whole, size_of
from devmode.jobs.pool import RESULTS
from devmode.moment import moment

REQUEST: Final = "live_log"
FOLDER: Final = "qemuscreenshot"
LATEST: Final = "last.png"
MOST_RESULTS: Final = 20_000
MOST_HELD: Final = 20
_SCREENSHOT = re.compile(r"[0-9]{0,12}\.[0-9]{1,9}\.png")
_RESULT = re.compile(r"[\w.-]{1,200}-[0-9]{1,6}\.png")
_HELD = re.compile(r"devmode-[0-9a-f]{18}\.png")
Settled = tuple[Version, Version]


@dataclass(frozen=True)
class Place:
    """Where a picture is; another one when it was written anew."""

    folder: str
    name: str
    written_at: float

    @cached_property
    def version(self) -> str:
        """A name for just what is there: a picture is written once."""
        return blake2b(repr(self).encode(), digest_size=9).hexdigest()


@dataclass(frozen=True)
class Picture:
    """One whole PNG."""

    data: bytes
    place: Place

    @property
    def written_at(self) -> datetime:
        """When isotovideo wrote it."""
        return moment(self.place.written_at)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return size_of(self.data)

    @property
    def is_whole(self) -> bool:
        """Whether this is a PNG from its signature to its end, of a size that a screen can have."""
        return is_whole(self.data)


def live_place(directory: Path) -> Place | None:
    """Tell where the latest live picture is; None while there is none."""
    try:
        with opened(directory) as pool, opened(FOLDER, pool) as folder:
            return _target(folder)
    except OSError:
        return None


def result_place(directory: Path) -> Place | None:
    """Tell where the newest screenshot among the results is; None while there is none."""
    try:
        with opened(directory) as pool, opened(RESULTS, pool) as folder:
            found = [Place(RESULTS, name, at) for name, at in _files(folder, _RESULT)]
    except OSError:
        return None
    return max(found, key=lambda place: place.written_at, default=None)


def results_changed_at(directory: Path) -> int | None:
    """Tell when a file of the results was added last; None while there are none."""
    try:
        with opened(directory) as pool:
            return os.stat(RESULTS, dir_fd=pool, follow_symlinks=False).st_mtime_ns
    except OSError:
        return None


def settled(directory: Path) -> Settled | None:
    """Tell a pool directory from what it is after anything came into it or its results, or went.

    None when something did just now, or when there are no results yet.
    """
    path = str(directory)
    try:
        pool, results = (
            settled_version(os.stat(folder, follow_symlinks=False))
            for folder in (path, f"{path}/{RESULTS}")
        )
    except OSError:
        return None
    return (pool, results) if pool and results else None


def read_picture(directory: Path, place: Place) -> Picture | None:
    """Read a picture; None when it is gone, half-written or no picture."""
    try:
        with opened(directory) as pool, opened(place.folder, pool) as folder:
            data = contents(folder, place.name, LARGEST_PICTURE)
    except OSError:
        return None
    picture = Picture(data or b"", place)
    return picture if picture.is_whole else None


def hold_picture(directory: Path, place: Place) -> str:
    """Hold a picture among the results for who wants to make something of it; return its name.

    A live picture is gone as soon as there is a newer one. The oldest ones that are held make room
    for others; the next job removes all of them. Raises `OSError`.
    """
    if place.folder == RESULTS:
        return place.name
    name = f"devmode-{place.version}.png"
    with (
        opened(directory) as pool,
        opened(place.folder, pool) as folder,
        opened(RESULTS, pool) as results,
    ):
        with suppress(FileExistsError):
            os.link(place.name, name, src_dir_fd=folder, dst_dir_fd=results, follow_symlinks=False)
        held = sorted(_files(results, _HELD), key=lambda file: file[1])
        for old, _written_at in held[:-MOST_HELD]:
            # Another process may be at the same.
            with suppress(FileNotFoundError):
                os.unlink(old, dir_fd=results)
    return name


def request_mark(secret: str) -> bytes:
    """Make the mark by which the processes of one devmode know their requests."""
    digest = blake2b(REQUEST.encode(), key=secret.encode()[:64], digest_size=9)
    return f"devmode {digest.hexdigest()}\n".encode()


@contextmanager
def screenshot_folder(directory: Path) -> Iterator[str]:
    """Hold the folder of the live pictures open, under a path that leads nowhere else."""
    with opened(directory) as pool, opened(FOLDER, pool) as folder:
        yield f"/proc/self/fd/{folder}"


def ask_for_pictures(directory: Path, mark: bytes) -> None:
    """Have live pictures written, unless they are already, for whomever.

    The request carries `mark`, so that it is known again. Raises `NotPermitted` with the way to
    permit it, and `OSError` when the pool directory has gone.
    """
    with opened(directory) as pool:
        try:
            request = os.open(
                REQUEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=pool
            )
        except FileExistsError:
            return
        except PermissionError:
            raise NotPermitted(
                "devmode may not ask for live pictures: it can't write into this pool directory."
                " Run devmode as the user that runs isotovideo."
            ) from None
        try:
            os.write(request, mark)
            if os.fstat(pool).st_uid != os.geteuid():
                # An openQA worker that wants pictures too opens this file for writing.
                os.fchmod(request, 0o666)
        finally:
            close(request)


def stop_asking(directory: Path, mark: bytes) -> None:
    """Withdraw our request, and remove what was written because of it but for the last picture."""
    remove_old_pictures(directory, mark)
    with suppress(OSError), opened(directory) as pool:
        if contents(pool, REQUEST, len(mark)) == mark:
            os.unlink(REQUEST, dir_fd=pool)


def is_asking(directory: Path, mark: bytes) -> bool:
    """Tell whether a request of ours stands."""
    try:
        with opened(directory) as pool:
            return contents(pool, REQUEST, len(mark)) == mark
    except OSError:
        return False


def remove_old_pictures(directory: Path, mark: bytes) -> None:
    """Remove the pictures that our request caused and that are no longer the last one.

    None is removed that was there before the request, or once the request is somebody else's.
    """
    with suppress(OSError), opened(directory) as pool, opened(FOLDER, pool) as folder:
        if contents(pool, REQUEST, len(mark)) != mark:
            return
        asked_at = os.stat(REQUEST, dir_fd=pool, follow_symlinks=False).st_mtime
        latest = _target(folder)
        files = _files(folder, _SCREENSHOT)
        # While the link is missing, the newest is or will be its target, unless it is half-written.
        times = sorted(written_at for _name, written_at in files)[-2:]
        keep_from = latest.written_at if latest else min(times, default=0.0)
        for name, written_at in files:
            if asked_at <= written_at < keep_from:
                os.unlink(name, dir_fd=folder)


def _target(folder: int) -> Place | None:
    try:
        name = os.readlink(LATEST, dir_fd=folder)
        if not _SCREENSHOT.fullmatch(name):
            return None
        written_at = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime
    except OSError:
        return None
    return Place(FOLDER, name, written_at)


def _files(folder: int, pattern: re.Pattern[str]) -> list[tuple[str, float]]:
    """List regular files by name and time, of a folder that may hold anything."""
    found = []
    with os.scandir(folder) as entries:
        for _number, entry in zip(range(MOST_RESULTS), entries, strict=False):
            if pattern.fullmatch(entry.name):
                facts = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(facts.st_mode):
                    found.append((entry.name, facts.st_mtime))
    return found
