"""Conversations with one session: given a state, when events are received, effects follow."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from devmode.commandserver.commands import (
    PauseNow,
    Resume,
    SetAssertScreenTimeout,
    SetPauseAtTest,
    SetPauseOnFailure,
    SetPauseOnNextCommand,
    SetPauseOnScreenMismatch,
    Status,
)
from devmode.commandserver.execution import UNKNOWN, ExecutionState, Mismatch, Pause
from devmode.errors import (
    CommandNotConfirmed,
    CommandServerUnreachable,
    DevmodeError,
    IncompatibleCommandServer,
    JobNotRunning,
    OutcomeUnknown,
    StateChanged,
)
from devmode.sessions.actions import ACTIONS
from devmode.sessions.events import (
    Confirmed,
    Effect,
    End,
    Event,
    Expired,
    Failed,
    Heard,
    Incompatible,
    JobOver,
    LinkDown,
    LinkUp,
    Opened,
    OpeningExpired,
    Orphan,
    Record,
    Request,
    Retire,
    Say,
    Settle,
    Watch,
)
from devmode.sessions.lifecycle import Lifecycle, Phase

RUNNING = ExecutionState(
    known=True,
    pause_at=None,
    pause_on_mismatch=Mismatch.OFF,
    pause_on_next_command=False,
    pause_on_failure=False,
    supports_pausing=True,
)
PAUSED = replace(RUNNING, pause=Pause("reached module a"), turn=1)
HELD = replace(
    RUNNING,
    pause=Pause("reached backend_x and pause on next command enabled", "backend_x"),
    turn=1,
    pause_on_next_command=True,
)
CHECKING = replace(RUNNING, tags=("menu",))
LATE = CommandNotConfirmed("late")


class Playbook:
    """One session, and what it did about the last event."""

    def __init__(self, state: ExecutionState | None = None) -> None:
        self.life = Lifecycle(term=3)
        self.effects: list[Effect] = []
        self.said = 0
        if state is not None:
            self.receive(LinkUp(state))

    def receive(self, event: Event) -> "Playbook":
        self.effects = self.life.receive(event)
        for effect in self.effects:
            if isinstance(effect, Say):
                self.said = effect.number
        return self

    def request(
        self, action: str, identity: int = 1, revision: str | None = None, **arguments: Any
    ):
        return self.receive(Request(identity, "Ann", action, arguments, revision))

    def confirm(self, **changes: Any) -> "Playbook":
        return self.receive(Confirmed(self.said, replace(self.life.state, **changes)))

    def fail(self, error: DevmodeError = LATE) -> "Playbook":
        return self.receive(Failed(self.said, error))

    def says(self, *commands: object) -> "Playbook":
        assert [e.command for e in self.effects if isinstance(e, Say)] == list(commands)
        return self

    def settles(self, *outcomes: str | type[DevmodeError]) -> "Playbook":
        settled = [e for e in self.effects if isinstance(e, Settle)]
        assert [type(e.error) if e.error else e.sentence for e in settled] == list(outcomes)
        return self

    def ends(self, error: type[DevmodeError] | None = None) -> "Playbook":
        (end,) = (e for e in self.effects if isinstance(e, End))
        assert (type(end.error) if end.error else None) is error
        assert self.life.phase is Phase.ENDED
        return self


def test_a_session_opens_when_the_command_server_answers() -> None:
    playbook = Playbook(RUNNING)
    assert playbook.effects == [Opened(RUNNING.turn)]
    assert playbook.life.phase is Phase.ACTIVE


def test_a_session_over_a_link_that_is_up_begins_open() -> None:
    life = Lifecycle.opened(1, PAUSED)
    assert life.phase is Phase.ACTIVE
    assert life.receive(LinkUp(PAUSED)) == []


def test_an_incompatible_command_server_opens_no_session() -> None:
    Playbook().receive(Incompatible("It speaks 2.0.")).ends(IncompatibleCommandServer)


def test_a_session_that_does_not_come_up_says_why() -> None:
    playbook = Playbook().receive(LinkDown("Connection refused.")).receive(OpeningExpired())
    playbook.ends(CommandServerUnreachable)
    assert "Connection refused." in str(playbook.effects[-1])


def test_the_time_to_come_up_does_not_matter_to_an_open_session() -> None:
    assert Playbook(RUNNING).receive(OpeningExpired()).effects == []


def test_a_pause_is_said_watched_and_settled() -> None:
    playbook = Playbook(RUNNING).request("pause").says(PauseNow("paused by the developer"))
    assert playbook.effects[0] == Watch(1)
    playbook.confirm().settles("The test pauses before its next command.")


def test_a_request_to_a_state_that_is_gone_does_nothing() -> None:
    playbook = Playbook(PAUSED).receive(Heard(replace(RUNNING, turn=2)))
    playbook.request("resume", revision="3.1").settles(StateChanged).says()


def test_a_request_of_an_earlier_session_does_nothing() -> None:
    Playbook(PAUSED).request("resume", revision="2.1").settles(StateChanged).says()


def test_a_command_that_does_not_fit_the_state_is_not_said() -> None:
    Playbook(RUNNING).request("resume").settles(StateChanged).says()


@pytest.mark.parametrize("postponed", ["backend_x", None], ids=["heard", "known by its status"])
def test_a_step_executes_one_command(postponed: str | None) -> None:
    held = replace(HELD, pause=replace(HELD.pause, postponed=postponed))
    playbook = Playbook(held).request("step", revision="3.1").says(SetPauseOnNextCommand(False))
    playbook.confirm(pause_on_next_command=False).says(Resume())
    playbook.confirm(pause=None, turn=2).says(SetPauseOnNextCommand(True))
    playbook.confirm(pause_on_next_command=True, commands_seen=1).settles("Stepped by one command.")


def test_a_step_tells_of_commands_that_slipped_through() -> None:
    playbook = Playbook(HELD).request("step").confirm(pause_on_next_command=False)
    playbook.confirm(pause=None, turn=2).confirm(commands_seen=3)
    playbook.settles("Stepped, but 2 more commands ran before the pause took hold.")


def test_a_step_from_another_pause_sets_the_flag_before_it_resumes() -> None:
    playbook = Playbook(PAUSED).request("step").says(SetPauseOnNextCommand(True))
    playbook.confirm(pause_on_next_command=True).says(Resume())
    playbook.confirm(pause=None, turn=2).settles("Stepping to the next command.")


def test_a_step_from_a_pause_by_hand_executes_the_command_that_it_held_back() -> None:
    by_hand = replace(PAUSED, pause=Pause("paused by the developer"))
    playbook = Playbook(by_hand).request("step").says(SetPauseOnNextCommand(True))
    playbook.confirm(pause_on_next_command=True).says(Resume())
    playbook.confirm(pause=None, turn=2, resumed_with="backend_x")
    playbook.says(SetPauseOnNextCommand(False))
    playbook.confirm(pause_on_next_command=False, pause=HELD.pause, turn=3).says(Resume())
    playbook.confirm(pause=None, turn=4).says(SetPauseOnNextCommand(True))
    playbook.confirm(pause_on_next_command=True, commands_seen=1).settles("Stepped by one command.")


def test_a_double_step_is_one_step() -> None:
    playbook = Playbook(HELD).request("step", 1, "3.1")
    assert not playbook.life.is_ready
    playbook.confirm(pause_on_next_command=False).confirm(pause=None, turn=2)
    playbook.confirm(pause_on_next_command=True).settles("Stepped by one command.")
    assert playbook.life.is_ready
    playbook.request("step", 2, "3.1").settles(StateChanged).says()


def test_resuming_switches_off_what_would_pause_at_the_same_command_again() -> None:
    playbook = Playbook(HELD).request("resume").says(SetPauseOnNextCommand(False))
    playbook.confirm(pause_on_next_command=False).says(Resume())
    playbook.confirm(pause=None, turn=2).settles("The test goes on.")


def test_a_timeout_is_skipped_if_the_screen_check_still_goes_on() -> None:
    playbook = Playbook(CHECKING).request("skip_timeout").says(Status())
    playbook.confirm().says(SetAssertScreenTimeout(0))
    playbook.confirm().settles("The screen check times out within a second.")


def test_no_timeout_is_skipped_of_a_screen_check_that_has_just_matched() -> None:
    playbook = Playbook(CHECKING).request("skip_timeout").says(Status())
    playbook.confirm(tags=None).says().settles(StateChanged)


def test_only_settings_that_differ_are_said() -> None:
    playbook = Playbook(RUNNING).request("settings", pause_at="", pause_on_failure="1")
    playbook.says(SetPauseOnFailure(True)).confirm(pause_on_failure=True).settles("Saved.")


def test_one_setting_that_is_not_confirmed_does_not_keep_the_others_from_being_set() -> None:
    playbook = Playbook(RUNNING).request("settings", pause_at="a-b", pause_on_failure="1")
    playbook.says(SetPauseAtTest("a-b")).fail().says(SetPauseOnFailure(True))
    playbook.confirm(pause_on_failure=True).settles(CommandNotConfirmed)
    assert "Pause at module." in str(playbook.effects[-1])


def test_of_a_command_that_was_on_its_way_when_the_link_was_lost_nothing_is_known() -> None:
    playbook = Playbook(PAUSED).request("resume")
    playbook.receive(LinkDown("Gone.")).settles(OutcomeUnknown).says()
    assert playbook.life.phase is Phase.RECONNECTING
    playbook.confirm().settles()


def test_while_reconnecting_nothing_is_sent() -> None:
    playbook = Playbook(PAUSED).receive(LinkDown("Gone.")).request("resume")
    playbook.settles(CommandServerUnreachable).says()


def test_back_again_the_session_tells_what_it_missed() -> None:
    playbook = Playbook(PAUSED).receive(LinkDown("Gone."))
    playbook.receive(LinkUp(replace(RUNNING, turn=2)))
    kinds = [e.kind for e in playbook.effects if isinstance(e, Record)]
    assert kinds == ["connection_back", "resumed"]


def test_a_request_that_expires_is_not_confirmed_and_the_next_one_begins() -> None:
    playbook = Playbook(PAUSED).request("settings", 1, pause_at="a", pause_on_failure="1")
    playbook.receive(Expired(1)).settles(CommandNotConfirmed).says()
    playbook.request("resume", 2).says(Resume())


def test_the_expiry_of_a_settled_request_is_no_news() -> None:
    assert Playbook(PAUSED).request("resume").confirm().receive(Expired(1)).effects == []


def test_a_late_answer_is_not_taken_for_one_to_the_next_command() -> None:
    playbook = Playbook(PAUSED).request("resume", 1)
    late = playbook.said
    playbook.receive(Expired(1)).request("settings", 2, pause_on_failure="1")
    playbook.receive(Confirmed(late, PAUSED)).settles()


def test_the_end_of_the_job_settles_what_was_begun() -> None:
    playbook = Playbook(PAUSED).request("resume").receive(JobOver())
    playbook.settles(JobNotRunning).ends()
    assert not playbook.life.is_ready
    assert playbook.receive(LinkUp(PAUSED)).effects == []


SKIPPED = Record("skipped", "Let the screen check time out.", "Ann")
GAVE_UP = Record("gave_up", "Let the screen check fail.", "Ann", 1)


@pytest.mark.parametrize(
    ("begun", "told"),
    [
        (lambda: Playbook(CHECKING).request("skip_timeout").confirm(), SKIPPED),
        (lambda: Playbook(PAUSED).request("give_up"), GAVE_UP),
    ],
    ids=["skip_timeout", "give_up"],
)
def test_who_fails_a_screen_check_is_told_once_it_is_so(
    begun: Callable[[], Playbook], told: Record
) -> None:
    assert told not in begun().effects
    assert told in begun().confirm().effects
    assert told not in begun().fail().effects


def test_a_session_that_is_let_go_ends() -> None:
    playbook = Playbook(PAUSED).request("leave").settles("You let go, the job stays as it is.")
    assert Record("released", "Let go (stay).", "Ann", 1) in playbook.ends().effects


def test_a_session_can_be_let_go_without_the_command_server() -> None:
    playbook = Playbook(PAUSED).receive(LinkDown("gone")).request("leave")
    playbook.settles("You let go, the job stays as it is.").ends()


def test_who_retires_finishes_what_was_begun_and_begins_nothing_more() -> None:
    playbook = Playbook(PAUSED).request("resume").receive(Retire())
    assert playbook.effects == []
    playbook.confirm(pause=None, turn=2).settles("The test goes on.")
    assert playbook.effects[-1] == Orphan()
    assert not playbook.life.is_ready


def test_who_retires_idle_leaves_at_once() -> None:
    assert Playbook(PAUSED).receive(Retire()).effects == [Orphan()]


def test_what_is_asked_of_an_adopted_session_waits_for_its_link() -> None:
    for event, outcome in ((LinkUp(PAUSED), None), (LinkDown("gone"), CommandServerUnreachable)):
        playbook = Playbook()
        playbook.life = Lifecycle(4, ExecutionState())
        assert not playbook.life.is_ready
        assert playbook.receive(event).life.is_ready
        playbook.request("resume")
        playbook.settles(outcome) if outcome else playbook.says(Resume())


def test_an_adopted_session_tells_what_happened_since_the_timeline_ended() -> None:
    remembered = ExecutionState(module="a-b", pause=Pause("reached module a"))
    for state, kinds in (
        (replace(PAUSED, module="a-b"), []),
        (replace(RUNNING, module="a-b"), ["resumed"]),
        (replace(HELD, module="a-c"), ["module", "paused"]),
    ):
        life = Lifecycle(4, remembered)
        records = [e.kind for e in life.receive(LinkUp(state)) if isinstance(e, Record)]
        assert records == ["connection_back", *kinds]


def test_a_setting_that_is_refused_does_not_keep_the_others_from_being_said() -> None:
    old = replace(RUNNING, pause_on_failure=UNKNOWN, supports_pausing=False)
    playbook = Playbook(old).request("settings", pause_on_failure="1", pause_at="a-b")
    playbook.says(SetPauseAtTest("a-b"))
    playbook.confirm(pause_at="a-b").settles(CommandNotConfirmed)


def test_a_release_clears_the_settings_and_then_resumes() -> None:
    state = replace(
        HELD, pause_at="a-b", pause_on_mismatch=Mismatch.CHECK_SCREEN, pause_on_failure=True
    )
    playbook = Playbook(state).request("release").says(SetPauseAtTest(None))
    playbook.confirm(pause_at=None).says(SetPauseOnScreenMismatch(Mismatch.OFF))
    playbook.confirm(pause_on_mismatch=Mismatch.OFF).says(SetPauseOnNextCommand(False))
    playbook.confirm(pause_on_next_command=False).says(SetPauseOnFailure(False))
    playbook.confirm(pause_on_failure=False).says(Resume())
    playbook.confirm(pause=None, turn=2).settles("You let go, the test continues.").ends()


def test_a_release_leaves_settings_alone_that_were_never_told() -> None:
    state = replace(PAUSED, pause_at=UNKNOWN, pause_on_mismatch=UNKNOWN, pause_on_failure=UNKNOWN)
    Playbook(state).request("release").says(Resume()).confirm(pause=None).settles(
        "You let go, the test continues."
    ).ends()


def test_the_timeline_names_who_changed_a_setting() -> None:
    playbook = Playbook(RUNNING).request("settings", pause_on_failure="1")
    playbook.receive(Heard(replace(RUNNING, pause_on_failure=True)))
    assert playbook.effects == [Record("setting", "Pause on failure: on", "Ann")]


def test_the_timeline_tells_what_only_the_confirmation_told() -> None:
    playbook = Playbook(RUNNING).request("settings", pause_on_failure="1")
    playbook.confirm(pause_on_failure=True).settles("Saved.")
    assert playbook.effects[0] == Record("setting", "Pause on failure: on", "Ann")


def test_the_timeline_tells_what_was_passed_over_when_too_much_came() -> None:
    playbook = Playbook(RUNNING)
    playbook.receive(Heard(replace(PAUSED, module="m")))
    assert [e.kind for e in playbook.effects if isinstance(e, Record)] == ["module", "paused"]


@pytest.mark.parametrize("value", ["yes", "", "2"])
def test_a_wrong_value_is_never_said(value: str) -> None:
    playbook = Playbook(RUNNING).request("settings", pause_on_failure=value).says()
    assert any(isinstance(e, Settle) and e.error for e in playbook.effects)


known_states = st.builds(
    replace,
    st.sampled_from([RUNNING, PAUSED, HELD, ExecutionState()]),
    turn=st.integers(0, 2),
    pause_at=st.sampled_from([None, "a", UNKNOWN]),
    pause_on_failure=st.sampled_from([True, False, UNKNOWN]),
)
arguments = st.dictionaries(
    st.sampled_from(["pause_at", "pause_on_failure", "pause_on_mismatch", "bogus"]),
    st.sampled_from(["", "0", "1", "off", "a"]),
)
requests = st.tuples(
    st.sampled_from(sorted(ACTIONS)), arguments, st.sampled_from([None, "3.0", "3.1"])
)
steps = st.lists(
    st.one_of(
        requests,
        known_states.map(LinkUp),
        known_states.map(Heard),
        st.sampled_from([LinkDown("gone"), "confirm", "confirm", "fail", "expire", "expire"]),
        st.builds(Confirmed, st.integers(0, 9), known_states),
        st.sampled_from([OpeningExpired(), Incompatible("2.0"), JobOver(), Retire()]),
    ),
    max_size=30,
)


@given(known_states, steps)
def test_whatever_happens_one_command_is_out_at_a_time_and_each_request_is_settled_once(  # noqa: C901 - one line per kind
    start: ExecutionState, happenings: list[Any]
) -> None:
    life = Lifecycle(term=3)
    outstanding: int | None = None
    state, asked, settled = start, 0, []
    watched = 0
    for happening in [LinkUp(start), *happenings, JobOver()]:
        event = happening
        match happening:
            case (action, values, revision):
                if not life.is_ready:
                    continue
                asked += 1
                event = Request(asked, "Ann", action, values, revision)
            case "confirm":
                event = Confirmed(outstanding or 0, state)
            case "fail":
                event = Failed(outstanding or 0, LATE)
            case "expire":
                event = Expired(watched)
            case LinkUp(now) | Heard(now):
                state = now
        if isinstance(event, Confirmed | Failed) and event.number == outstanding:
            outstanding = None
        for effect in life.receive(event):
            match effect:
                case Watch(identity):
                    watched = identity
                case Settle(request):
                    settled.append(request.id)
                    outstanding = None if request.id == watched else outstanding
                case Say(number):
                    assert outstanding is None
                    outstanding = number
    assert settled == list(range(1, asked + 1))
