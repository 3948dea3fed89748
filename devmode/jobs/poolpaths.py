"""Finds the pool directories that the settings name by patterns."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from devmode.jobs.files import Version, settled_version


@dataclass
class _Listing:
    version: Version | None
    paths: list[Path]


class PoolPaths:
    """Lists a folder again only when something has come into it or gone."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        """Find what these patterns of the shell mean."""
        self._listings = {pattern: _Listing(None, []) for pattern in patterns}

    def found(self) -> set[Path]:
        """Return what there is; what was there before is the same object, which compares faster."""
        return {path for pattern in self._listings for path in self._found(pattern)}

    def _found(self, pattern: str) -> list[Path]:
        listing = self._listings[pattern]
        version = _version(os.path.dirname(pattern))
        if version is None or version != listing.version:
            known = {str(path): path for path in listing.paths}
            listing.paths = [known.get(name) or Path(name) for name in glob.iglob(pattern)]
            listing.version = version
        return listing.paths


def _version(folder: str) -> Version | None:
    """Tell a folder from what it will be after any change; None where that can't be told."""
    if glob.has_magic(folder):
        return None
    try:
        return settled_version(os.stat(folder or os.curdir))
    except OSError:
        return None
