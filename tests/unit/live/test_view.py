"""What the page of a job says about its state."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from devmode.commandserver.address import Address, JobToken
from devmode.commandserver.execution import ExecutionState, Pause
from devmode.commandserver.link import LinkState
from devmode.jobs.job import NOWHERE, Job, JobState
from devmode.jobs.modules import Module
from devmode.live.audience import Audience
from devmode.live.control import Session
from devmode.live.screenview import ScreenFacts
from devmode.live.view import LiveView

MISMATCH = "match=menu timed out after 30 (assert_screen)"
JOB = Job(
    7, "job", JobState.RUNNING, Path("/pool"), 1.0,
    address=Address("127.0.0.1", 20013, JobToken("token")),
)  # fmt: skip

RESERVED = Session(
    "olivia", datetime(2026, 1, 1, tzinfo=UTC), 0, open=False, requested_by=None, away=False
)


def view_of(reason: str, module: str | None = "boot-grub") -> LiveView:
    execution = ExecutionState(known=True, module=module, pause=Pause(reason), turn=1)
    return LiveView(JOB, execution, LinkState.CONNECTED, None, None, "1.0", (), ScreenFacts())


@pytest.mark.parametrize(
    ("reason", "title"),
    [
        (MISMATCH, "Paused on a screen mismatch in boot-grub"),
        (
            "reached backend_send_key and pause on next command enabled",
            "Paused before the next command in boot-grub",
        ),
        ("test died: no candidate needle", "Paused on a failure in boot-grub"),
        ("assert_script_run failed: false", "Paused on a failure in boot-grub"),
        ("olivia paused it", "Paused in boot-grub"),
    ],
)
def test_a_pause_is_told_in_words_and_with_its_place(reason: str, title: str) -> None:
    headline = view_of(reason).headline
    assert (headline.title, headline.detail) == (title, reason)


def test_a_pause_at_a_module_is_told_once() -> None:
    headline = view_of("reached module boot-grub").headline
    assert (headline.title, headline.detail) == ("Paused at module boot-grub", "")


def test_a_screen_check_that_goes_on_during_a_pause_is_told() -> None:
    view = view_of("olivia paused it")
    checking = structs.replace(view.execution, tags=("menu", "prompt"))
    told = structs.replace(view, execution=checking).headline.detail
    assert told == "olivia paused it\nThe check of menu, prompt goes on, and can still fail."


def test_a_pause_before_the_first_module_has_no_place() -> None:
    assert view_of("olivia paused it", module=None).headline.title == "Paused"


def test_a_screen_mismatch_of_a_job_of_openqa_leads_to_its_needle_editor() -> None:
    job = replace(JOB, openqa_id=4, openqa_url="https://openqa.example.org")
    editor = "https://openqa.example.org/tests/4/edit"
    assert structs.replace(view_of(MISMATCH), job=job).needle_editor == editor
    assert structs.replace(view_of("olivia paused it"), job=job).needle_editor is None
    assert view_of(MISMATCH).needle_editor is None


def test_the_owner_is_told_how_a_screen_mismatch_without_openqa_is_overcome() -> None:
    assert "make a needle" in " ".join(view_of(MISMATCH).cautions(Audience.OWNER))
    assert view_of(MISMATCH).cautions(Audience.OPERATOR) == []
    assert view_of("test died: x").cautions(Audience.OWNER) == []


def test_a_needle_is_made_by_the_owner_of_a_paused_job_whose_pictures_can_be_seen() -> None:
    paused = view_of("olivia paused it")
    assert paused.can_make_needle(Audience.OWNER)
    assert not paused.can_make_needle(Audience.OPERATOR)
    running = structs.replace(paused, execution=ExecutionState(known=True))
    assert not running.can_make_needle(Audience.OWNER)
    away = replace(JOB, pool_directory=NOWHERE)
    assert not structs.replace(paused, job=away).can_make_needle(Audience.OWNER)


def test_only_a_mismatch_has_the_needles_loaded_anew() -> None:
    assert view_of(MISMATCH).needle_use.startswith("Resume:")
    assert not view_of("olivia paused it").needle_use.startswith("Resume:")


def test_a_session_that_is_only_reserved_controls_nothing_yet() -> None:
    view = structs.replace(view_of("olivia paused it"), session=RESERVED)
    assert view.control is None
    opened = replace(RESERVED, open=True)
    assert structs.replace(view, session=opened).control == opened


@pytest.mark.parametrize("audience", [Audience.OPERATOR, Audience.ADMINISTRATOR])
def test_nobody_is_told_to_ask_for_control_that_is_only_being_taken(audience: Audience) -> None:
    view = structs.replace(view_of("olivia paused it"), session=RESERVED)
    assert view.session_actions(audience) == []
    opened = structs.replace(view, session=replace(RESERVED, open=True))
    assert "request" in [action.name for action in opened.session_actions(audience)]


@pytest.mark.parametrize("audience", [Audience.AWAITING_OPERATOR, Audience.AWAITING_ADMINISTRATOR])
def test_who_asks_can_withdraw_that_and_asks_no_second_time(audience: Audience) -> None:
    asked = replace(RESERVED, open=True, requested_by="oscar")
    view = structs.replace(view_of("olivia paused it"), session=asked)
    works = {action.name: action.enabled for action in view.session_actions(audience)}
    assert works.pop("take-over", False) is audience.is_administrator
    assert works == {"request": False, "withdraw": True}


def test_in_its_post_fail_hook_a_module_keeps_its_place_in_the_schedule() -> None:
    modules = (Module("grub", "boot", "fail"), Module("prompt", "shell", ""))
    hook = view_of("olivia paused it", module="boot-grub (post fail hook)")
    view = structs.replace(hook, job=replace(JOB, modules=modules))
    rows = view.schedule(Audience.OWNER).rows
    assert [(row.is_current, row.is_offered) for row in rows] == [(True, False), (False, True)]
    offered = view.settings(Audience.OWNER).pause_at.options
    assert [group for group, _ in offered] == ["", "shell"]
    assert view.headline.title == "Paused in boot-grub (post fail hook)"


def buttons(view: LiveView) -> list[tuple[str, bool]]:
    """Their names, in order, and whether they work."""
    return [(action.name, action.enabled) for action in view.actions(Audience.OWNER)]


def running_view(**execution: object) -> LiveView:
    running = ExecutionState(known=True, module="boot-grub", supports_pausing=True)
    running = structs.replace(running, **execution)
    return structs.replace(view_of(MISMATCH), execution=running)


@pytest.mark.parametrize("reason", [MISMATCH, "test died: x", "olivia paused it"])
def test_step_is_the_second_button_of_every_pause(reason: str) -> None:
    assert buttons(view_of(reason))[:2] == [("resume", True), ("step", True)]


def test_step_keeps_its_place_without_working_while_the_test_runs() -> None:
    assert buttons(running_view()) == [("pause", True), ("step", False)]
    checking = running_view(tags=("menu",))
    assert buttons(checking) == [("pause", True), ("step", False), ("skip-timeout", True)]
    assert buttons(running_view(supports_pausing=False)) == [("pause", False), ("step", False)]


@pytest.mark.parametrize(
    ("view", "names"),
    [
        (view_of(MISMATCH), {"give-up"}),
        (view_of("test died: x"), {"ignore-failure"}),
        (running_view(tags=("menu",)), {"skip-timeout"}),
    ],
)
def test_what_decides_how_a_check_or_a_failure_ends_stands_apart(
    view: LiveView, names: set[str]
) -> None:
    assert {action.name for action in view.actions(Audience.OWNER) if action.apart} == names
