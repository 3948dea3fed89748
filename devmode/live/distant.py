"""Screens and texts of jobs on other hosts: followed once for all who watch here."""

from collections import deque
from collections.abc import Callable
from typing import Final

from gevent.event import Event

from devmode.background import in_background
from devmode.errors import DevmodeError, HostAway
from devmode.jobs.elsewhere import Elsewhere
from devmode.jobs.job import Job
from devmode.live.questions import FollowScreen, FollowText, Grown, Seen
from devmode.live.sight import Sight
from devmode.live.text import Text
from devmode.retries import rest

AGAIN_S: Final = 1.0
"""How long until a host that was lost is asked again."""
MOST_WAITING: Final = 20
"""How many parts of a text may wait to be taken; more are left with its host."""


def follow_screen(elsewhere: Elsewhere, job: Job, take: Callable[[Seen], None]) -> None:
    """Hand everything that is seen of a screen to `take`, for ever (run in a greenlet)."""
    while True:
        try:
            for seen in elsewhere.follow(job, FollowScreen(job.id), Seen):
                take(seen)
        except DevmodeError as error:
            take(Seen(None, error.sentence))
        rest(AGAIN_S)


class DistantText(Text):
    """A text as the reader of another host cuts and masks it."""

    def __init__(self, elsewhere: Elsewhere, job: Job, name: str, sight: Sight) -> None:
        """Begin to follow; `close` ends it."""
        super().__init__()
        self._elsewhere = elsewhere
        self._job = job
        self._name = name
        self._sight = sight
        self._said: deque[Grown | str] = deque()
        self._has_room = Event()
        self._has_room.set()
        failed = "a text is no longer followed"
        self._following = in_background(failed, self._follow, job=job.id, text=name)

    def poll(self) -> bool:
        """Take what was said meanwhile; there is never more at once."""
        while self._said:
            match self._said.popleft():
                case Grown() as grown:
                    self.grow(grown)
                case problem:
                    self.tell_problem(problem)
        self._has_room.set()
        return False

    def close(self) -> None:
        """Follow no longer."""
        self._following.kill(block=False)

    def _follow(self) -> None:
        while True:
            question = FollowText(self._job.id, self._name, self._sight, str(self.end))
            try:
                for grown in self._elsewhere.follow(self._job, question, Grown):
                    self._take(grown)
            except HostAway as error:
                self._take(f"{error.sentence} This text goes on when it can.")
            except DevmodeError as error:
                self._take(error.sentence)
            rest(AGAIN_S)

    def _take(self, said: Grown | str) -> None:
        self._said.append(said)
        if len(self._said) >= MOST_WAITING:
            self._has_room.clear()
            self._has_room.wait()
