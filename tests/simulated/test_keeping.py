"""Who keeps a session, and what becomes of it when its keeper ends, or the database or the job."""

import itertools
import json
import os
import sqlite3
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from sqlalchemy import create_engine

from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.commandserver import conversation
from devmode.commandserver.commands import SetPauseOnNextCommand
from devmode.commandserver.link import Link, LinkState
from devmode.commandserver.simulator import Simulator
from devmode.commandserver.simulator.job import Message
from devmode.errors import (
    CommandNotConfirmed,
    CommandServerUnreachable,
    DatabaseAway,
    IncompatibleCommandServer,
    JobNotRunning,
    NotSessionOwner,
    OutcomeUnknown,
    SessionLocked,
)
from devmode.jobs.job import Job, JobState
from devmode.jobs.registry import Registry
from devmode.jobs.remote import RemoteJobs
from devmode.jobs.sealing import Seal
from devmode.sessions import keeper, service
from devmode.sessions.keeper import Keeper
from devmode.sessions.keeping import Keeping
from devmode.sessions.links import Links, Listening
from devmode.sessions.models import User
from devmode.sessions.service import Sessions
from devmode.sessions.store import NOBODY, SessionFacts, Store
from devmode.sessions.users import Role, Visitor
from tests.waiting import LIMIT_S, until

OLIVIA = Visitor(1, "olivia", Role.OPERATOR, "login")
ADAM = Visitor(2, "adam", Role.ADMINISTRATOR, "login")


class ToldStore(Store):
    """Tells when somebody is about to write."""

    def __init__(self, database: Database, notices: Notices, lease: Lease) -> None:
        super().__init__(database, notices, lease)
        self.writing = Event()

    def adopt(self, facts: SessionFacts) -> bool:
        self.writing.set()
        return super().adopt(facts)

    def reserve(self, *whose: Any, **how: Any) -> bool:
        self.writing.set()
        return super().reserve(*whose, **how)


@dataclass
class Process:
    """The parts of one devmode process that keep sessions."""

    path: Path
    notices: Notices
    store: ToldStore
    registry: Registry
    keeping: Keeping
    links: Links
    simulator: Simulator
    job: Job

    def facts(self) -> SessionFacts:
        facts = self.store.session_of(self.job.id)
        assert facts is not None
        return facts

    def keeper(self) -> str:
        return self.facts().process_id

    def sessions(self) -> Sessions:
        """What developers can do here, without other hosts and openQA."""
        unused: Any = None
        parts = (self.registry, self.store, self.keeping, self.notices, unused, unused)
        return Sessions(*parts, away_after_s=600)

    def pauses(self) -> Listening:
        """Has the job pause over a link that stays up as long as what is returned."""
        listening = self.links.listen(self.job, lambda _event: None)
        until(lambda: listening.link.is_up, "the link to come up")
        listening.link.say(SetPauseOnNextCommand(on=True), "pause")
        until(lambda: listening.link.execution.pause, "a pause")
        return listening

    def is_kept(self) -> Keeper:
        """Has olivia take control, and returns the keeper of her session."""
        self.keeping.reserve(self.job, OLIVIA)
        keeper = self.keeping.keeper_of(self.job.id)
        assert keeper is not None
        return keeper

    def is_linked(self) -> None:
        link = self.links.of(self.job.id)
        assert link is not None
        until(lambda: link.is_up, "the link to come up")

    def kinds(self) -> set[str]:
        """Returns of what kinds the events of the timeline are."""
        return {event.kind for event in self.store.events_of(self.job.id)}

    def is_asked(self, action: str, **arguments: str) -> int:
        """Has olivia ask the keeper for something, and returns its number."""
        return self.store.requests.ask(self.job.id, OLIVIA.id, action, arguments, None)

    def outcome(self, number: int) -> tuple[str | None, str]:
        found: tuple[str | None, str] = until(
            lambda: self.store.requests.outcome(number), "the outcome"
        )
        return found

    def is_taken_over(self) -> bool:
        text = "Took over from olivia."
        return self.store.change_owner(
            self.facts(), ADAM.id, kind="taken_over", text=text, who=ADAM.name
        )

    def end_job(self) -> None:
        """Has isotovideo end, which the registry finds out at once."""
        Path("os-autoinst.pid").unlink()
        self.registry.scan()
        assert self.registry.get(self.job.id).state is JobState.ENDED

    def end_while(self, begin: "gevent.Greenlet[..., object]") -> None:
        """Ends the process between the beginning and the commit of what `begin` writes."""
        blocking = sqlite3.connect(self.path, isolation_level=None)
        blocking.execute("BEGIN IMMEDIATE")
        self.store.writing.clear()
        begin.start()
        assert self.store.writing.wait(LIMIT_S)
        ending = gevent.spawn(self.keeping.retire)
        gevent.sleep(0)
        assert self.keeping.is_retiring
        blocking.execute("COMMIT")
        blocking.close()
        gevent.joinall([ending, begin], timeout=LIMIT_S, raise_error=True)
        assert ending.successful()


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    simulator = Simulator()
    simulator.start()
    pool = tmp_path / "pool"
    pool.mkdir()
    monkeypatch.chdir(pool)
    settings = {"JOBTOKEN": simulator.address.token.reveal(), "QEMUPORT": simulator.port - 1}
    Path("vars.json").write_text(json.dumps(settings | {"NAME": "a job"}))
    Path("os-autoinst.pid").write_text(str(os.getpid()))
    path = tmp_path / "test.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    database = Database(engine)
    Base.metadata.create_all(engine)
    with database.write() as session:
        session.add_all([User(id=who.id, name=who.name) for who in (OLIVIA, ADAM)])
    lease = Lease(database, "here")
    notices = Notices(board_of(database), lease)
    remote = RemoteJobs(database, Seal("only for tests"))
    registry = Registry(database, notices, remote, (str(pool),), "here")
    store = ToldStore(database, notices, lease)
    lease.take()
    registry.scan()
    (job,) = registry.running()
    links = Links(0)
    keeping = Keeping(registry, store, links, notices, lease)
    registry.listen(keeping.job_changed)
    # The machine may be busy for longer than a lease lasts.
    renewing = gevent.spawn(lease.run, keeping.let_go)
    yield Process(path, notices, store, registry, keeping, links, simulator, job)
    renewing.kill()
    simulator.terminate()
    engine.dispose()


def test_a_session_that_is_adopted_while_the_process_ends_is_left_like_the_others(
    process: Process,
) -> None:
    process.store.reserve(process.job.id, OLIVIA.id, OLIVIA.name, keeper=NOBODY)
    process.end_while(gevent.Greenlet(process.keeping.run))
    assert process.keeper() == NOBODY


def test_a_session_that_begins_while_the_process_ends_is_left_like_the_others(
    process: Process,
) -> None:
    rounds = gevent.spawn(process.keeping.run)
    process.end_while(gevent.Greenlet(process.keeping.reserve, process.job, OLIVIA))
    rounds.join(LIMIT_S)
    assert process.keeper() == NOBODY


def test_a_session_over_a_link_that_is_up_is_open_at_once(process: Process) -> None:
    process.pauses()
    process.keeping.reserve(process.job, OLIVIA)
    assert process.facts().open


@pytest.mark.parametrize("linked", [True, False], ids=["link is up", "link has to come up"])
def test_forms_of_other_processes_answer_the_pause_that_the_keeper_knows(
    process: Process, *, linked: bool
) -> None:
    listening = process.pauses()
    if not linked:
        process.links.close(process.job.id)
    process.keeping.reserve(process.job, OLIVIA)
    keeper = process.keeping.keeper_of(process.job.id)
    assert keeper is not None
    keeper.opened.get(timeout=LIMIT_S)
    facts = process.facts()
    assert facts.turn == listening.link.execution.turn
    assert keeper.revision == f"{facts.term}.{facts.turn}"


def test_a_link_that_went_down_meanwhile_is_told_and_costs_nobody_control(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = process.pauses()
    reserve = process.store.reserve

    def cut(*whose: Any, **how: Any) -> bool:
        done = reserve(*whose, **how)
        process.simulator.terminate()
        until(lambda: not listening.link.is_up, "the link to break")
        return done

    monkeypatch.setattr(process.store, "reserve", cut)
    process.keeping.reserve(process.job, OLIVIA)
    kinds = until(lambda: process.kinds() - {"started"}, "the loss in the timeline")
    assert kinds == {"connection_lost"}
    assert process.facts().open


def afterwards(monkeypatch: pytest.MonkeyPatch, of: object, name: str, do: Any) -> None:
    """Has something happen after the database has done what `name` asks for, before it answers."""
    method = getattr(of, name)

    def done(*what: Any, **how: Any) -> Any:
        answer = method(*what, **how)
        do()
        return answer

    monkeypatch.setattr(of, name, done)


def test_a_job_that_ends_while_it_is_reserved_keeps_no_session(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.pauses()
    afterwards(monkeypatch, process.store, "reserve", process.end_job)
    with pytest.raises(JobNotRunning):
        process.keeping.reserve(process.job, OLIVIA)
    assert process.store.session_of(process.job.id) is None


def test_a_job_that_ends_while_its_session_is_adopted_keeps_none(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.store.reserve(process.job.id, OLIVIA.id, OLIVIA.name, keeper=NOBODY, turn=1)
    afterwards(monkeypatch, process.store, "remembered", process.end_job)
    gevent.spawn(process.keeping.run)
    until(lambda: process.store.session_of(process.job.id) is None, "the session to end")


def lapses_after(what: str, process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the lease lapse just after `what` is done in the database, and others adopt."""

    def lapse() -> None:
        facts = process.facts()
        process.store.orphan(facts.job_id, facts.term)
        process.keeping.let_go()

    afterwards(monkeypatch, process.store, what, lapse)


def test_a_session_that_others_adopt_before_it_is_known_to_be_reserved_is_theirs(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.pauses()
    lapses_after("reserve", process, monkeypatch)
    process.keeping.reserve(process.job, OLIVIA)
    assert process.keeping.count() == 0


def test_so_is_one_that_others_adopt_before_it_is_known_to_be_adopted(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.store.reserve(process.job.id, OLIVIA.id, OLIVIA.name, keeper=NOBODY, turn=1)
    lapses_after("adopt", process, monkeypatch)
    process.keeping._adopt(process.facts())
    assert process.facts().term == 2
    assert process.keeping.count() == 0


def test_a_command_is_begun_though_the_database_went_away_before_it_told_that_it_is_taken(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_away() -> None:
        if not gone:
            gone.append(True)
            raise DatabaseAway("away")

    gone: list[bool] = []
    process.pauses()
    process.is_kept()
    afterwards(monkeypatch, process.store.requests, "take", go_away)
    assert process.outcome(process.is_asked("resume")) == (None, "The test goes on.")
    assert gone
    assert [c["cmd"] for c in process.simulator.received].count("resume_test_execution") == 1


def test_what_the_database_wrote_before_it_went_away_stands_in_the_timeline_once(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_away() -> None:
        gone.append(True)
        if len(gone) % 2:
            raise DatabaseAway("away")

    gone: list[bool] = []
    process.pauses()
    process.is_kept()
    afterwards(monkeypatch, process.store, "record_seen", go_away)
    for action in ("resume", "pause", "resume"):
        process.outcome(process.is_asked(action))
    told = [event.text for event in process.store.events_of(process.job.id)]
    assert len(gone) >= 6, "each was written again"
    assert [a for a, b in itertools.pairwise(told) if a == b] == []
    assert told.count("The test goes on.") == 2


@pytest.fixture
def answers(process: Process, monkeypatch: pytest.MonkeyPatch) -> Event:
    """Until this is set, isotovideo is busy, and the command server answers nothing."""
    answers = Event()
    obey = process.simulator.job.obey

    def obey_late(command: Message) -> None:
        answers.wait()
        obey(command)

    process.pauses()
    process.is_kept()
    monkeypatch.setattr(process.simulator.job, "obey", obey_late)
    return answers


def test_what_waits_is_done_one_after_the_other(process: Process, answers: Event) -> None:
    numbers = [process.is_asked("settings", pause_on_failure=value) for value in "10"]
    gevent.idle()
    waiting = process.store.requests.any_waits(process.job.id)
    answers.set()
    assert [process.outcome(number) for number in numbers] == [(None, "Saved.")] * 2
    assert waiting, "only what is begun is taken"
    said = [c for c in process.simulator.received if c["cmd"] == "set_pause_on_failure"]
    assert [command["flag"] for command in said] == [1, 0]


def test_what_waited_for_its_turn_does_not_end_the_session_of_who_took_over_meanwhile(
    process: Process, answers: Event
) -> None:
    begun, waiting = process.is_asked("settings", pause_on_failure="1"), process.is_asked("leave")
    gevent.idle()
    assert process.is_taken_over()
    answers.set()
    assert process.outcome(begun) == (None, "Saved.")
    assert process.outcome(waiting)[0] == NotSessionOwner.code
    assert process.facts().developer == "adam"


def test_what_an_adopter_did_not_hear_while_it_was_cut_off_is_not_told_as_if_it_happened_now(
    process: Process,
) -> None:
    listening = process.pauses()
    process.store.reserve(process.job.id, OLIVIA.id, OLIVIA.name, keeper="another", turn=1)
    process.store.record(process.job.id, "paused", listening.link.execution.pause.reason)
    until(lambda: listening.link.is_hushed, "the link to be hushed")
    process.simulator.cut()
    process.simulator.job.obey({"cmd": "set_pause_on_failure", "flag": 1})
    until(lambda: listening.link.state is not LinkState.CONNECTED, "the loss")
    until(lambda: listening.link.state is LinkState.CONNECTED, "the way back")
    assert not listening.link.execution.pause_on_failure
    rounds = gevent.spawn(process.keeping.run)
    until(lambda: listening.link.execution.pause_on_failure, "the state to be told")
    process.outcome(process.is_asked("resume"))
    process.keeping.retire()
    rounds.join(LIMIT_S)
    told = [event.text for event in process.store.events_of(process.job.id)]
    assert "Pause on failure: on" not in told


def test_a_session_that_is_adopted_from_a_silent_command_server_can_be_let_go_of(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = process.pauses().link
    monkeypatch.setattr(process.simulator.job, "obey", lambda _command: None)
    monkeypatch.setattr(conversation, "HUSHED_SILENCE_S", 0.1)
    link.hush()
    until(lambda: link.state is LinkState.UNRESPONSIVE, "the silence to be noticed")
    process.store.reserve(process.job.id, OLIVIA.id, OLIVIA.name, keeper=NOBODY, turn=1)
    gevent.spawn(process.keeping.run)
    until(process.keeping.count, "the adoption")
    assert process.outcome(process.is_asked("pause"))[0] == CommandServerUnreachable.code
    assert process.outcome(process.is_asked("leave"))[0] is None
    assert process.store.session_of(process.job.id) is None


def test_who_watched_already_is_told_as_others_that_os_autoinst_is_too_new(
    process: Process,
) -> None:
    link = process.pauses().link
    process.simulator.broadcast({"devel_mode_major_version": 2, "devel_mode_minor_version": 0})
    until(lambda: link.state is LinkState.CLOSED, "the link to be given up")
    with pytest.raises(IncompatibleCommandServer, match=r"os-autoinst speaks version 2\.0"):
        process.is_kept().opened.get(timeout=LIMIT_S)


def test_who_catches_up_with_a_flood_does_not_take_a_link_that_was_lost_for_one_that_is_back(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.pauses()
    process.is_kept()
    monkeypatch.setattr(keeper, "MOST_WAITING", -1)
    process.simulator.broadcast({"flood": 1})
    process.simulator.stop()
    until(lambda: "connection_lost" in process.kinds(), "the loss in the timeline")
    gevent.idle()
    assert "connection_back" not in process.kinds()


def test_who_catches_up_with_a_flood_that_swallowed_the_first_status_has_a_session(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MOST_WAITING", -1)
    afterwards(monkeypatch, process.store.requests, "any_waits", process.is_linked)
    assert process.is_kept().opened.get(timeout=LIMIT_S) is None
    assert process.facts().open


def test_who_loses_the_race_for_control_is_silent_at_once(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = process.pauses().link
    reserve = process.store.reserve

    def lose(*whose: Any, **how: Any) -> bool:
        reserve(process.job.id, OLIVIA.id, OLIVIA.name, keeper="another")
        gevent.idle()
        assert not link.is_hushed
        return reserve(*whose, **how)

    monkeypatch.setattr(process.store, "reserve", lose)
    with pytest.raises(SessionLocked):
        process.keeping.reserve(process.job, ADAM)
    until(lambda: link.is_hushed, "the link to be hushed")


def test_who_takes_control_just_before_the_database_goes_away_is_not_told_that_nothing_changed(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_job_id: int) -> None:
        raise DatabaseAway("Nothing was changed.")

    sessions = process.sessions()
    process.keeping.is_retiring = True
    with monkeypatch.context() as broken:
        broken.setattr(process.store, "session_of", away)
        with pytest.raises(OutcomeUnknown):
            sessions.start(process.job.id, OLIVIA)
    assert process.facts().developer == OLIVIA.name


def test_what_nobody_takes_in_time_is_withdrawn_and_its_developer_told_that_nothing_was_sent(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ANSWER_S", 0.2)
    process.store.reserve(process.job.id, OLIVIA.id, OLIVIA.name, keeper="another", turn=1)
    with pytest.raises(CommandNotConfirmed, match="nothing was sent"):
        process.sessions().act(process.job.id, OLIVIA, "pause", {}, None)
    assert not process.store.requests.any_waits(process.job.id)


def test_who_can_never_take_control_is_told_so(process: Process) -> None:
    nobody = 99
    with pytest.raises(SessionLocked, match="Try again"):
        process.store.reserve(process.job.id, nobody, "nobody")


def test_a_session_that_others_adopted_during_a_lapse_is_let_go_of_before_another_word(
    process: Process,
) -> None:
    link = process.pauses().link
    process.keeping.reserve(process.job, OLIVIA)
    keeper = process.keeping.keeper_of(process.job.id)
    assert keeper is not None
    process.keeping.let_go()
    assert process.keeping.keeper_of(process.job.id) is keeper, "nobody has adopted it"
    assert not link.is_hushed
    process.store.orphan(process.job.id, keeper.term)
    process.keeping.let_go()
    assert process.keeping.count() == 0
    assert link.is_hushed
    keeper.wait_until_ended(timeout_s=LIMIT_S)
    assert process.store.session_of(process.job.id) is not None, "it is theirs"


def test_whose_lease_has_lapsed_without_a_word_of_it_says_nothing(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = process.pauses().link
    process.is_kept()
    gevent.idle()
    monkeypatch.setattr(Lease, "is_held", False)
    code, _sentence = process.outcome(process.is_asked("settings", pause_on_failure="1"))
    assert code == CommandServerUnreachable.code
    assert link.is_hushed
    assert "set_pause_on_failure" not in [said["cmd"] for said in process.simulator.received]


def used_once(process: Process) -> "weakref.ref[Link]":
    listening = process.links.listen(process.job, lambda _event: None)
    until(lambda: listening.link.is_up, "the link to come up")
    listening.stop()
    return weakref.ref(listening.link)


def test_a_link_that_is_closed_is_gone_without_garbage_collection(
    process: Process, uncollected: None
) -> None:
    link = used_once(process)
    until(lambda: link() is None, "nothing to know the link")
