"""The feed: what changed reaches every viewer, rendered once per audience.

States are replaced, never queued: a viewer that reads slowly gets the newest, not a backlog.
"""

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import gevent
import structlog

from devmode.background import in_background
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.jobs.archive import Archive
from devmode.jobs.job import Job, JobState
from devmode.jobs.registry import Registry
from devmode.jobs.rows import JOB
from devmode.jobs.screenshots import Picture
from devmode.jobs.uploads import UPLOADS, Uploads
from devmode.live.audience import Audience, audience_of
from devmode.live.channel import BREATH_S, Channel
from devmode.live.dashboard import PACE_S, Dashboard, JobLine
from devmode.live.frame import Frame
from devmode.live.presence import Attendance
from devmode.live.renderings import Renderings, Shown
from devmode.live.screens import Screens
from devmode.live.sources import Sources
from devmode.live.subscription import DASHBOARD, News, Regions, Subscription
from devmode.live.timeline import Declined
from devmode.live.view import LiveView
from devmode.live.views import Views, Written
from devmode.openqa.developers import Developers
from devmode.sessions.links import Links
from devmode.sessions.service import Sessions
from devmode.sessions.store import SESSION, Store
from devmode.sessions.users import Visitor

FAILED = "a channel of the feed failed"

log = structlog.stdlib.get_logger(__name__)

Render = Callable[[LiveView, Audience, Shown], tuple[Shown, Regions]]
"""Renders the regions of a view that show something else to an audience than they did last."""
RenderJobs = Callable[[list[JobLine], Shown], tuple[Shown, Regions]]


class Feed:
    """Hands what changed to the streams; also tells a page once what its stream begins with."""

    def __init__(
        self,
        registry: Registry,
        sessions: Sessions,
        store: Store,
        links: Links,
        attendance: Attendance,
        screens: Screens,
        archive: Archive,
        uploads: Uploads,
        developers: Developers,
        render: Render,
        render_jobs: RenderJobs,
    ) -> None:
        """Serve nobody yet."""
        self._registry = registry
        self._store = store
        self._screens = screens
        self._archive = archive
        self.dashboard = Dashboard(registry, store, links, screens, archive)
        self._views = Views(registry, sessions, store, links, screens, archive, uploads, developers)
        self._sources = Sources(links, screens, attendance, developers, self._hear, self.touch)
        self._render = render
        self._render_jobs = render_jobs
        self._renderings = Renderings()
        self._channels: dict[int, Channel] = defaultdict(Channel)

    def subscribe(
        self, visitor: Visitor, subjects: Iterable[int], audience: Audience | None = None
    ) -> Subscription:
        """Begin a stream; a job is named once per tab that shows it, `DASHBOARD` is the list.

        Its first content is everything there is to see. Raises `JobNotFound`.
        """
        subscription = Subscription(visitor, Counter(subjects), audience)
        jobs = {subject: self._registry.get(subject) for subject in subscription.tabs if subject}
        try:
            for subject in subscription.tabs:
                self._join(subject, subscription, jobs.get(subject))
        except BaseException:
            self.unsubscribe(subscription)
            raise
        if DASHBOARD in subscription.tabs:
            self.touch(DASHBOARD)  # which begins to watch the jobs
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a stream; the last one out lets the job's link go."""
        for subject in subscription.tabs:
            channel = self._channels.get(subject)
            if channel is None or subscription not in channel.subscribers:
                continue  # it did not get that far
            channel.subscribers.remove(subscription)
            # Before anything that may wait: meanwhile others leave, or come anew.
            if not channel.subscribers:
                self._close(subject)
            if subject != DASHBOARD:
                self._sources.leave(subject, subscription)

    def _join(self, subject: int, subscription: Subscription, job: Job | None) -> None:
        channel = self._channels[subject]
        channel.subscribers.add(subscription)
        if job is not None:
            self._sources.enter(job, subscription)
        self._look_again(subject, channel)
        # Who came to be served meanwhile was welcomed.
        if subject not in subscription.audiences:
            self._welcome(subscription, subject, channel)

    def _close(self, subject: int) -> None:
        del self._channels[subject]
        if subject == DASHBOARD:
            self.dashboard.unwatch()
        self._sources.let_go(subject, ())

    def view(self, job_id: int) -> LiveView:
        """Compose the live view of a job; raise `JobNotFound`."""
        return self._views.of(job_id)

    def views(self) -> list[LiveView]:
        """Compose the live view of every job, those that run first, as `Views` does."""
        return self._views.every()

    def picture_of(self, job_id: int) -> Picture | None:
        """Return the latest picture of a job's screen; raise `JobNotFound`."""
        return self._screens.latest(self._registry.get(job_id))

    def glance(self, job_id: int) -> None:
        """Have fresh pictures written for a moment, for who may ask again; raise `JobNotFound`."""
        self._screens.glance(self._registry.get(job_id))

    def show(self, frame: Frame) -> None:
        """Hand a new picture to those who watch the job."""
        if frame.job_id in self._channels:
            for subscription in self._channels[frame.job_id].subscribers:
                subscription.show(frame)

    def job_of_openqa(self, openqa_id: int, url: str | None) -> Job:
        """Return the job that the openQA at `url`, None for any, gave this number.

        Raises `JobNotFound`.
        """
        return self._registry.of_openqa(openqa_id, url)

    def pages_of_openqa(self, job_id: int) -> int:
        """Return how many of openQA's pages of a job this process serves."""
        subscribers = self._channels[job_id].subscribers if job_id in self._channels else ()
        return sum(one.audience is Audience.LIVEHANDLER for one in subscribers)

    def view_for_page(self, job_id: int) -> LiveView:
        """Compose the live view with a link that stays open until the page's stream follows."""
        self._sources.open_for_page(self._registry.get(job_id))
        return self.view(job_id)

    def jobs(self) -> list[JobLine]:
        """Return the list of jobs, what waits for a person first."""
        return self.dashboard.lines()

    def audience_of(
        self, visitor: Visitor, job_id: int, declined: Declined | None = None
    ) -> Audience:
        """Tell which audience of a job, and of a request that was declined, somebody belongs to."""
        return audience_of(visitor, self._store.session_of(job_id), declined)

    def regions_for(self, visitor: Visitor, job_id: int) -> Regions:
        """Render every region of a job's page as this visitor may see it."""
        written = self._read(job_id)
        audience = audience_of(visitor, written.session, written.declined)
        _shown, regions = self._whole(job_id, audience, written)
        return regions

    def touch(self, subject: int) -> None:
        """Note that something about a job changed, and so perhaps about the list."""
        for number in (subject, DASHBOARD):
            if number in self._channels:
                self._change(number)

    def job_changed(self, job: Job) -> None:
        """Note what the registry says of a job."""
        watching = tuple(self._channels[job.id].subscribers) if job.id in self._channels else ()
        if job.state is JobState.ENDED:
            self._sources.let_go(job.id, watching)
            picture = self._screens.job_ended(job)
            if self._registry.is_here(job):
                self._archive.keep(job, picture)
            # The next one may have been noticed before.
            self.session_changed(job.id)
            return
        if watching:
            self._sources.follow(job, watching)
        self.touch(job.id)

    def anything_changed(self) -> None:
        """Note that nobody knows what the database has new, or that it can't be reached."""
        for subject, channel in self._channels.items():
            channel.outdated = True
            self._change(subject)

    def session_changed(self, job_id: int) -> None:
        """Note that the database has something new about a job."""
        if job_id in self._channels:
            self._channels[job_id].outdated = True
        self.touch(job_id)

    def listen_to(self, notices: Notices) -> None:
        """Hear of changes of sessions."""
        notices.listen(SESSION, lambda subject: self.session_changed(int(subject)))
        notices.listen(JOB, lambda subject: self._job_written_down(int(subject)))
        notices.listen(UPLOADS, lambda subject: self.session_changed(int(subject)))
        notices.when_missed(self.anything_changed)

    def _job_written_down(self, job_id: int) -> None:
        in_background(FAILED, self._lead_on_to, job_id, job=job_id)

    def _lead_on_to(self, job_id: int) -> None:
        """Have the pages of earlier jobs of its pool directory tell that a job began or ended."""
        watched = self._channels.keys() - {DASHBOARD}
        # When the database is back, all is looked at again.
        with contextlib.suppress(DatabaseAway):
            for earlier in self._registry.earlier_than(job_id, watched):
                self.session_changed(earlier)

    def _hear(self, job_id: int) -> None:
        """Tell what the command server said, at once and here if nothing has to be waited for.

        To wake a greenlet for it would cost more than to tell a viewer (docs/performance.md).
        """
        channel = self._channels.get(job_id)
        if channel is None or not channel.is_at_rest:
            self.touch(job_id)
            return
        try:
            self._tell(job_id, channel)
        except Exception:
            # It is the link's greenlet, which must not end by it.
            log.exception(FAILED, job=job_id)
        self.touch(DASHBOARD)

    def _change(self, subject: int) -> None:
        channel = self._channels[subject]
        channel.changed = True
        if not channel.serving:
            channel.serving = True
            in_background(FAILED, self._serve, subject, channel, job=subject)

    def _serve(self, subject: int, channel: Channel) -> None:
        pace_s = PACE_S if subject == DASHBOARD else BREATH_S
        try:
            while channel.changed and channel.subscribers:
                rest_s = channel.rest_s(pace_s)
                if rest_s:
                    gevent.sleep(rest_s)
                    continue  # the last of them may have left
                channel.changed = False
                # Without the database no list of jobs can be told; it is, when that is back.
                with contextlib.suppress(DatabaseAway):
                    if subject == DASHBOARD:
                        self.dashboard.watch(partial(self.touch, DASHBOARD))
                    self._tell(subject, channel)
        finally:
            channel.serving = False

    def _tell(self, subject: int, channel: Channel) -> None:
        channel.told_at = time.monotonic()
        if self._store.is_away:
            channel.written = replace(channel.written, is_old=True)
        elif not channel.is_up_to_date:
            self._look_again(subject, channel)
        by_audience: dict[Audience, list[Subscription]] = defaultdict(list)
        for subscription in tuple(channel.subscribers):
            audience = self._audience(subject, subscription, channel.written)
            if subscription.audiences.get(subject) is not audience:
                # Someone who became the owner, say, needs every region of the new audience.
                self._welcome(subscription, subject, channel)
            else:
                by_audience[audience].append(subscription)
        for audience, subscribers in by_audience.items():
            last = channel.shown[audience]
            shown, regions = self._rendered(subject, audience, channel.written, last)
            channel.shown[audience] = shown
            news = News(subject, regions)
            for subscription in subscribers:
                subscription.offer(news)

    def _look_again(self, subject: int, channel: Channel) -> None:
        with channel.reading.take(self._store, lambda: channel.outdated) as is_outdated:
            if not is_outdated:
                return
            # Before the reading, during which it may become so again.
            channel.outdated = False
            try:
                channel.written = self._read(subject)
            except BaseException:
                channel.outdated = True
                raise
        self._look_again_in_time(subject, channel)

    def _read(self, subject: int) -> Written:
        return Written() if subject == DASHBOARD else self._views.read(subject)

    def _look_again_in_time(self, subject: int, channel: Channel) -> None:
        """An owner becomes away because nothing happens."""
        if channel.looking_again is not None:
            channel.looking_again.kill(block=False)
            channel.looking_again = None
        left_s = self._views.changes_in_s(channel.written)
        if left_s is not None:
            channel.looking_again = gevent.spawn_later(left_s, self.session_changed, subject)

    def _welcome(self, subscription: Subscription, subject: int, channel: Channel) -> None:
        """Offer everything there is to see."""
        audience = self._audience(subject, subscription, channel.written)
        shown, regions = self._whole(subject, audience, channel.written)
        # Not before: who could not be shown everything is not told what changes.
        subscription.audiences[subject] = audience
        if audience not in channel.shown:
            channel.shown[audience] = shown
        elif channel.shown[audience] != shown:
            # What has changed meanwhile may change back before the others are told of it.
            channel.shown[audience] = {}
            self._change(subject)
        subscription.offer(News(subject, regions))

    def _audience(self, subject: int, subscription: Subscription, written: Written) -> Audience:
        if subject == DASHBOARD:
            return Audience.VIEWER
        return subscription.audience or audience_of(
            subscription.visitor, written.session, written.declined
        )

    def _whole(self, subject: int, audience: Audience, written: Written) -> tuple[Shown, Regions]:
        return self._renderings.whole(
            (subject, audience), partial(self._rendered, subject, audience, written)
        )

    def _rendered(
        self, subject: int, audience: Audience, written: Written, last: Shown
    ) -> tuple[Shown, Regions]:
        if subject == DASHBOARD:
            return self._render_jobs(self.jobs(), last)
        view = self._views.composed(self._registry.get(subject), written)
        return self._render(view, audience, last)
