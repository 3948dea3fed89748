"""Tells whoever waits of the next live picture, by inotify where the system has it.

Where it has not, or has no watch left, whoever waits has to look again and again.
"""

from collections.abc import Callable
from pathlib import Path

from gevent.socket import wait_read
from inotify_simple import INotify, flags

from devmode.background import in_background
from devmode.jobs.screenshots import LATEST, screenshot_folder

_MASK = flags.CREATE | flags.MOVED_TO | flags.ONLYDIR

Wake = Callable[[], None]


class Watches:
    """One inotify instance for all pool directories of this process: the system has few."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._inotify: INotify | None = None
        self._waiting: dict[int, Wake] = {}

    def add(self, directory: Path, wake: Wake) -> bool:
        """Call `wake` at every new picture of a pool directory; False where that can't be.

        Adding what is watched already costs a system call, and finds a folder that was made anew.
        """
        try:
            inotify = self._inotify or self._start()
            with screenshot_folder(directory) as path:
                watch = inotify.add_watch(path, _MASK)
        except OSError:
            return False
        if self._waiting.get(watch) != wake:
            self.remove(wake)
            self._waiting[watch] = wake
        return True

    def remove(self, wake: Wake) -> None:
        """Call `wake` no longer."""
        for watch in [number for number, waits in self._waiting.items() if waits == wake]:
            del self._waiting[watch]
            try:
                if self._inotify is not None:
                    self._inotify.rm_watch(watch)
            except OSError:
                pass  # the folder has gone, and the watch with it

    def _start(self) -> INotify:
        self._inotify = INotify(nonblocking=True)
        in_background("new pictures are no longer heard of", self._listen, self._inotify)
        return self._inotify

    def _listen(self, inotify: INotify) -> None:
        while True:
            wait_read(inotify.fileno())
            for event in inotify.read(timeout=0):
                wake = self._waiting.get(event.wd)
                if wake is not None and event.name == LATEST:
                    wake()
