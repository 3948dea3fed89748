"""What a developer can do with a test: pause, resume, step, skip, give up, ignore, let go."""

import gevent
import pytest

from devmode.commandserver.commands import Command, PauseNow, SetPauseOnNextCommand
from devmode.commandserver.execution import Mismatch, PauseKind
from devmode.commandserver.link import Link
from tests.null.fixtures import Person, StartWatched, Watched
from tests.waiting import until


def paused_job(null: StartWatched, owner: Person, *modules: str, **variables: str | int) -> Watched:
    """Starts a job that is paused at its first module, and lets somebody control it."""
    first = modules[0].replace("/", "-")
    job = null(*modules, PAUSE_AT=first, **variables)
    owner.takes_control(job)
    job.wait_for_pause()
    return job


def to_the_typing(owner: Person, job: Watched) -> None:
    """Steps until the test is about to type, which takes longer than an answer."""
    for _ in range(20):
        if job.pause.postponed == "backend_type_string":
            return
        step(owner, job)
    raise AssertionError("the test does not come to type")


def step(owner: Person, job: Watched) -> str:
    turn = job.view.execution.turn
    told = owner.does(job, "step")
    job.wait_for_pause(after_turn=turn)
    return told


def pause_unheard(job: Watched, command: Command) -> None:
    """Has a test hold back its next command, and nobody listen."""
    address = job.view.job.address
    assert address is not None
    link = Link(address, job_id=job.id, hear=lambda _event: None)
    link.start()
    until(lambda: link.is_up, "the link to come up")
    link.say(command, "pause")
    until(lambda: link.execution.pause and link.execution.pause.postponed, "a held command")
    link.close()


def test_a_test_pauses_at_the_chosen_module_and_goes_on_when_it_is_resumed(
    null: StartWatched, owner: Person
) -> None:
    job = paused_job(null, owner, "boot/menu_visible", "shell/command_line")
    owner.sets(job, pause_at="shell-command_line")
    turn = job.view.execution.turn
    owner.does(job, "resume")
    view = job.wait_for_pause(after_turn=turn)
    assert view.execution.pause.kind is PauseKind.MODULE
    assert view.headline.title == "Paused at module shell-command_line"
    assert owner.does(job, "resume") == "The test goes on."
    job.wait_for_end()
    assert job.real.results() == {"boot-menu_visible": "ok", "shell-command_line": "ok"}


def test_pause_now_holds_a_running_test_before_its_next_command(
    null: StartWatched, owner: Person
) -> None:
    job = null("shell/small_steps")
    owner.takes_control(job)
    job.wait_for(lambda view: view.execution.api_function == "type_string", "typing")
    assert owner.does(job, "pause") == "The test pauses before its next command."
    view = job.wait_for(
        lambda view: view.execution.pause and view.execution.pause.postponed, "a held command"
    )
    assert view.execution.pause.reason == "paused by the developer"
    owner.does(job, "resume")
    job.wait_for(lambda view: not view.execution.pause, "the resumption")


def test_a_screen_check_goes_on_after_pause_now_and_what_it_ends_in_is_held(
    null: StartWatched, owner: Person
) -> None:
    job = paused_job(null, owner, "boot/missing_needle", MISMATCH_TIMEOUT=3)
    owner.does(job, "resume")
    checked = ("needle-to-be-made",)
    job.wait_for(lambda view: view.execution.tags == checked, "the screen check")
    owner.does(job, "pause")
    view = job.wait_for_pause(after_turn=2)
    assert "The check of needle-to-be-made goes on" in view.headline.detail
    assert owner.click(job, "skip-timeout").status == 409
    view = job.wait_for(lambda view: view.execution.tags is None, "the end of the check")
    assert view.is_paused
    assert view.headline.detail == "paused by the developer"
    owner.does(job, "session/release", then="continue")


def test_five_steps_execute_five_commands_one_by_one(null: StartWatched, owner: Person) -> None:
    job = paused_job(null, owner, "shell/small_steps")
    to_the_typing(owner, job)
    held = []
    for _ in range(5):
        assert step(owner, job) == "Stepped by one command."
        held.append(job.pause.postponed)
    key, typing = "backend_send_key", "backend_type_string"
    assert held == [key, typing, key, typing, key]


@pytest.mark.parametrize("command", [SetPauseOnNextCommand(on=True), PauseNow("by hand")])
def test_a_step_from_a_pause_that_nobody_has_heard_of_executes_a_command(
    null: StartWatched, owner: Person, command: Command
) -> None:
    job = null("shell/small_steps")
    pause_unheard(job, command)
    owner.takes_control(job)
    job.wait_for_pause()
    assert job.pause.postponed is None
    assert step(owner, job).startswith("Stepped")


def test_a_double_click_on_step_is_one_step(null: StartWatched, owner: Person) -> None:
    job = paused_job(null, owner, "shell/small_steps")
    to_the_typing(owner, job)
    before = job.view
    clicks = [gevent.spawn(owner.click, job, "step", revision=before.revision) for _ in range(2)]
    gevent.joinall(clicks, raise_error=True)
    answers = sorted((click.value for click in clicks), key=lambda answer: answer.status)
    assert [answer.status for answer in answers] == [200, 409]
    assert answers[1].sentence.startswith("The job went on meanwhile. Nothing was done")
    view = job.wait_for_pause(after_turn=before.execution.turn)
    assert view.execution.pause.postponed == "backend_send_key"
    assert view.execution.turn == before.execution.turn + 2


@pytest.mark.parametrize("action", ["resume", "step", "give-up"])
def test_a_button_of_a_page_that_is_out_of_date_does_nothing(
    shared_job: Watched, owner: Person, action: str
) -> None:
    owner.takes_control(shared_job)
    before = shared_job.view
    answer = owner.click(shared_job, action, revision="1.999")
    assert (answer.status, answer.kind) == (409, "error")
    assert shared_job.view.execution == before.execution
    owner.does(shared_job, "session/release", then="stay")


def test_a_screen_mismatch_pauses_and_when_given_up_the_module_fails(
    null: StartWatched, owner: Person
) -> None:
    job = paused_job(null, owner, "boot/missing_needle", MISMATCH_TIMEOUT=1)
    owner.sets(job, pause_on_mismatch="assert_screen")
    turn = job.view.execution.turn
    owner.does(job, "resume")
    view = job.wait_for_pause(after_turn=turn + 1)
    assert view.execution.pause.kind is PauseKind.MISMATCH
    assert owner.does(job, "give-up").startswith("The screen check is given up")
    job.wait_for_end()
    assert "gave_up" in job.events
    assert job.real.results() == {"boot-missing_needle": "fail"}


def test_a_needle_made_while_paused_matches_on_resume(null: StartWatched, owner: Person) -> None:
    job = paused_job(null, owner, "boot/menu_visible", "boot/missing_needle", MISMATCH_TIMEOUT=2)
    owner.sets(job, pause_on_mismatch="assert_screen")
    turn = job.view.execution.turn
    owner.does(job, "resume")
    job.wait_for_pause(after_turn=turn + 1)
    job.real.make_needle("needle-to-be-made")
    owner.does(job, "resume")
    job.wait_for_end()
    assert job.real.results()["boot-missing_needle"] == "ok"


def test_a_skipped_timeout_ends_a_long_screen_check(null: StartWatched, owner: Person) -> None:
    job = paused_job(null, owner, "boot/missing_needle", MISMATCH_TIMEOUT=600)
    owner.does(job, "resume")
    job.wait_for(lambda view: view.execution.tags == ("needle-to-be-made",), "the screen check")
    assert owner.does(job, "skip-timeout") == "The screen check times out within a second."
    job.wait_for_end()
    assert "skipped" in job.events
    assert job.real.results() == {"boot-missing_needle": "fail"}


def test_there_is_no_timeout_to_skip_while_no_screen_is_checked(
    shared_job: Watched, owner: Person
) -> None:
    owner.takes_control(shared_job)
    answer = owner.click(shared_job, "skip-timeout")
    assert (answer.status, answer.kind) == (409, "error")
    owner.does(shared_job, "session/release", then="stay")
    assert shared_job.real.is_running


def test_a_failing_function_pauses_and_when_ignored_the_module_goes_on(
    null: StartWatched, owner: Person
) -> None:
    job = paused_job(null, owner, "shell/failing_command")
    owner.sets(job, pause_on_failure="1")
    turn = job.view.execution.turn
    owner.does(job, "resume")
    view = job.wait_for_pause(after_turn=turn + 1)
    assert view.execution.pause.kind is PauseKind.FAILED_FUNCTION
    told = owner.does(job, "resume", ignore_failure="1")
    assert told == "The failure is ignored, the test goes on."
    job.wait_for_end()
    assert job.real.results() == {"shell-failing_command": "ok"}


def test_the_death_of_a_module_is_ignored_and_the_next_one_runs(
    null: StartWatched, owner: Person
) -> None:
    modules = ("boot/menu_visible", "shell/broken_module", "shell/command_line")
    job = paused_job(null, owner, *modules)
    owner.sets(job, pause_on_failure="1")
    turn = job.view.execution.turn
    owner.does(job, "resume")
    view = job.wait_for_pause(after_turn=turn + 1)
    assert "test died" in view.headline.detail
    assert owner.does(job, "resume", ignore_failure="1").startswith("The failure is ignored")
    job.wait_for(lambda view: view.current_module == "shell-command_line", "the next module")


def test_an_unknown_module_or_value_never_leaves_devmode(
    shared_job: Watched, owner: Person
) -> None:
    owner.takes_control(shared_job)
    before = shared_job.view.execution
    assert owner.click(shared_job, "settings", pause_at="no-such").status == 422
    assert owner.click(shared_job, "settings", pause_on_mismatch="nonsense").status == 422
    assert owner.click(shared_job, "settings", pause_on_next_command="maybe").status == 422
    assert shared_job.view.execution == before
    assert shared_job.real.is_running
    owner.does(shared_job, "session/release", then="stay")


def test_letting_go_clears_every_setting_and_lets_the_test_continue(
    null: StartWatched, owner: Person
) -> None:
    job = paused_job(null, owner, "boot/menu_visible", "boot/choose_entry")
    owner.sets(
        job, pause_at="boot-choose_entry", pause_on_mismatch="check_screen", pause_on_failure="1"
    )
    owner.does(job, "session/release", then="continue")
    view = job.view
    assert view.session is None
    assert view.execution.pause is None
    assert view.execution.pause_at is None
    assert view.execution.pause_on_mismatch is Mismatch.OFF
    assert view.execution.pause_on_failure is False
    job.wait_for_end()
    assert set(job.real.results().values()) == {"ok"}


def test_let_go_and_left_as_it_is_the_test_stays_paused_with_its_settings(
    shared_job: Watched, owner: Person
) -> None:
    owner.takes_control(shared_job)
    owner.sets(shared_job, pause_on_failure="1")
    before = shared_job.view.execution
    owner.does(shared_job, "session/release", then="stay")
    assert shared_job.view.session is None
    assert shared_job.view.execution == before
    assert before.pause is not None
    assert before.pause_on_failure is True


def test_cancelling_ends_the_job_and_the_session(null: StartWatched, owner: Person) -> None:
    job = paused_job(null, owner, "boot/menu_visible")
    assert owner.does(job, "session/release", then="cancel") == "The job is told to end."
    view = job.wait_for_end()
    job.wait_for(lambda view: view.session is None, "the end of the session")
    assert "cancelled" in {event.kind for event in view.events}
    assert job.real.results() == {"boot-menu_visible": "canceled"}
