"""A region is rendered again exactly when something that it shows has changed."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import create_app
from devmode.commandserver.execution import ExecutionState, Mismatch, Pause
from devmode.commandserver.link import LinkState
from devmode.config import Settings
from devmode.jobs.registry import Job, JobState, Module
from devmode.live.feed import Shown
from devmode.live.screenview import ScreenFacts
from devmode.live.subscription import Regions
from devmode.live.view import Audience, LiveView, Session
from devmode.sessions.store import EventFacts
from devmode.web.rendering import SHOWN, Fragments, job_regions

MODULES = (Module("a", "boot", "ok"), Module("b", "shell", ""), Module("c", "shell", ""))
JOB = Job(7, "job", JobState.RUNNING, Path("/pool"), 1.0, modules=MODULES, vnc="here:5990")
RUNNING = ExecutionState(
    known=True,
    module="boot-a",
    pause_at=None,
    pause_on_mismatch=Mismatch.OFF,
    pause_on_next_command=False,
    pause_on_failure=False,
    supports_pausing=True,
)
SESSION = Session(
    "olivia", datetime(2026, 1, 1, tzinfo=UTC), 1, open=True, requested_by=None, away=False
)
VIEW = LiveView(JOB, RUNNING, LinkState.CONNECTED, None, None, "1.0", (), ScreenFacts())


def executions() -> list[ExecutionState]:
    """One change at a time, as broadcasts bring them."""
    mismatch = "match=x timed out after 3 (assert_screen)"
    return [
        ExecutionState(),
        replace(RUNNING, api_function="type_string", api_detail="5 characters"),
        replace(RUNNING, api_function="assert_screen", tags=("x",)),
        replace(RUNNING, module="shell-b"),
        replace(RUNNING, pause=Pause("reached module a"), turn=1),
        replace(RUNNING, pause=Pause(mismatch), turn=1),
        replace(RUNNING, pause=Pause("test died: x"), turn=1),
        replace(RUNNING, pause_at="shell-c"),
        replace(RUNNING, pause_at="gone-away"),
        replace(RUNNING, pause_on_mismatch=Mismatch.CHECK_SCREEN),
        replace(RUNNING, pause_on_next_command=True),
        replace(RUNNING, pause_on_failure=True),
        replace(RUNNING, supports_pausing=False),
        replace(RUNNING, stopping="test execution ended"),
    ]


def views() -> list[LiveView]:
    ended = replace(JOB, state=JobState.ENDED, result="passed", vnc=None)
    further = replace(JOB, modules=(replace(MODULES[0], result="fail"), *MODULES[1:]))
    return [
        VIEW,
        *(replace(VIEW, execution=execution) for execution in executions()),
        *(replace(VIEW, link=link) for link in LinkState),
        replace(VIEW, trouble="a trouble", link=LinkState.RECONNECTING),
        replace(VIEW, revision="1.1"),
        replace(VIEW, job=ended),
        replace(VIEW, job=further),
        replace(VIEW, job=replace(JOB, vnc=None)),
        replace(VIEW, job=replace(JOB, no_video=True)),
        replace(VIEW, job=replace(JOB, machine_gone=True), screen_facts=ScreenFacts(True, True)),
        replace(VIEW, screen_facts=ScreenFacts(True, True)),
        replace(VIEW, screen_facts=ScreenFacts(True, False, "It is not permitted.")),
        *(
            replace(VIEW, session=session)
            for session in (
                SESSION,
                replace(SESSION, tabs=2),
                replace(SESSION, away=True),
                replace(SESSION, open=False),
                replace(SESSION, requested_by="oscar"),
            )
        ),
        replace(VIEW, events=(EventFacts(1, 2.0, "olivia", "started", "Took control."),)),
    ]


@pytest.fixture(scope="module")
def fragments(tmp_path_factory: pytest.TempPathFactory) -> Fragments:
    database = tmp_path_factory.mktemp("devmode") / "devmode.sqlite"
    settings = Settings(database_url=f"sqlite:///{database}", secret_key="x", start_code="y")
    return Fragments(create_app(settings))


Page = tuple[Shown, Regions]


@pytest.fixture(scope="module")
def pages(fragments: Fragments) -> list[Page]:
    """What everyone sees of every view."""
    people = [audience for audience in Audience if audience is not Audience.PROGRAM]
    return [
        job_regions(fragments, view, audience, {})
        for view, audience in itertools.product(views(), people)
    ]


@pytest.mark.parametrize("region", SHOWN)
def test_what_shows_the_same_is_rendered_the_same(pages: list[Page], region: str) -> None:
    rendered = [(shown[region], regions[region]) for shown, regions in pages]
    for (one, one_html), (other, other_html) in itertools.combinations(rendered, 2):
        if one == other:
            assert one_html == other_html


def test_only_regions_that_show_something_else_are_rendered(fragments: Fragments) -> None:
    before, _regions = job_regions(fragments, VIEW, Audience.OWNER, {})
    typing = replace(RUNNING, api_function="type_string", api_detail="5 characters")
    view = replace(VIEW, execution=typing)
    assert job_regions(fragments, view, Audience.OWNER, before)[1].keys() == {"status"}
