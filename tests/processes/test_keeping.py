"""Sessions outlive the processes that keep them, and are kept by one at a time."""

import os
import signal
import time

import gevent

from tests.databases import PostgresqlServer
from tests.processes.people import Person
from tests.processes.world import SimulatedJob, World
from tests.waiting import until

CUTS = 8


def other(at: int) -> int:
    return 1 - at


def keeping(world: World, job: SimulatedJob) -> int:
    """The number of the gunicorn whose worker keeps the session."""
    gunicorn, _pid = world.keeper_of(job)
    return world.gunicorns.index(gunicorn)


def times_back(world: World, job: SimulatedJob) -> int:
    return [kind for kind, _text in world.events_of(job)].count("connection_back")


def test_what_is_asked_of_one_process_is_done_by_another_and_seen_in_both(world: World) -> None:
    job = world.start_job()
    olivia, victor = Person(world, "olivia"), Person(world, "victor", "viewer")
    watching = victor.watches(job, at=1)
    olivia.takes_control(job, at=0)
    watching.until("controls this job")
    olivia.takes_control(job, at=1)
    for at in (0, 1, 1, 0):
        module = job.unused_module()
        answer = olivia.sets_pause_at(job, module, at=at)
        assert answer.status == 200, answer
        watching.until(f"Will pause at module {module}")
    assert olivia.does(job, "pause", at=1).status == 200
    watching.until("Paused")
    assert Person(world, "oscar").does(job, "session", at=1).status == 409
    assert olivia.does(job, "session/release", at=1, then="continue").status == 200
    assert world.session_of(job) is None
    watching.until("Nobody controls this job")
    world.check(job)
    assert [kind for kind, _text in world.events_of(job)][-2:] == ["released", "ended"]


def test_two_who_watch_in_two_processes_cost_the_command_server_one_question(world: World) -> None:
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job, at=0)
    before = len(job.witness)
    watching = olivia.watches(job, at=1)
    watching.until("Running")
    asked = [command["cmd"] for _sender, _in_flight, command in job.witness[before:]]
    assert asked == ["status"]
    senders = [sender for sender, _in_flight, _command in job.witness[before - 1 :]]
    assert len(set(senders)) == 1, "the keeper alone has asked"


def test_a_killed_keeper_is_succeeded(world: World) -> None:
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    at = keeping(world, job)
    _gunicorn, pid = world.keeper_of(job)
    watching, _beside = olivia.watches(job, at=other(at)), olivia.watches(job, at=at)
    watching.until("You control this job")
    present = "SELECT 1 FROM presence WHERE job_id = :job"
    until(lambda: len(world.rows(present, job=job.number)) == 2, "both to be noted")
    os.kill(pid, signal.SIGKILL)
    until(lambda: world.session_of(job).term == 2, "the adoption")
    module = job.unused_module()
    answer = olivia.sets_pause_at(job, module, at=other(at))
    assert answer.status == 200, answer
    watching.until(f"Will pause at module {module}")
    kinds = [kind for kind, _text in world.events_of(job)]
    assert kinds.count("adopted") == 1
    assert "ended" not in kinds
    world.check(job)


def test_a_stopped_keeper_that_wakes_up_late_sends_nothing_more(world: World) -> None:
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    at = keeping(world, job)
    _gunicorn, pid = world.keeper_of(job)
    for _round in range(2):
        assert olivia.sets_pause_at(job, job.unused_module(), at=at).status == 200
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: world.session_of(job).term == 2, "the adoption")
        for _round in range(3):
            assert olivia.sets_pause_at(job, job.unused_module(), at=other(at)).status == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    world.wait_until_complete()
    for asked_at in (at, other(at), at):
        answer = olivia.sets_pause_at(job, job.unused_module(), at=asked_at)
        assert answer.status == 200, answer
    assert world.session_of(job).term == 2
    world.check(job)


def test_a_keeper_that_wakes_up_late_says_no_more_of_what_it_had_begun(
    served_world: World,
) -> None:
    world = served_world
    world.wait_until_complete()
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    at, first = keeping(world, job), world.session_of(job).process_id
    _gunicorn, pid = world.keeper_of(job)
    watching = olivia.watches(job, at=at)
    watching.until("You control this job")
    of_the_first = {sender for sender, _in_flight, _command in job.witness}
    settings = {"pause_at": job.unused_module(), "pause_on_failure": "1"}
    settings |= {"pause_on_mismatch": "assert_screen"}
    job.freeze()
    try:
        asking = gevent.spawn(olivia.does, job, "settings", at=other(at), **settings)
        until(lambda: world.commands_of(job) == ["taken"], "the command to be taken")
        os.kill(pid, signal.SIGSTOP)
    finally:
        job.thaw()
    try:
        until(lambda: world.session_of(job).term == 2, "the adoption")
        said = len(job.witness)
        # What was confirmed meanwhile is heard before the process can find out about its lease.
        with world.holding("SELECT 1 FROM processes WHERE id = :id FOR UPDATE", id=first):
            os.kill(pid, signal.SIGCONT)
            watching.until(f"Will pause at module {settings['pause_at']}")
            assert olivia.sets_pause_at(job, job.unused_module(), at=other(at)).status == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    assert asking.get().status == 504
    world.wait_until_complete()
    for asked_at in (at, other(at)):
        assert olivia.sets_pause_at(job, job.unused_module(), at=asked_at).status == 200
    late = [line for line in job.witness[said:] if line[0] in of_the_first]
    assert not late, "it spoke after its lease"
    world.check(job)


def test_a_session_that_comes_back_to_a_process_is_spoken_for_by_one_at_a_time(
    served_world: World,
) -> None:
    world = served_world
    world.wait_until_complete()
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    watching = [olivia.watches(job, at=at) for at in (0, 1)]
    for term in (2, 3, 4):
        at = keeping(world, job)
        _gunicorn, pid = world.keeper_of(job)
        assert olivia.sets_pause_at(job, job.unused_module(), at=at).status == 200
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda term=term: world.session_of(job).term == term, "the adoption")
            assert olivia.sets_pause_at(job, job.unused_module(), at=other(at)).status == 200
        finally:
            os.kill(pid, signal.SIGCONT)
        world.wait_until_complete()
    for stream in watching:
        stream.close()
    senders = [sender for sender, _name in job.steering]
    assert senders[0] in senders[2:], "its connection is the one from before"
    world.check(job)


def test_a_short_stop_costs_nothing(world: World) -> None:
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    at = keeping(world, job)
    _gunicorn, pid = world.keeper_of(job)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1)  # this is the fault, not a wait
    os.kill(pid, signal.SIGCONT)
    assert olivia.sets_pause_at(job, job.unused_module(), at=other(at)).status == 200
    assert world.session_of(job).term == 1
    world.check(job)


def test_what_a_killed_keeper_had_taken_has_an_unknown_outcome_and_the_next_does_what_waited(
    world: World,
) -> None:
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    at = keeping(world, job)
    _gunicorn, pid = world.keeper_of(job)
    modules = [job.unused_module() for _ in range(3)]
    job.freeze()
    try:
        asking = [gevent.spawn(olivia.sets_pause_at, job, m, at=other(at)) for m in modules]
        one_at_a_time = ["taken", "waiting", "waiting"]
        until(lambda: world.commands_of(job) == one_at_a_time, "the first to be taken")
        os.kill(pid, signal.SIGKILL)
        until(lambda: world.session_of(job).term == 2, "another keeper")
    finally:
        job.thaw()
    *done, lost = sorted((greenlet.get() for greenlet in asking), key=lambda answer: answer.status)
    assert [answer.status for answer in done] == [200, 200]
    assert lost.status == 504
    assert "The process that sent the command died" in lost.text
    world.check(job)


def test_a_database_that_restarts_costs_nobody_control_and_loses_no_event(
    served_world: World, postgresql: PostgresqlServer
) -> None:
    world = served_world
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    watching = olivia.watches(job, at=keeping(world, job))
    watching.until("You control this job")
    assert olivia.sets_pause_at(job, job.unused_module()).status == 200
    postgresql.stop()
    try:
        watching.until("database can&#39;t be reached")
        assert olivia.sets_pause_at(job, job.unused_module()).status == 503
    finally:
        postgresql.start()
    watching.until("Pause now")
    until(lambda: olivia.sets_pause_at(job, job.unused_module()).status == 200, "an answer")
    kinds = [kind for kind, _text in world.events_of(job)]
    assert "ended" not in kinds
    world.check(job)


def test_a_command_server_that_cuts_its_connections_is_come_back_to_and_nothing_stays_open(
    world: World,
) -> None:
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    watching = olivia.watches(job, at=1)
    watching.until("You control this job")
    before = world.descriptors
    for cuts in range(1, CUTS + 1):
        job.cut_connections()
        until(lambda cuts=cuts: times_back(world, job) == cuts, "the way back")
        assert olivia.sets_pause_at(job, job.unused_module(), at=1).status == 200
    until(lambda: world.descriptors < before + CUTS, "the connections that were cut to be closed")
    world.check(job)


def test_a_command_server_that_restarts_is_come_back_to_by_who_keeps_the_session(
    world: World,
) -> None:
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    streams = [olivia.watches(job, at=at) for at in (0, 1)]
    for stream in streams:
        # Offered where the link is up.
        stream.until("Pause now")
    job.end_command_server()
    for at, stream in enumerate(streams):
        stream.until("Nothing listens on the command server")
        assert olivia.sets_pause_at(job, job.unused_module(), at=at).status == 502
    job.begin_command_server()
    until(lambda: times_back(world, job) == 1, "the way back")
    for at in (0, 1):
        module = job.unused_module()
        assert olivia.sets_pause_at(job, module, at=at).status == 200
        for stream in streams:
            stream.until(f"Will pause at module {module}")
    assert world.session_of(job).term == 1
    world.check(job)
