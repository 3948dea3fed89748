"""What is told to those who watch, whoever comes meanwhile."""

from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from devmode.commandserver.address import Address, JobToken
from devmode.jobs.job import NOWHERE, Job, JobState
from devmode.jobs.processes import Process
from devmode.jobs.sightings import ended_job
from devmode.live.audience import Audience
from devmode.live.channel import BREATH_S
from devmode.live.dashboard import PACE_S
from devmode.live.feed import Feed
from devmode.live.renderings import Shown
from devmode.live.subscription import DASHBOARD, Regions, Subscription, merged
from devmode.live.view import LiveView
from devmode.live.views import Written
from devmode.sessions.users import Role, Visitor
from tests.waiting import until

JOB = 7
VISITOR = Visitor(1, "victor", Role.VIEWER, "login")


class FeedOfOneWord(Feed):
    """A feed whose jobs show nothing but a word."""

    word = "before"

    def __init__(self) -> None:
        away: Any = SimpleNamespace(is_away=False)
        nobody: Any = SimpleNamespace(enter=lambda *_: None, leave=lambda *_: None)
        registry: Any = SimpleNamespace(get=lambda _job_id: None)
        nothing: Any = None
        super().__init__(
            registry, nothing, away, nothing, nobody, nothing, nothing, nothing, nothing,
            self._show, lambda _lines, last: (last, {}),
        )  # fmt: skip
        views: Any = SimpleNamespace(
            read=lambda _job_id: Written(),
            composed=lambda *_about: None,
            changes_in_s=lambda _written: None,
        )
        self._views = views

    def _show(self, _view: LiveView, _audience: Audience, last: Shown) -> tuple[Shown, Regions]:
        shown: Shown = {"status": self.word}
        return shown, {} if last == shown else {"status": self.word}


def known_after(subscription: Subscription, known: Regions) -> Regions:
    for news in subscription.take():
        known = merged(known, news.regions)
    return known


@pytest.mark.parametrize("joiners", range(4))
def test_who_watches_hears_of_a_change_however_many_come_before_it_is_told(joiners: int) -> None:
    feed = FeedOfOneWord()
    viewer = feed.subscribe(VISITOR, [JOB])
    known = known_after(viewer, {})
    feed.touch(JOB)
    until(lambda: not feed._channels[JOB].serving, "nothing to be left to tell")
    # Told in a breath from now on.
    feed._channels[JOB].told_at += BREATH_S
    feed.word = "after"
    feed.touch(JOB)
    comers = [feed.subscribe(VISITOR, [JOB]) for _ in range(joiners)]
    until(lambda: not feed._channels[JOB].serving, "the change to be told")
    assert known_after(viewer, known) == {"status": "after"}
    assert all(known_after(comer, {}) == {"status": "after"} for comer in comers)


def test_a_job_that_had_been_given_up_and_runs_again_is_heard_and_looked_at_again() -> None:
    heard: list[int] = []
    looked: list[int] = []

    def listen(job: Job, _hear: object) -> Any:
        heard.append(job.id)
        return SimpleNamespace(stop=lambda: None)

    feed = FeedOfOneWord()
    links: Any = SimpleNamespace(listen=listen)
    screens: Any = SimpleNamespace(
        look=lambda job: looked.append(job.id),
        of=lambda _job: SimpleNamespace(picture=None),
        job_ended=lambda _job: None,
        leave=lambda _job_id: None,
    )
    registry: Any = SimpleNamespace(get=lambda _job_id: None, is_here=lambda _job: False)
    feed._screens, feed._registry = screens, registry
    feed._sources._links, feed._sources._screens = links, screens
    feed.subscribe(VISITOR, [JOB])
    address = Address("127.0.0.1", 1, JobToken("token"))
    process = Process(1, 1)
    job = Job(JOB, "a job", JobState.RUNNING, NOWHERE, 0.0, address=address, process=process)
    for change in (job, ended_job(job, 1.0, "outcome unknown", ()), job):
        feed.job_changed(change)
    assert heard == looked == [JOB, JOB]


def test_no_job_is_watched_for_a_list_that_nobody_looks_at_any_more() -> None:
    feed = FeedOfOneWord()
    watching: list[bool] = []
    dashboard: Any = SimpleNamespace(
        lines=list,
        watch=lambda _touch: watching.append(True),
        unwatch=lambda: watching.append(False),
    )
    feed.dashboard = dashboard
    viewer = feed.subscribe(VISITOR, [DASHBOARD])
    until(lambda: bool(watching), "the jobs to be watched")
    channel = feed._channels[DASHBOARD]
    # The list is told at a pace: it rests until it is told again.
    channel.told_at += 0.05 - PACE_S
    feed.touch(DASHBOARD)
    gevent.sleep(0)
    feed.unsubscribe(viewer)
    until(lambda: not channel.serving, "nothing to be left to tell")
    assert not watching[-1]
