"""What a job's page is fed from while somebody watches it.

Its command server, its screen, the tabs that show it, and who controls it in openQA itself.
"""

from collections.abc import Callable, Iterable
from functools import partial

import gevent
from gevent.event import Event

from devmode.jobs.job import Job, JobState
from devmode.live.frame import Frame
from devmode.live.presence import Attendance
from devmode.live.screens import Screens
from devmode.live.subscription import Subscription
from devmode.openqa.developers import Developers
from devmode.sessions.links import Links, Listening

FIRST_STATUS_S = 0.5
"""How long a page waits for the first status, so that it needn't show "connecting"."""

Tell = Callable[[int], None]


class Sources:
    """Has them opened with the first who watches a job, and let go with the last."""

    def __init__(
        self,
        links: Links,
        screens: Screens,
        attendance: Attendance,
        developers: Developers,
        hear: Tell,
        touch: Tell,
    ) -> None:
        """Tell `hear` of which job the command server spoke, and `touch` what else is new."""
        self._links = links
        self._screens = screens
        self._attendance = attendance
        self._developers = developers
        self._hear = hear
        self._touch = touch
        self._listenings: dict[int, Listening] = {}

    def enter(self, job: Job, subscription: Subscription) -> None:
        """Keep a job fresh for somebody, and count their tabs."""
        if subscription.is_tab:
            tabs = subscription.tabs[job.id]
            self._attendance.enter(job.id, subscription.visitor.id, tabs)
        if job.state is JobState.RUNNING:
            self._look_beside(job)
            self.follow(job, (subscription,))

    def leave(self, job_id: int, subscription: Subscription) -> None:
        """Keep it fresh for them no longer."""
        if job_id in subscription.looks_at:
            self._screens.leave(job_id)
        if subscription.is_tab:
            tabs = subscription.tabs[job_id]
            self._attendance.leave(job_id, subscription.visitor.id, tabs)

    def follow(self, job: Job, subscriptions: Iterable[Subscription]) -> None:
        """Open what there is of a job that runs by now, for those who watch it."""
        if job.address is not None and job.id not in self._listenings:
            self._listenings[job.id] = self._links.listen(job, lambda _event: self._hear(job.id))
        for subscription in subscriptions:
            self._look(job, subscription)

    def let_go(self, job_id: int, subscriptions: Iterable[Subscription]) -> None:
        """Listen and look no longer: if the job runs after all, that begins anew."""
        listening = self._listenings.pop(job_id, None)
        if listening is not None:
            listening.stop()
        for subscription in subscriptions:
            subscription.looks_at.discard(job_id)

    def open_for_page(self, job: Job) -> None:
        """Open them for a moment, for a page whose stream follows; wait for the first status."""
        self._look_beside(job)
        if job.address is None:
            return
        self._screens.glance(job)
        known = Event()
        listening = self._links.listen(job, lambda _event: known.set())
        if not listening.link.execution.known:
            _wait_for_status(listening, known)
        listening.stop()

    def _look(self, job: Job, subscription: Subscription) -> None:
        """Look at the screen, as soon as there is a pool directory to find it in."""
        if not subscription.wants_pictures or job.id in subscription.looks_at:
            return
        if job.process is not None:
            subscription.looks_at.add(job.id)
            self._screens.look(job)
            picture = self._screens.of(job).picture
            if picture is not None:
                subscription.show(Frame(job.id, picture))

    def _look_beside(self, job: Job) -> None:
        """Find out whether somebody controls the job in openQA itself."""
        if job.state is JobState.RUNNING:
            tell = partial(self._touch, job.id)
            self._developers.look(job.openqa_url, job.openqa_id, tell)


def _wait_for_status(listening: Listening, heard: Event) -> None:
    # False is gevent's way of saying: leave the block without an error.
    with gevent.Timeout(FIRST_STATUS_S, False):  # type: ignore[arg-type]
        while not listening.link.execution.known:
            heard.wait()
            heard.clear()
