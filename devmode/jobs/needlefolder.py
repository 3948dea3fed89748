"""Saves needles into the folder from which a job's isotovideo loads them.

`vars.json` names that folder, and is hostile: it may name any, through whatever symlinks. So a
folder is opened first, and then judged by the path that the kernel knows it by; nothing is written
but below that very descriptor.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

from devmode.commandserver.address import JobToken
from devmode.errors import InvalidCommand, NeedleNotSaved, NotPermitted, TextNotFound
from devmode.jobs.files import close, opened, opened_file
from devmode.jobs.job import Job
from devmode.jobs.needles import Needle, check
from devmode.jobs.png import is_whole, size_of
from devmode.jobs.registry import Registry
from devmode.jobs.results import results_in_pool
from devmode.jobs.variables import variables_of

SETTING: Final = "DEVMODE_NEEDLE_DIRECTORIES"
LONGEST_SHOWN: Final = 300
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_PICTURE = re.compile(r"\.[0-9a-f]{18}\.png\.devmode")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NeedleFolders:
    """The needles folders of the jobs on this host, as far as devmode may write into them."""

    def __init__(self, registry: Registry, permitted: tuple[str, ...]) -> None:
        """Write only into folders whose paths fit one of the `permitted` globs."""
        self._registry = registry
        self._permitted = permitted

    def require(self, job: Job) -> None:
        """Raise `NotPermitted` or `TextNotFound` if no needle of this job can be saved."""
        with self._opened(job, self._registry.token_in_pool(job.id)):
            return

    def save(self, job: Job, needle: Needle, screenshot: str) -> None:
        """Save a needle with a screenshot of the job's results, byte by byte.

        Raises `InvalidCommand`, `NeedleNotSaved`, `NotPermitted`, `TextNotFound`.
        """
        token = self._registry.token_in_pool(job.id)
        picture = results_in_pool(job.pool_directory, token).picture(screenshot)
        if not is_whole(picture):
            raise TextNotFound("The screenshot is no whole picture. Take another one.")
        check(needle, *size_of(picture))
        with self._opened(job, token) as folder:
            write_needle(folder, needle, picture)

    @contextmanager
    def _opened(self, job: Job, token: JobToken) -> Iterator[int]:
        folder = _open(job.pool_directory, token)
        try:
            require_permission(folder, self._permitted)
            yield folder
        finally:
            close(folder)


def require_permission(folder: int, permitted: tuple[str, ...]) -> None:
    """Raise `NotPermitted` unless the settings and the system let devmode write into a folder."""
    path = os.readlink(f"/proc/self/fd/{folder}")
    shown = os.fsencode(path).decode(errors="replace")[:LONGEST_SHOWN]
    if not any(PurePosixPath(path).match(glob) for glob in permitted):
        raise NotPermitted(
            f"The needles folder of this job is {shown}. {SETTING} names the folders that devmode"
            " may save needles into, and this is none of them."
        )
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder):
        raise NotPermitted(f"The user that devmode runs as can't write into {shown}.")


def write_needle(folder: int, needle: Needle, picture: bytes) -> None:
    """Add a new needle to a folder, whole or not at all; raise `InvalidCommand`, `NeedleNotSaved`.

    The picture comes first: os-autoinst loads whatever has a JSON file, at any moment.
    """
    mark = secrets.token_hex(9)
    try:
        with (
            _draft(folder, f".{mark}.png.devmode", picture) as png,
            _draft(folder, f".{mark}.json.devmode", needle.json) as json,
        ):
            _clear_away(folder, needle.name)
            _name(folder, png, f"{needle.name}.png")
            try:
                _name(folder, json, f"{needle.name}.json")
            except OSError:
                os.unlink(f"{needle.name}.png", dir_fd=folder)
                raise
    except FileExistsError:
        raise InvalidCommand(
            f"There is a needle {needle.name} already. Choose another name.", "name"
        ) from None
    except OSError as error:
        raise NeedleNotSaved(f"The needle could not be saved: {error.strerror}.") from error


def _open(directory: Path, token: JobToken) -> int:
    with suppress(OSError), opened(directory) as pool:
        for path in _named(variables_of(pool, token)):
            # What is no path at all is a ValueError.
            with suppress(OSError, ValueError):
                return os.open(path, _FOLDER, dir_fd=pool)
    raise NotPermitted("The needles folder of this job is not there, or can't be looked into.")


def _named(variables: dict[str, Any]) -> list[str]:
    """Return where isotovideo looks for its needles, one after the other (needle.pm, init)."""
    named, case, product = (
        value if isinstance(value := variables.get(name), str) else ""
        for name in ("NEEDLES_DIR", "CASEDIR", "PRODUCTDIR")
    )
    needles = named or f"{product or case}/needles"
    return [needles, os.path.join(case, needles)]


@contextmanager
def _draft(folder: int, name: str, content: bytes) -> Iterator[str]:
    """Write a file that os-autoinst passes over, and hold it for as long as it is needed."""
    with os.fdopen(os.open(name, _NEW, 0o644, dir_fd=folder), "wb") as file:
        try:
            with suppress(OSError):  # not every file system has locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(content)
            file.flush()
            # isotovideo may run as somebody else, whatever the umask.
            os.fchmod(file.fileno(), 0o644)
            yield name
        finally:
            os.unlink(name, dir_fd=folder)


def _clear_away(folder: int, name: str) -> None:
    """Remove the picture of a needle whose saver was killed before there was a JSON file.

    Its draft is the same file, and was held until then.
    """
    with suppress(OSError), opened(".", folder) as files:
        picture = os.stat(f"{name}.png", dir_fd=files, follow_symlinks=False)
        names = set(os.listdir(files))
        if f"{name}.json" in names:
            return
        for draft in filter(_PICTURE.fullmatch, names):
            if os.path.samestat(os.stat(draft, dir_fd=files, follow_symlinks=False), picture):
                _remove_left(files, draft, f"{name}.png")


def _remove_left(folder: int, draft: str, picture: str) -> None:
    descriptor = opened_file(folder, draft)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another process may have been at the same, and have saved its own by now.
        there = os.stat(picture, dir_fd=folder, follow_symlinks=False)
        if os.path.samestat(os.fstat(descriptor), there):
            os.unlink(picture, dir_fd=folder)
        os.unlink(draft, dir_fd=folder)
        os.unlink(draft.replace("png", "json"), dir_fd=folder)
    finally:
        close(descriptor)


def _name(folder: int, draft: str, name: str) -> None:
    """Give a draft its name, unless there is a file of that name."""
    os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
