"""A region is rendered again exactly when something that it shows has changed."""

import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs
from selectolax.lexbor import LexborHTMLParser

from app import create_app
from devmode.commandserver.address import Address, JobToken
from devmode.commandserver.execution import ExecutionState, Mismatch, Pause
from devmode.commandserver.link import LinkState
from devmode.config import Settings
from devmode.jobs.job import Job, JobState
from devmode.jobs.modules import Module
from devmode.jobs.openqa import Facts
from devmode.jobs.remote import OpenqaPart
from devmode.live.audience import Audience
from devmode.live.control import Session
from devmode.live.dashboard import JobLine
from devmode.live.renderings import Renderings, Shown
from devmode.live.screenview import ScreenFacts
from devmode.live.subscription import Regions
from devmode.live.timeline import Declined
from devmode.live.view import LiveView
from devmode.sessions.store import EventFacts
from devmode.web.rendering import SHOWN, Fragments, job_regions

MODULES = (Module("a", "boot", "ok"), Module("b", "shell", ""), Module("c", "shell", ""))
ADDRESS = Address("127.0.0.1", 20013, JobToken("token"))
JOB = Job(
    7, "job", JobState.RUNNING, Path("/pool"), 1.0,
    modules=MODULES, address=ADDRESS, vnc="here:5990",
)  # fmt: skip
RUNNING = ExecutionState(
    known=True,
    module="boot-a",
    pause_at=None,
    pause_on_mismatch=Mismatch.OFF,
    pause_on_next_command=False,
    pause_on_failure=False,
    supports_pausing=True,
)
PART = OpenqaPart("http://openqa", 7, Facts("job", 1.0, 7200), ADDRESS)
OTHER_FACTS = Facts("job", 1.0, 7200, group="A group", worker="worker:1")
IN_OPENQA = replace(JOB, openqa_id=7, openqa_url="http://openqa", openqa=PART)
SESSION = Session(
    "olivia", datetime(2026, 1, 1, tzinfo=UTC), 1, open=True, requested_by=None, away=False
)
LINE = JobLine(
    id=7, name="job", kind="paused", module="boot-a", done=1, failed=0, total=3, detail="",
    owner=None, started_at=datetime(2026, 1, 1, tzinfo=UTC), ended_at=None, deadline=None,
    picture=None,
)  # fmt: skip
VIEW = LiveView(JOB, RUNNING, LinkState.CONNECTED, None, None, "1.0", (), ScreenFacts())


def executions() -> list[ExecutionState]:
    """One change at a time, as broadcasts bring them."""
    mismatch = "match=x timed out after 3 (assert_screen)"
    return [
        ExecutionState(),
        structs.replace(RUNNING, api_function="type_string", api_detail="5 characters"),
        structs.replace(RUNNING, api_function="assert_screen", tags=("x",)),
        structs.replace(RUNNING, module="shell-b"),
        structs.replace(RUNNING, pause=Pause("reached module a"), turn=1),
        structs.replace(RUNNING, pause=Pause("reached module a"), turn=3),
        structs.replace(RUNNING, pause=Pause(mismatch), turn=1),
        structs.replace(RUNNING, pause=Pause("test died: x"), turn=1),
        structs.replace(RUNNING, pause_at="shell-c"),
        structs.replace(RUNNING, pause_at="gone-away"),
        structs.replace(RUNNING, pause_on_mismatch=Mismatch.CHECK_SCREEN),
        structs.replace(RUNNING, pause_on_next_command=True),
        structs.replace(RUNNING, pause_on_failure=True),
        structs.replace(RUNNING, supports_pausing=False),
        structs.replace(RUNNING, stopping="test execution ended"),
    ]


def views() -> list[LiveView]:
    ended = replace(JOB, state=JobState.ENDED, result="passed", vnc=None)
    further = replace(JOB, modules=(replace(MODULES[0], result="fail"), *MODULES[1:]))
    return [
        VIEW,
        *(structs.replace(VIEW, execution=execution) for execution in executions()),
        *(structs.replace(VIEW, link=link) for link in LinkState),
        structs.replace(VIEW, trouble="a trouble", link=LinkState.RECONNECTING),
        structs.replace(VIEW, revision="1.1"),
        structs.replace(VIEW, job=ended),
        structs.replace(VIEW, job=ended, newer=replace(JOB, id=8)),
        structs.replace(VIEW, job=ended, newer=replace(ended, id=8, ended_at=3.0)),
        structs.replace(VIEW, job=further),
        structs.replace(VIEW, job=replace(JOB, vnc=None)),
        structs.replace(VIEW, job=replace(JOB, no_video=True)),
        *(
            structs.replace(
                VIEW, job=IN_OPENQA, execution=structs.replace(RUNNING, pause=Pause(reason), turn=1)
            )
            for reason in ("reached module a", "match=x timed out after 3 (assert_screen)")
        ),
        structs.replace(
            VIEW, job=replace(JOB, machine_gone=True), screen_facts=ScreenFacts(True, True)
        ),
        structs.replace(VIEW, screen_facts=ScreenFacts(True, True)),
        structs.replace(VIEW, screen_facts=ScreenFacts(True, False, "It is not permitted.")),
        *(
            structs.replace(VIEW, session=session)
            for session in (
                SESSION,
                replace(SESSION, tabs=2),
                replace(SESSION, away=True),
                replace(SESSION, open=False),
                replace(SESSION, requested_by="oscar"),
            )
        ),
        structs.replace(VIEW, session=SESSION, declined=Declined("olivia", "oscar")),
        structs.replace(VIEW, job=replace(JOB, address=None)),
        structs.replace(VIEW, job=replace(JOB, openqa=replace(PART, trouble="It is away."))),
        structs.replace(VIEW, job=IN_OPENQA),
        structs.replace(VIEW, job=replace(IN_OPENQA, openqa=None)),
        structs.replace(VIEW, job=replace(IN_OPENQA, openqa=replace(PART, facts=OTHER_FACTS))),
        structs.replace(VIEW, events=(EventFacts(1, 2.0, "olivia", "started", "Took control."),)),
    ]


@pytest.fixture(scope="module")
def fragments(tmp_path_factory: pytest.TempPathFactory) -> Fragments:
    database = tmp_path_factory.mktemp("devmode") / "devmode.sqlite"
    settings = Settings(database_url=f"sqlite:///{database}", secret_key="x", start_code="y")
    return Fragments(create_app(settings))


Page = tuple[Shown, Regions]
PROGRAMS = (Audience.PROGRAM, Audience.LIVEHANDLER, Audience.SCREEN)
PEOPLE = [audience for audience in Audience if audience not in PROGRAMS]


@pytest.fixture(scope="module")
def pages(fragments: Fragments) -> list[Page]:
    """What everyone sees of every view."""
    return [
        job_regions(fragments, view, audience, {})
        for view, audience in itertools.product(views(), PEOPLE)
    ]


@pytest.mark.parametrize("region", SHOWN)
def test_what_shows_the_same_is_rendered_the_same(pages: list[Page], region: str) -> None:
    rendered = [(shown[region], regions[region]) for shown, regions in pages]
    for (one, one_html), (other, other_html) in itertools.combinations(rendered, 2):
        if one == other:
            assert one_html == other_html


def test_only_regions_that_show_something_else_are_rendered(fragments: Fragments) -> None:
    before, _regions = job_regions(fragments, VIEW, Audience.OWNER, {})
    typing = structs.replace(RUNNING, api_function="type_string", api_detail="5 characters")
    view = structs.replace(VIEW, execution=typing)
    assert job_regions(fragments, view, Audience.OWNER, before)[1].keys() == {"status"}


def applied(html: str, parts: Regions) -> str:
    """Put elements in the places of those of the same id, as the page does."""
    for name, part in parts.items():
        ident = name.partition("/")[2]
        assert part == part.strip(), "space around it would add up in the page"
        html, replaced = re.subn(rf"<(li|h2) id=\"{ident}\".*?</\1>", part, html, flags=re.S)
        assert replaced == 1
    return html


@pytest.mark.parametrize("audience", PEOPLE)
def test_changed_rows_in_their_places_show_the_whole_schedule(
    fragments: Fragments, audience: Audience
) -> None:
    whole = [job_regions(fragments, view, audience, {}) for view in views()]
    for (before, regions), (view, (_shown, now)) in itertools.product(
        whole, zip(views(), whole, strict=True)
    ):
        _shown, changed = job_regions(fragments, view, audience, before)
        parts = {name: html for name, html in changed.items() if name.startswith("schedule/")}
        assert applied(regions["schedule"], parts).split() == now["schedule"].split()


def test_of_a_schedule_only_the_rows_that_change_are_told(fragments: Fragments) -> None:
    before, _regions = job_regions(fragments, VIEW, Audience.VIEWER, {})
    next_module = structs.replace(VIEW, execution=structs.replace(RUNNING, module="shell-b"))
    _shown, regions = job_regions(fragments, next_module, Audience.VIEWER, before)
    rows = {"schedule/module-a", "schedule/module-b"}
    assert regions.keys() == {"status", "schedule/schedule-progress", *rows}


def test_a_module_is_done_when_the_test_has_left_it(fragments: Fragments) -> None:
    """At a pause it has told a result already: what it would be if nothing more came."""
    before, _regions = job_regions(fragments, VIEW, Audience.VIEWER, {})
    done = (Module("a", "boot", "ok"), Module("b", "shell", "ok"), MODULES[2])
    paused_in_b = structs.replace(RUNNING, module="shell-b (post fail hook)", pause=Pause("x"))
    view = structs.replace(VIEW, job=replace(JOB, modules=done), execution=paused_in_b)
    shown, regions = job_regions(fragments, view, Audience.VIEWER, before)
    assert "1/3" in regions["schedule/schedule-progress"]
    left = structs.replace(view, execution=structs.replace(RUNNING, module=None))
    _shown, regions = job_regions(fragments, left, Audience.VIEWER, shown)
    assert "2/3" in regions["schedule/schedule-progress"]
    ended = replace(view.job, state=JobState.ENDED, result="stopped")
    _shown, regions = job_regions(
        fragments, structs.replace(view, job=ended), Audience.VIEWER, shown
    )
    assert "2/3" in str(regions)
    assert 'aria-current="step"' not in str(regions)


def test_a_schedule_with_other_modules_is_told_whole(fragments: Fragments) -> None:
    before, _regions = job_regions(fragments, VIEW, Audience.VIEWER, {})
    for modules in (MODULES[1:], (), (*MODULES, Module("d", "shell", ""))):
        view = structs.replace(VIEW, job=replace(JOB, modules=modules))
        _shown, regions = job_regions(fragments, view, Audience.VIEWER, before)
        assert "schedule" in regions
        assert not any("/" in name for name in regions)


@pytest.mark.parametrize("name", ["a", "a\rb"])
def test_rows_that_a_page_would_not_find_by_name_are_told_whole(
    fragments: Fragments, name: str
) -> None:
    odd = structs.replace(VIEW, job=replace(JOB, modules=(*MODULES, Module(name, "shell", ""))))
    before, _regions = job_regions(fragments, odd, Audience.VIEWER, {})
    view = structs.replace(odd, execution=structs.replace(RUNNING, module=f"shell-{name}"))
    _shown, regions = job_regions(fragments, view, Audience.VIEWER, before)
    assert regions.keys() == {"status", "schedule"}


def test_where_most_rows_change_the_schedule_is_told_whole(fragments: Fragments) -> None:
    many = tuple(Module(f"m{number}", "boot", "") for number in range(20))
    view = structs.replace(VIEW, job=replace(JOB, modules=many))
    before, _regions = job_regions(fragments, view, Audience.OWNER, {})
    lost = structs.replace(view, link=LinkState.RECONNECTING)
    _shown, regions = job_regions(fragments, lost, Audience.OWNER, before)
    assert "schedule" in regions
    assert not any("/" in name for name in regions)


def test_whoever_comes_gets_whole_regions(fragments: Fragments) -> None:
    renderings = Renderings()
    for view in views():
        _shown, regions = renderings.whole(
            "key", partial(job_regions, fragments, view, Audience.OWNER)
        )
        assert regions == job_regions(fragments, view, Audience.OWNER, {})[1]


def test_what_openqa_can_do_appears_as_soon_as_it_tells_of_the_job(fragments: Fragments) -> None:
    for audience in PEOPLE:
        before, _regions = job_regions(fragments, VIEW, audience, {})
        _shown, regions = job_regions(
            fragments, structs.replace(VIEW, job=IN_OPENQA), audience, before
        )
        assert "http://openqa/tests/7" in regions["origin"]
        offered = "/jobs/7/openqa/restart" in regions.get("openqa", "")
        assert offered is (audience is not Audience.VIEWER)
        assert "csrf" not in str(regions)


def test_nothing_that_is_typed_is_replaced_while_openqa_goes_on_telling(
    fragments: Fragments,
) -> None:
    view = structs.replace(VIEW, job=IN_OPENQA)
    before, _regions = job_regions(fragments, view, Audience.OPERATOR, {})
    away = replace(PART, facts=OTHER_FACTS, trouble="It is away.")
    further = structs.replace(view, job=replace(IN_OPENQA, openqa=away, modules=()))
    _shown, regions = job_regions(fragments, further, Audience.OWNER, before)
    assert "openqa" not in regions


@pytest.mark.parametrize(
    ("results", "result", "classes", "mark"),
    [
        (("ok", "ok"), "passed", "headline ended passed", "✓"),
        (("ok", "fail"), "1 of 2 modules failed", "headline ended failed", "✗"),
        (("ok", ""), "stopped early, 1 of 2 modules without a result", "headline ended", "■"),
    ],
)
def test_the_headline_of_an_ended_job_shows_how_it_went(
    fragments: Fragments, results: tuple[str, str], result: str, classes: str, mark: str
) -> None:
    modules = tuple(Module(f"m{number}", "boot", told) for number, told in enumerate(results))
    ended = replace(JOB, state=JobState.ENDED, modules=modules, result=result)
    _shown, regions = job_regions(fragments, structs.replace(VIEW, job=ended), Audience.VIEWER, {})
    headline = LexborHTMLParser(regions["status"]).css_first(".headline")
    assert headline is not None
    assert (headline.attributes["class"] or "").split() == classes.split()
    assert headline.text().split() == [mark, "Ended"]


def test_a_module_that_was_cancelled_tells_no_run_time(fragments: Fragments) -> None:
    """It has none that means anything: isotovideo writes down 0 s (basetest.pm)."""
    modules = (Module("a", "boot", "canceled", 0), Module("b", "boot", "ok", 0))
    job = replace(JOB, state=JobState.ENDED, modules=modules)
    view = structs.replace(VIEW, job=job, execution=ExecutionState())
    _shown, regions = job_regions(fragments, view, Audience.VIEWER, {})
    notes = LexborHTMLParser(regions["schedule"]).css(".module summary .note")
    assert [note.text(strip=True) for note in notes] == ["canceled", "ok, 0 s"]


def test_the_row_of_a_module_is_no_longer_when_the_test_pauses_there(fragments: Fragments) -> None:
    chosen = structs.replace(RUNNING, pause_at="shell-b")
    paused = structs.replace(chosen, module="shell-b", pause=Pause("reached module shell-b"))
    for execution, seen in ((chosen, "‖ pause here"), (paused, "‖")):
        view = structs.replace(VIEW, execution=execution)
        _shown, regions = job_regions(fragments, view, Audience.OWNER, {})
        rows = LexborHTMLParser(regions["schedule"])
        [mark] = rows.css(".pause-here.set")
        assert mark.text(deep=False, strip=True) == seen
        # What tells that it can be opened is on no line of its own.
        assert all(not summary.text().endswith((" ", "\n")) for summary in rows.css("summary"))


def test_a_line_of_the_list_names_the_module_once(fragments: Fragments) -> None:
    """os-autoinst names it as the reason of some pauses."""
    mismatch = "match=x timed out after 3 (assert_screen)"
    reached = "reached module boot-a"
    for detail, told in (("", "boot-a"), (reached, reached), (mismatch, f"boot-a: {mismatch}")):
        html = fragments.render("jobs/_line.html", line=replace(LINE, detail=detail))
        shown = LexborHTMLParser(html).css_first(".detail")
        assert shown is not None
        assert shown.text(strip=True) == told
