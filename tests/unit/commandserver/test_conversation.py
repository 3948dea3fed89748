from devmode.commandserver.broadcasts import decode
from devmode.commandserver.commands import Resume, SetPauseOnNextCommand, Status
from devmode.commandserver.conversation import (
    CONFIRMATION_S,
    HUSHED_SILENCE_S,
    KICK_S,
    SILENCE_S,
    Answer,
    Conversation,
    Outcome,
    Responsive,
    Send,
)

STATUS = decode(b'{"running": null, "devel_mode_major_version": 1}')
RESUMED = decode(b'{"resume_test_execution": null}')
FLAG = decode(b'{"set_pause_on_next_command": 1}')
NEWS = decode(b'{"current_api_function": "send_key"}')


def connected() -> Conversation:
    conversation = Conversation()
    conversation.connected(0)
    conversation.heard(STATUS, 0)
    return conversation


def test_it_begins_with_asking_for_the_state() -> None:
    assert Conversation().connected(0) == [Send(Status())]


def test_one_command_is_in_flight_at_a_time() -> None:
    conversation = connected()
    assert conversation.say(Resume(), 1, 0) == [Send(Resume())]
    assert conversation.say(SetPauseOnNextCommand(True), 2, 0) == []
    assert conversation.heard(NEWS, 0.1) == []
    assert conversation.heard(RESUMED, 0.1) == [
        Answer(1, Outcome.CONFIRMED),
        Send(SetPauseOnNextCommand(True)),
    ]
    assert conversation.heard(FLAG, 0.2) == [Answer(2, Outcome.CONFIRMED)]


def test_a_late_answer_is_kicked_every_second() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    assert conversation.tick(KICK_S - 0.1) == []
    assert conversation.tick(KICK_S) == [Send(Status())]
    assert conversation.tick(KICK_S + 0.1) == []
    assert conversation.tick(2 * KICK_S) == [Send(Status())]
    assert conversation.heard(STATUS, 2.1) == []
    assert conversation.heard(RESUMED, 2.1) == [Answer(1, Outcome.CONFIRMED)]


def test_what_waits_goes_out_only_when_every_kick_is_answered_too() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    conversation.say(SetPauseOnNextCommand(True), 2, 0)
    conversation.tick(KICK_S)
    conversation.tick(2 * KICK_S)
    assert conversation.heard(RESUMED, 2.1) == [Answer(1, Outcome.CONFIRMED)]
    assert conversation.ask(2.1) == []
    assert conversation.heard(STATUS, 2.2) == []
    assert conversation.heard(STATUS, 2.3) == [Send(SetPauseOnNextCommand(True))]


def test_a_command_that_is_never_confirmed_fails_and_the_next_status_tells_what_is_true() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    conversation.heard(NEWS, CONFIRMATION_S - 1)
    assert conversation.tick(CONFIRMATION_S) == [
        Answer(1, Outcome.NOT_CONFIRMED),
        Send(Status()),
    ]


def test_the_status_goes_before_what_waits_behind_a_failure() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    conversation.say(SetPauseOnNextCommand(True), 2, 0)
    conversation.heard(NEWS, CONFIRMATION_S - 1)
    assert conversation.tick(CONFIRMATION_S)[-1] == Send(Status())
    assert conversation.heard(STATUS, 5.1)[-1] == Send(SetPauseOnNextCommand(True))


def test_what_waits_behind_an_unanswered_command_is_never_sent() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    conversation.say(SetPauseOnNextCommand(True), 2, 0)
    assert Answer(2, Outcome.UNSENT) in conversation.tick(CONFIRMATION_S)
    assert conversation.say(Resume(), 3, CONFIRMATION_S) == [Answer(3, Outcome.UNSENT)]


def test_a_server_that_says_nothing_is_unresponsive_until_it_does() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    assert Responsive(now=False) in conversation.tick(CONFIRMATION_S)
    assert Responsive(now=False) not in conversation.tick(2 * CONFIRMATION_S)
    assert Responsive(now=True) in conversation.heard(NEWS, 11)
    assert conversation.heard(NEWS, 11) == []


def test_silence_is_broken_by_asking() -> None:
    conversation = connected()
    assert conversation.tick(SILENCE_S - 0.1) == []
    assert conversation.tick(SILENCE_S) == [Send(Status())]
    assert conversation.tick(SILENCE_S + 0.1) == []


def test_a_lost_link_leaves_nobody_waiting() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    conversation.say(SetPauseOnNextCommand(True), 2, 0)
    assert conversation.lost() == [Answer(1, Outcome.ABANDONED), Answer(2, Outcome.UNSENT)]
    assert conversation.lost() == []
    assert conversation.tick(99) == []


def test_without_a_link_nothing_is_sent() -> None:
    assert Conversation().say(Resume(), 1, 0) == [Answer(1, Outcome.UNSENT)]


def test_an_answer_after_a_reconnection_is_not_taken_for_one_to_an_abandoned_command() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    conversation.lost()
    assert conversation.connected(1) == [Send(Status())]
    assert conversation.heard(RESUMED, 1) == []


def hushed() -> Conversation:
    conversation = Conversation()
    conversation.hush()
    assert conversation.connected(0) == []
    return conversation


def test_who_is_hushed_says_nothing_and_hears_everything() -> None:
    conversation = hushed()
    assert conversation.say(Resume(), 1, 0) == [Answer(1, Outcome.UNSENT)]
    assert conversation.ask(0) == []
    assert conversation.tick(SILENCE_S) == []
    assert conversation.heard(STATUS, SILENCE_S) == []


def test_who_is_hushed_doubts_a_server_that_the_others_get_no_answer_from() -> None:
    conversation = hushed()
    assert conversation.tick(HUSHED_SILENCE_S) == [Responsive(now=False)]
    assert conversation.tick(HUSHED_SILENCE_S + 1) == []
    assert conversation.heard(NEWS, HUSHED_SILENCE_S + 2) == [Responsive(now=True)]


def test_who_is_hushed_in_the_middle_knows_no_more_what_became_of_it() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    conversation.say(SetPauseOnNextCommand(True), 2, 0)
    assert conversation.hush() == [Answer(1, Outcome.ABANDONED), Answer(2, Outcome.UNSENT)]
    assert conversation.tick(KICK_S) == []


def test_a_command_that_may_not_be_sent_any_more_was_not_sent() -> None:
    conversation = connected()
    (send,) = conversation.say(Resume(), 1, 0)
    assert conversation.withhold(send.command) == [Answer(1, Outcome.UNSENT)]
    assert conversation.say(Resume(), 2, 0) == [Answer(2, Outcome.UNSENT)]


def test_a_kick_that_may_not_be_sent_leaves_the_command_before_it_in_doubt() -> None:
    conversation = connected()
    conversation.say(Resume(), 1, 0)
    (kick,) = conversation.tick(KICK_S)
    assert conversation.withhold(kick.command) == [Answer(1, Outcome.ABANDONED)]


def test_the_state_is_asked_for_once_at_a_time() -> None:
    conversation = connected()
    conversation.hush()
    conversation.speak()
    assert conversation.ask(1) == [Send(Status())]
    assert conversation.ask(1) == []
    conversation.say(Resume(), 1, 1)
    assert conversation.heard(STATUS, 1) == [Send(Resume())]
