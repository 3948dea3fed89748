"""Wall clocks that jump, of one host and of the database, and nobody loses control."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import PostgresqlServer
from tests.processes.clocks import Clock, ClockedPostgresql, ClockedWorld
from tests.processes.people import Person
from tests.processes.world import SimulatedJob, World
from tests.waiting import until

HOUR_S = 3600


def steers(owner: Person, job: SimulatedJob) -> None:
    for at in (0, 1, 0):
        answer = owner.sets_pause_at(job, job.unused_module(), at=at)
        assert answer.status == 200, answer


def test_a_host_whose_clock_jumps_costs_nobody_control_or_their_sign_in(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    jumping, right = Clock(tmp_path, "jumping"), Clock(tmp_path, "right")
    world = ClockedWorld(tmp_path, postgresql.new_database(), (jumping, right), right)
    try:
        job = world.start_job()
        olivia = Person(world, "olivia")
        watching = olivia.controls(job)
        for ahead_s in (HOUR_S, -HOUR_S):
            jumping.turn(ahead_s)
            steers(olivia, job)
            oscar = Person(world, f"signed in at {ahead_s:+}")
            assert oscar.ask(world.gunicorns[1], "GET", "/").status == 200
            assert oscar.does(job, "session", at=1).status == 409, "known there, and too late"
        module = job.unused_module()
        assert olivia.sets_pause_at(job, module, at=1).status == 200
        watching.until(f"Will pause at module {module}")
        assert world.session_of(job).term == 1, "its lease has not lapsed"
        world.check(job)
    finally:
        world.end()


# A database with SQLite is the machine's clock too.


@pytest.fixture
def clock() -> Iterator[Clock]:
    """In a folder that the owner of PostgreSQL may read, too."""
    with tempfile.TemporaryDirectory(prefix="devmode-clock-") as folder:
        Path(folder).chmod(0o755)
        yield Clock(Path(folder), "database")


@pytest.fixture(params=["sqlite", "postgresql"])
def clocked_world(
    request: pytest.FixtureRequest, clock: Clock, tmp_path: Path
) -> Iterator[ClockedWorld]:
    """Two processes on a database whose clock a test sets."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'devmode.sqlite'}"
        world = ClockedWorld(tmp_path, url, (clock, clock), clock)
        yield world
        world.end()
        return
    server = ClockedPostgresql(clock)
    server.start()
    right = Clock(tmp_path, "right")
    world = ClockedWorld(tmp_path, server.new_database(), (right, right), clock)
    yield world
    world.end()
    server.remove()


def renewed(world: World, clock: Clock) -> None:
    """Waits until every lease is one of the new time."""
    end = world.database_time() + 10
    late = "SELECT 1 FROM processes WHERE lease_until > :end"
    until(lambda: not world.rows(late, end=end), f"leases at {clock.ahead_s:+} s")
    world.wait_until_complete()


def test_a_database_whose_clock_jumps_costs_nobody_control(
    clocked_world: ClockedWorld, clock: Clock
) -> None:
    world = clocked_world
    job = world.start_job()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    for ahead_s in (HOUR_S, 0, -HOUR_S):
        clock.turn(ahead_s)
        renewed(world, clock)
        until(lambda: olivia.sets_pause_at(job, job.unused_module()).status == 200, "an answer")
        steers(olivia, job)
    before = world.session_of(job).term
    _gunicorn, pid = world.keeper_of(job)
    os.kill(pid, signal.SIGKILL)
    until(lambda: world.session_of(job).term == before + 1, "the adoption")
    assert "ended" not in dict(world.events_of(job))
    world.check(job)
