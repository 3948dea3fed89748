"""The link against a simulated command server, well-behaved and not."""

import json
from collections.abc import Callable, Iterator

import gevent
import pytest
import websocket
from gevent import socket

from devmode.commandserver import connection, conversation, link
from devmode.commandserver.address import Address, JobToken
from devmode.commandserver.broadcasts import Broadcast
from devmode.commandserver.commands import (
    Command,
    PauseNow,
    Resume,
    SetPauseAtTest,
    SetPauseOnFailure,
    SetPauseOnNextCommand,
    SetPauseOnScreenMismatch,
)
from devmode.commandserver.conversation import Outcome
from devmode.commandserver.execution import Mismatch, PauseKind
from devmode.commandserver.link import Answered, Heard, Joined, Link, LinkEvent, LinkState, Lost
from devmode.commandserver.simulator import Simulator
from devmode.commandserver.simulator.behaviours import (
    AcceptsAndStalls,
    AnotherVersion,
    AnswersLate,
    ClosesAfter,
    EndlessMessage,
    Garbage,
    HugeMessage,
    NeverAnswers,
    NoVersion,
    WellBehaved,
)
from devmode.commandserver.simulator.schedule import (
    CheckScreen,
    Die,
    FailingScript,
    Module,
    SendKey,
    Step,
)
from tests.waiting import LIMIT_S

STEPS = 2000
LONG = (Module("shell", "long", (SendKey("ret"),) * STEPS),)


class Ear:
    """A link together with everything that it told."""

    def __init__(self, address: Address, *, hushed: bool = False) -> None:
        self.events: list[LinkEvent] = []
        self.link = Link(address, job_id=1, hear=self.events.append)
        if hushed:
            self.link.hush()
        self.link.start()

    def say(self, *commands: Command) -> None:
        """Say commands one after the other, each confirmed."""
        for command in commands:
            reference = object()
            self.link.say(command, reference)
            wait_until(lambda reference=reference: self.outcome(reference) is not None)
            assert self.outcome(reference) is Outcome.CONFIRMED

    def outcome(self, reference: object) -> Outcome | None:
        answers = (event for event in self.events if isinstance(event, Answered))
        return next((a.outcome for a in answers if a.reference == reference), None)

    @property
    def troubles(self) -> list[str]:
        return [event.trouble for event in self.events if isinstance(event, Lost)]

    @property
    def broadcasts(self) -> list[Broadcast]:
        return [event.broadcast for event in self.events if isinstance(event, Heard)]

    def until_known(self) -> None:
        wait_until(lambda: self.link.execution.known)

    def until_paused(self, kind: PauseKind, ignoring_turn: int = -1) -> None:
        def paused() -> bool:
            state = self.link.execution
            found = state.pause is not None and state.pause.kind is kind
            return found and state.turn != ignoring_turn

        wait_until(paused)


def wait_until(condition: Callable[[], bool]) -> None:
    with gevent.Timeout(LIMIT_S, AssertionError("this did not happen in time")):
        while not condition():
            gevent.sleep(0.005)


Start = Callable[..., Simulator]
Connect = Callable[[Address], Ear]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts simulators: a long job in small steps, unless told otherwise."""
    simulators = []

    def make(*steps: Step, behaviour: WellBehaved | None = None, pace_s: float = 0.01) -> Simulator:
        schedule = (Module("shell", "module", steps),) if steps else LONG
        simulator = Simulator(schedule, pace_s=pace_s, behaviour=behaviour)
        simulators.append(simulator)
        simulator.start()
        return simulator

    yield make
    for simulator in simulators:
        simulator.stop()


@pytest.fixture
def connect() -> Iterator[Connect]:
    ears = []

    def make(address: Address) -> Ear:
        ears.append(Ear(address))
        return ears[-1]

    yield make
    for ear in ears:
        ear.link.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the link wait for a fraction of the time that it takes in earnest."""
    monkeypatch.setattr(conversation, "KICK_S", 0.1)
    monkeypatch.setattr(conversation, "CONFIRMATION_S", 0.4)
    monkeypatch.setattr(conversation, "SILENCE_S", 0.6)
    monkeypatch.setattr(link, "TICK_S", 0.02)
    monkeypatch.setattr(connection, "HANDSHAKE_S", 0.3)
    monkeypatch.setattr(link, "SHORTEST_PAUSE_S", 0.02)
    monkeypatch.setattr(link, "LONGEST_PAUSE_S", 0.1)


def test_connects_and_knows_the_state(start: Start, connect: Connect) -> None:
    simulator = start()
    ear = connect(simulator.address)
    ear.until_known()
    wait_until(lambda: ear.link.execution.module == "shell-long")
    state = ear.link.execution
    assert ear.link.state is LinkState.CONNECTED
    assert state.api_version == (1, 1)
    assert state.supports_pausing
    assert (state.pause_at, state.pause_on_mismatch) == (None, Mismatch.OFF)
    assert (state.pause_on_next_command, state.pause_on_failure) == (False, False)
    assert simulator.received == [{"cmd": "status"}]


def test_settings_are_confirmed_and_seen_by_every_client(start: Start, connect: Connect) -> None:
    simulator = start()
    ear, other = connect(simulator.address), connect(simulator.address)
    ear.until_known()
    other.until_known()
    ear.say(
        SetPauseAtTest("shell-other"),
        SetPauseOnScreenMismatch(Mismatch.CHECK_SCREEN),
        SetPauseOnFailure(True),
        SetPauseOnNextCommand(True),
    )
    wait_until(lambda: other.link.execution.pause_on_next_command is True)
    for state in (ear.link.execution, other.link.execution):
        assert state.pause_at == "shell-other"
        assert state.pause_on_mismatch is Mismatch.CHECK_SCREEN
        assert state.pause_on_failure is True


def test_resuming_pauses_at_the_same_command_while_the_setting_is_on(
    start: Start, connect: Connect
) -> None:
    ear = connect(start().address)
    ear.until_known()
    ear.say(SetPauseOnNextCommand(True))
    ear.until_paused(PauseKind.NEXT_COMMAND)
    seen = ear.link.execution.commands_seen
    turn = ear.link.execution.turn
    ear.say(Resume())
    ear.until_paused(PauseKind.NEXT_COMMAND, ignoring_turn=turn)
    assert ear.link.execution.commands_seen == seen
    ear.say(SetPauseOnNextCommand(False), Resume())
    wait_until(lambda: ear.link.execution.commands_seen > seen)
    assert ear.link.execution.pause is None


def test_pauses_by_hand_before_the_next_command(start: Start, connect: Connect) -> None:
    ear = connect(start().address)
    ear.until_known()
    ear.say(PauseNow("by the test"))
    wait_until(lambda: any(getattr(b.paused, "cmd", None) for b in ear.broadcasts))
    assert ear.link.execution.pause is not None
    assert ear.link.execution.pause.reason == "by the test"


def test_pauses_on_a_mismatch_and_on_failures(start: Start, connect: Connect) -> None:
    waits = (SendKey("ret"),) * 50
    simulator = start(
        *waits, CheckScreen("absent", None, 0.2), FailingScript("false"), Die("never reached")
    )
    ear = connect(simulator.address)
    ear.until_known()
    ear.say(SetPauseOnScreenMismatch(Mismatch.ASSERT_SCREEN), SetPauseOnFailure(True))
    ear.until_paused(PauseKind.MISMATCH)
    ear.say(SetPauseOnScreenMismatch(Mismatch.OFF), Resume())
    ear.until_paused(PauseKind.FAILURE)
    ear.say(Resume())
    wait_until(lambda: ear.link.execution.stopping is not None)
    wait_until(lambda: bool(ear.troubles))
    assert ear.troubles[0] == "The command server closed the connection."
    hook = "shell-module (post fail hook)"
    assert hook in [broadcast.current_test_full_name for broadcast in ear.broadcasts]


def test_a_wrong_token_is_told_without_it(start: Start, connect: Connect) -> None:
    address = start().address
    wrong = JobToken("SoWrongAToken")
    ear = connect(Address(address.host, address.port, wrong))
    wait_until(lambda: bool(ear.troubles))
    assert "HTTP 404" in ear.troubles[0]
    assert "token" in ear.troubles[0]
    assert wrong.reveal() not in ear.troubles[0]
    assert ear.link.state is LinkState.CONNECTING


def test_tells_that_nothing_listens(connect: Connect) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ear = connect(Address("127.0.0.1", unused.getsockname()[1], JobToken("x")))
        wait_until(lambda: bool(ear.troubles))
    assert ear.troubles[0].startswith("Nothing listens")


@pytest.mark.usefixtures("impatient")
def test_a_stalled_handshake_ends_in_a_trouble(start: Start, connect: Connect) -> None:
    ear = connect(start(behaviour=AcceptsAndStalls()).address)
    wait_until(lambda: len(ear.troubles) > 1)
    assert ear.troubles[0] == "The command server accepted the connection but did not answer."


@pytest.mark.usefixtures("impatient")
def test_an_answerless_server_is_unresponsive(start: Start, connect: Connect) -> None:
    ear = connect(start(behaviour=NeverAnswers()).address)
    wait_until(lambda: ear.link.state is LinkState.UNRESPONSIVE)
    assert ear.link.trouble is not None
    assert not ear.link.execution.known
    assert ear.troubles == []


@pytest.mark.usefixtures("impatient")
def test_a_command_to_a_server_that_fell_silent_is_not_confirmed(
    start: Start, connect: Connect
) -> None:
    simulator = start(behaviour=NeverAnswers(after_commands=1))
    ear = connect(simulator.address)
    ear.until_known()
    ear.link.say(SetPauseOnFailure(True), "setting")
    wait_until(lambda: ear.outcome("setting") is not None)
    assert ear.outcome("setting") is Outcome.NOT_CONFIRMED
    wait_until(lambda: ear.link.state is LinkState.UNRESPONSIVE)
    assert ear.link.execution.pause_on_failure is False


def test_a_kick_gets_a_command_going_that_lies_behind_another(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "KICK_S", 0.4)
    monkeypatch.setattr(link, "TICK_S", 0.02)
    simulator = start(behaviour=AnswersLate(0.2))
    ear = connect(simulator.address)
    ear.until_known()
    other = websocket.create_connection(simulator.address.url())
    other.send(json.dumps({"cmd": "set_pause_at_test", "name": "shell-other"}))
    wait_until(lambda: len(simulator.received) == 2)
    ear.say(SetPauseOnFailure(True))
    other.shutdown()
    assert simulator.most_in_flight > 1
    kicks = [command["cmd"] for command in simulator.received[2:]]
    assert kicks == ["set_pause_on_failure", "status"]


@pytest.mark.parametrize("behaviour", [AnotherVersion(2), AnotherVersion(0), NoVersion()])
def test_another_version_is_refused_for_good(
    start: Start, connect: Connect, behaviour: WellBehaved
) -> None:
    ear = connect(start(behaviour=behaviour).address)
    wait_until(lambda: ear.link.state is LinkState.CLOSED)
    lost = [event for event in ear.events if isinstance(event, Lost)]
    assert [event.incompatible for event in lost] == [True]
    assert "devmode speaks 1.x" in lost[0].trouble


@pytest.mark.parametrize("behaviour", [Garbage(), HugeMessage()])
def test_survives_what_it_cannot_read(
    start: Start, connect: Connect, behaviour: WellBehaved
) -> None:
    ear = connect(start(behaviour=behaviour).address)
    ear.until_known()
    ear.say(SetPauseOnFailure(True), SetPauseOnNextCommand(True))
    ear.until_paused(PauseKind.NEXT_COMMAND)
    assert ear.troubles == []


@pytest.mark.usefixtures("impatient")
def test_gives_up_on_a_message_without_end_and_connects_again(
    start: Start, connect: Connect
) -> None:
    simulator = start(behaviour=EndlessMessage())
    ear = connect(simulator.address)
    ear.until_known()
    assert simulator.connections == 2
    assert "too long" in ear.troubles[0]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("messages", range(12))
def test_reconnects_wherever_the_server_closes(
    start: Start, connect: Connect, messages: int
) -> None:
    simulator = start(behaviour=ClosesAfter(messages))
    ear = connect(simulator.address)
    wait_until(lambda: simulator.connections == 2 and ear.link.state is LinkState.CONNECTED)
    assert ear.troubles == ["The command server closed the connection."]
    ear.until_known()
    ear.say(SetPauseOnFailure(True))
    assert ear.link.execution.pause_on_failure is True


def test_never_has_two_commands_in_flight(start: Start, connect: Connect) -> None:
    simulator = start(behaviour=AnswersLate(0.03))
    ear = connect(simulator.address)
    ear.until_known()
    for number in range(10):
        ear.link.say(SetPauseAtTest(f"shell-{number}"), number)
    wait_until(lambda: ear.outcome(9) is Outcome.CONFIRMED)
    assert simulator.most_in_flight == 1


def test_fifty_commands_at_once_are_all_confirmed_in_order(start: Start, connect: Connect) -> None:
    simulator = start()
    ear = connect(simulator.address)
    ear.until_known()
    for number in range(50):
        ear.link.say(SetPauseAtTest(f"shell-{number}"), number)
    wait_until(lambda: ear.outcome(49) is not None)
    answers = [event for event in ear.events if isinstance(event, Answered)]
    assert answers == [Answered(number, Outcome.CONFIRMED) for number in range(50)]
    names = [command["name"] for command in simulator.received if "name" in command]
    assert names == [f"shell-{number}" for number in range(50)]
    assert simulator.most_in_flight == 1


class TestTheSimulatorItself:
    """What os-autoinst does to clients that are not as careful as the link."""

    def test_an_unknown_command_ends_the_job_without_a_goodbye(
        self, start: Start, connect: Connect
    ) -> None:
        simulator = start()
        ear = connect(simulator.address)
        ear.until_known()
        client = websocket.create_connection(simulator.address.url())
        client.send(json.dumps({"cmd": "unheard_of"}))
        wait_until(lambda: bool(ear.troubles))
        assert simulator.ended.is_set()
        assert ear.link.execution.stopping is None
        client.shutdown()

    def test_a_text_that_is_not_ascii_is_dropped(self, start: Start) -> None:
        simulator = start()
        client = websocket.create_connection(simulator.address.url())
        client.send('{"cmd": "set_pause_at_test", "name": "é"}')
        client.send("no JSON")
        client.send('{"cmd": "status"}')
        wait_until(lambda: bool(simulator.received))
        assert simulator.received == [{"cmd": "status"}]
        client.shutdown()

    def test_too_long_a_message_ends_that_connection_only(
        self, start: Start, connect: Connect
    ) -> None:
        simulator = start()
        ear = connect(simulator.address)
        ear.until_known()
        client = websocket.create_connection(simulator.address.url())
        client.send("x" * 300_000)
        frames = iter(client.recv_frame, None)
        closing = next(f for f in frames if f.opcode == websocket.ABNF.OPCODE_CLOSE)
        assert int.from_bytes(closing.data[:2]) == 1009
        ear.say(SetPauseOnFailure(True))
        assert ear.troubles == []
        client.shutdown()


def test_a_hushed_link_says_nothing_and_knows_what_another_asked_for(
    start: Start, connect: Connect
) -> None:
    simulator = start()
    listener = Ear(simulator.address, hushed=True)
    wait_until(lambda: any(isinstance(event, Joined) for event in listener.events))
    assert simulator.received == []
    speaker = connect(simulator.address)
    listener.until_known()
    speaker.say(PauseNow("by the speaker"))
    listener.until_paused(PauseKind.OTHER)
    listener.link.say(Resume(), "no")
    assert listener.outcome("no") is Outcome.UNSENT
    listener.link.speak()
    listener.say(Resume())
    listener.link.close()


def test_a_command_is_sent_only_if_that_is_permitted_at_that_moment(
    start: Start, connect: Connect
) -> None:
    simulator = start()
    ear = connect(simulator.address)
    ear.until_known()
    permitted = [True, False]
    ear.link.speak(lambda: permitted.pop(0))
    ear.say(PauseNow("now"))
    before = len(simulator.received)
    ear.link.say(Resume(), "late")
    assert ear.outcome("late") is Outcome.UNSENT
    assert ear.link.is_hushed
    assert len(simulator.received) == before
