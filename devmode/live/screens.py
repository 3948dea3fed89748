"""The screens of the SUTs: kept fresh while somebody looks, read once for all who do.

Pictures are written only on request (`devmode/jobs/screenshots.py`). The request stands from the
first looker of any process to the last; one that was left behind by a process that died is
withdrawn by whichever process lives on this host.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gevent
from gevent import Greenlet

from devmode.background import in_background
from devmode.beat import is_due, to_beat_s
from devmode.errors import DatabaseAway, HostAway, NotPermitted, TextNotFound
from devmode.jobs.archive import Archive
from devmode.jobs.breath import in_breaths
from devmode.jobs.elsewhere import Elsewhere
from devmode.jobs.job import Job
from devmode.jobs.pool import is_anothers
from devmode.jobs.poolwatch import UNTOLD_S
from devmode.jobs.registry import Registry
from devmode.jobs.screenshots import (
    FOLDER,
    Picture,
    Place,
    Settled,
    ask_for_pictures,
    hold_picture,
    is_asking,
    live_place,
    read_picture,
    remove_old_pictures,
    result_place,
    results_changed_at,
    settled,
    stop_asking,
)
from devmode.live.distant import follow_screen
from devmode.live.frame import Frame
from devmode.live.lookers import Lookers
from devmode.live.questions import HoldPicture, LatestPicture, Seen
from devmode.live.screenview import ScreenFacts
from devmode.live.watches import Watches

TICK_S = 1.0
"""How long a request that vanished, or a picture that was not told, goes unnoticed."""
BEAT_S = TICK_S / 2
POLL_S = 0.2
"""How often to look where the system tells nothing by itself."""
AT_ONCE = 10
"""So many are looked at before everything else has its turn."""
GLANCES_AT_ONCE = 50
"""And so many from outside, which takes a tenth of the time."""
SWEEP_S = 3.0

FAILED = "a screen could not be looked at"

Show = Callable[[Frame], None]
Tell = Callable[[int], None]


@dataclass
class Screen:
    """What is known of one job's screen in this process."""

    picture: Picture | None = None
    problem: str | None = None
    """Why there are no live pictures."""

    @property
    def facts(self) -> ScreenFacts:
        """What the page wants to know besides the picture."""
        if self.picture is None:
            return ScreenFacts(problem=self.problem)
        return ScreenFacts(True, self.picture.place.folder == FOLDER, self.problem)


@dataclass
class _Looked:
    job: Job
    screen: Screen
    read: "Callable[[_Looked], None]"
    lookers: int = 0
    glanced_at: float = 0.0
    tended_at: float = 0.0
    settled: Settled | None = None
    """The pool directory as it was tended; None after a picture, which leaves an old one behind."""
    watched: bool = False
    """Whether the system tells of new pictures."""
    following: "Greenlet[..., object] | None" = None
    """What follows the screen of a job that is another host's."""
    leaving: "Greenlet[..., None] | None" = None

    def wake(self) -> None:
        """Have it read in a moment."""
        self.settled = None
        self.soon(self.read)

    def soon(self, do: "Callable[[_Looked], None]") -> None:
        """Have something done with it in a moment."""
        in_background(FAILED, do, self, job=self.job.id)

    @property
    def is_late(self) -> bool:
        """Whether to make sure again that the request stands, and what it causes is removed."""
        return is_due(time.monotonic() - self.glanced_at, TICK_S, BEAT_S)

    def has_changed(self) -> bool:
        """Glance at the pool directory from outside: may there be something to do again?"""
        self.glanced_at = time.monotonic()
        if self.settled is None or self.glanced_at - self.tended_at > UNTOLD_S:
            return True
        return self.settled != settled(self.job.pool_directory)

    @property
    def is_told(self) -> bool:
        """Whether new pictures are told by the system, or by the host that has them."""
        return self.watched or self.following is not None


class Screens:
    """Looks at screens for the viewers of this process."""

    def __init__(
        self,
        registry: Registry,
        elsewhere: Elsewhere,
        lookers: Lookers,
        archive: Archive,
        mark: bytes,
        linger_s: float,
    ) -> None:
        """Look at nothing yet; requests carry `mark` and stand `linger_s` longer than needed."""
        self._registry = registry
        self._elsewhere = elsewhere
        self._archive = archive
        self._lookers = lookers
        self._watches = Watches()
        self._mark = mark
        self._linger_s = linger_s
        self._looked: dict[int, _Looked] = {}
        self._results: dict[int, tuple[int | None, Place | None]] = {}
        """The newest screenshot of the results, and when they had changed, by job."""
        # One greenlet for all: where each had its own, that was a quarter of what a job takes.
        self._tending: Greenlet[..., None] = Greenlet()
        self._show: Show = lambda _frame: None
        self._tell: Tell = lambda _job_id: None

    def listen(self, show: Show, tell: Tell) -> None:
        """Hand every new picture to `show`, and to `tell` the job whose facts changed."""
        self._show = show
        self._tell = tell

    def look(self, job: Job) -> None:
        """Keep the screen of a job that runs fresh until `leave`."""
        if job.process is None:
            return
        looked = self._looked.get(job.id)
        if looked is None:
            self._begin(job)
            return
        looked.lookers += 1
        if looked.leaving is not None:
            looked.leaving.kill(block=False)
            looked.leaving = None

    def leave(self, job_id: int) -> None:
        """Look no longer; the last one out turns off the light, a little later."""
        looked = self._looked.get(job_id)
        if looked is None:
            return
        looked.lookers -= 1
        if looked.lookers == 0:
            looked.leaving = gevent.spawn_later(self._linger_s, self._end, job_id)

    def glance(self, job: Job) -> None:
        """Keep a screen fresh for a moment: for a page whose stream is yet to come, if any."""
        self.look(job)
        self.leave(job.id)

    def of(self, job: Job) -> Screen:
        """Return what is known of a job's screen; causes no pictures to be written."""
        looked = self._looked.get(job.id)
        if looked is not None:
            return looked.screen
        if not self._registry.is_here(job):
            return Screen()
        if job.process is None:
            # Its pool directory may be another job's by now.
            return Screen(self._archive.picture(job.id))
        screen = Screen()
        _refresh(screen, job)
        return screen

    def facts_of(self, job: Job) -> ScreenFacts:
        """Return what the page wants to know of a job's screen besides the picture."""
        if job.process is None and job.id not in self._looked and self._registry.is_here(job):
            return ScreenFacts(has_picture=self._archive.has_picture(job.id))
        return self.of(job).facts

    def latest(self, job: Job) -> Picture | None:
        """Return the latest picture of a job, or the last one, wherever it is."""
        screen = self.of(job)
        if screen.picture is not None or self._registry.is_here(job):
            return screen.picture
        with suppress(HostAway):
            return self._elsewhere.ask(job, LatestPicture(job.id), Picture | None)  # type: ignore[arg-type]
        return None

    def hold(self, job: Job) -> str:
        """Hold the picture of a running job among its results, and return its name there.

        Where nothing can be written it is the newest one that is there. Raises `TextNotFound` where
        there is none, and `HostAway`.
        """
        if not self._registry.is_here(job):
            return self._elsewhere.ask(job, HoldPicture(job.id), str)
        directory = job.pool_directory
        for place in filter(None, (live_place(directory), result_place(directory))):
            if job.process is not None and read_picture(directory, place) is not None:
                with suppress(OSError):
                    return hold_picture(directory, place)
        raise TextNotFound("There is no picture of this job's screen.")

    def version_of(self, job: Job) -> str | None:
        """Name the picture that a running job has, without reading it."""
        looked = self._looked.get(job.id)
        if job.process is None:
            return None
        if looked is not None and looked.screen.picture:
            return looked.screen.picture.place.version
        if not self._registry.is_here(job):
            return job.picture
        place = live_place(job.pool_directory) or self._result_place(job)
        return place.version if place else None

    def job_ended(self, job: Job) -> Picture | None:
        """Take the last picture and let go."""
        looked = self._looked.get(job.id)
        screen = looked.screen if looked else Screen()
        if self._registry.is_here(job):
            _refresh(screen, job)
        self._results.pop(job.id, None)
        if looked:
            self._end(job.id)
        return screen.picture

    def stop(self) -> None:
        """Let go of everything: this process ends."""
        self._end(*self._looked)

    def run(self) -> None:
        """Withdraw the requests that nobody needs any more, for ever (run in a greenlet)."""
        while True:
            with suppress(DatabaseAway):
                self.sweep()
            gevent.sleep(to_beat_s(SWEEP_S))

    def sweep(self) -> None:
        """Withdraw the requests of processes that died."""
        asking = [job for job in self._registry.running_here() if self._asks_for_nobody(job)]
        if asking:
            looked_at = self._lookers.looked_at()
            for job in asking:
                if job.id not in looked_at:
                    stop_asking(job.pool_directory, self._mark)

    def _asks_for_nobody(self, job: Job) -> bool:
        return job.id not in self._looked and is_asking(job.pool_directory, self._mark)

    def _result_place(self, job: Job) -> Place | None:
        changed_at = results_changed_at(job.pool_directory)
        known = self._results.get(job.id)
        if known is None or known[0] != changed_at:
            known = self._results[job.id] = changed_at, result_place(job.pool_directory)
        return known[1]

    def _begin(self, job: Job) -> None:
        looked = _Looked(job, Screen(), self._read)
        # Counted before anything that waits: whoever looks may leave meanwhile.
        looked.lookers = 1
        self._looked[job.id] = looked
        if not self._registry.is_here(job):
            take = partial(self._take, looked)
            looked.following = in_background(
                FAILED, follow_screen, self._elsewhere, job, take, job=job.id
            )
            return
        _refresh(looked.screen, job)
        # What another process withdraws before that is written is asked for again.
        self._lookers.enter(job.id)
        looked.soon(self._tend)
        if not self._tending:
            self._tending = gevent.spawn(self._tend_all)

    def _end(self, *job_ids: int) -> None:
        ended = [self._look_away(job_id) for job_id in job_ids]
        mine = [looked.job for looked in ended if looked.following is None]
        if not mine:
            return
        self._lookers.leave(job.id for job in mine)
        with suppress(DatabaseAway):  # then the requests are withdrawn by a later sweep
            looked_at = self._lookers.looked_at()
            for job in mine:
                # Somebody may have come meanwhile, which is not written down yet.
                if job.id not in looked_at and job.id not in self._looked:
                    stop_asking(job.pool_directory, self._mark)

    def _look_away(self, job_id: int) -> _Looked:
        looked = self._looked.pop(job_id)
        if looked.leaving is not None and looked.leaving is not gevent.getcurrent():
            looked.leaving.kill(block=False)
        if looked.following is not None:
            looked.following.kill(block=False)
        else:
            self._watches.remove(looked.wake)
        return looked

    def _tend_all(self) -> None:
        while self._looked:
            is_told = all(looked.is_told for looked in self._looked.values())
            gevent.sleep(to_beat_s(BEAT_S) if is_told else POLL_S)
            here = [looked for looked in self._looked.values() if looked.following is None]
            late = [looked for looked in here if looked.is_late]
            untold = [looked for looked in here if not looked.is_late and not looked.watched]
            for looked in in_breaths(untold, AT_ONCE):
                looked.wake()
            changed = [each for each in in_breaths(late, GLANCES_AT_ONCE) if each.has_changed()]
            for looked in in_breaths(changed, AT_ONCE):
                looked.soon(self._tend)

    def _tend(self, looked: _Looked) -> None:
        if self._looked.get(looked.job.id) is not looked:
            return
        looked.tended_at = looked.glanced_at = time.monotonic()
        directory = looked.job.pool_directory
        found, looked.settled = settled(directory), None
        self._ask(looked)
        looked.watched = self._watches.add(directory, looked.wake)
        remove_old_pictures(directory, self._mark)
        self._read(looked)
        # Where nothing is told, or something is wrong, it may be well the next time.
        if looked.watched and looked.screen.problem is None and _is_shown(looked.screen, directory):
            looked.settled = found

    def _read(self, looked: _Looked) -> None:
        if self._looked.get(looked.job.id) is not looked:
            return  # its pool directory may be another job's by now
        before = looked.screen.facts
        if _refresh(looked.screen, looked.job) and looked.screen.picture:
            self._show(Frame(looked.job.id, looked.screen.picture))
        if looked.screen.facts != before:
            self._tell(looked.job.id)

    def _take(self, looked: _Looked, seen: Seen) -> None:
        """Take what another host sees of a screen of its own."""
        before = looked.screen.facts
        looked.screen.problem = seen.problem
        if seen.picture is not None and seen.picture != looked.screen.picture:
            looked.screen.picture = seen.picture
            self._show(Frame(looked.job.id, seen.picture))
        if looked.screen.facts != before:
            self._tell(looked.job.id)

    def _ask(self, looked: _Looked) -> None:
        problem = None
        try:
            ask_for_pictures(looked.job.pool_directory, self._mark)
        except NotPermitted as error:
            problem = error.sentence
        except OSError as error:
            problem = f"The pool directory can't be used: {error.strerror}."
        if problem != looked.screen.problem:
            looked.screen.problem = problem
            self._tell(looked.job.id)


def _is_shown(screen: Screen, directory: Path) -> bool:
    """Tell whether the latest live picture, which may have been half-written, is known."""
    place = live_place(directory)
    return place is None or (screen.picture is not None and screen.picture.place == place)


def _refresh(screen: Screen, job: Job) -> bool:
    """Read the picture if there is a newer one of the job; tell whether there was."""
    directory = job.pool_directory
    place = live_place(directory)
    if place is None and (screen.picture is None or screen.problem):
        place = result_place(directory)
    if place is None or (screen.picture is not None and screen.picture.place == place):
        return False
    picture = read_picture(directory, place)
    # While the database is away, that the job has ended is told only when it is back.
    if picture is None or is_anothers(directory, job.started_at):
        return False
    screen.picture = picture
    return True
