"""Finds the pool directories that the settings name by patterns."""

import glob
import os
import time
from dataclasses import dataclass
from pathlib import Path

from devmode.jobs.files import Version, settled_version
from devmode.jobs.poolwatch import UNTOLD_S


@dataclass
class _Listing:
    paths: list[Path]
    version: Version | None = None
    """Of the folder, before it was listed; None if it has to be listed again in any case."""
    listed_at: float = 0.0


class PoolPaths:
    """Lists a folder again when something has come into it or gone, and every `UNTOLD_S`."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        """Find what these patterns of the shell mean."""
        self._listings = {pattern: _Listing([]) for pattern in patterns}

    def found(self) -> set[Path]:
        """Return what there is; what was there before is the same object, which compares faster."""
        return {path for pattern in self._listings for path in self._found(pattern)}

    def _found(self, pattern: str) -> list[Path]:
        listing = self._listings[pattern]
        version, now = _version(os.path.dirname(pattern)), time.monotonic()
        known = listing.version is not None and listing.version == version
        if not known or listing.listed_at < now - UNTOLD_S:
            listing = self._listings[pattern] = _listed(pattern, listing.paths, version, now)
        return listing.paths


def _listed(pattern: str, before: list[Path], version: Version | None, now: float) -> _Listing:
    known = {str(path): path for path in before}
    paths = [known.get(name) or Path(name) for name in glob.iglob(pattern)]
    # Nothing is also what `glob` finds where no descriptor is left.
    return _Listing(paths, version if paths else None, now)


def _version(folder: str) -> Version | None:
    """Return the version of a folder, another one after any change; None where it can't be told."""
    if glob.has_magic(folder):
        return None
    try:
        return settled_version(os.stat(folder or os.curdir))
    except OSError:
        return None
