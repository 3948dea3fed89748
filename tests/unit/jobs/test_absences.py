"""Jobs whose host does not come back, in both databases."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, delete, insert, update

from devmode.cluster.boards import board_of
from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import LEASE_S, Lease
from devmode.cluster.models import Change, Process
from devmode.cluster.notices import Notices
from devmode.jobs.absences import Absences
from devmode.jobs.job import Job, JobState
from devmode.jobs.models import JobRow, OpenqaInstance, OpenqaJob
from devmode.jobs.registry import Registry
from devmode.jobs.remote import RemoteJobs
from devmode.jobs.rows import JobRows
from devmode.jobs.sealing import Seal
from devmode.jobs.sightings import ended_job

JOB = 7
DAY_S = 86400.0


class World:
    """A process on host “here”, to which host “gone” had told of a job."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.notices = Notices(board_of(database), Lease(database, "here"))
        remote = RemoteJobs(database, Seal("secret"))
        self.registry = Registry(database, self.notices, remote, (), "here")
        self.answering: list[int] = []
        self.absences = Absences(
            database, self.notices, self.registry, lambda: self.answering, DAY_S
        )
        with database.write() as session:
            session.add(
                JobRow(
                    id=JOB, host="gone", pool_directory="/pool", token_hash="hash",
                    name="a job", started_at=1.5,
                )
            )  # fmt: skip
        self.registry.hear(replace(self.registry.get(JOB), host_away=True))
        self.told: list[Job] = []
        self.registry.listen(self.told.append)

    def enters(self, host: str, left_s: float) -> None:
        with self.database.write() as session:
            values = {"id": "theirs", "host": host, "lease_until": now() + left_s}
            session.execute(insert(Process).values(values))

    def misses_the_job(self, for_s: float) -> None:
        """Sees it missed now, and lets time pass."""
        self.absences.sweep()
        with self.database.write() as session:
            session.execute(update(JobRow).values(away_since=JobRow.away_since - for_s))

    def openqa_tells(self) -> None:
        with self.database.write() as session:
            session.add(OpenqaJob(job_id=JOB, url="http://openqa", openqa_id=1, facts={}))

    def rows_of(self, host: str) -> JobRows:
        return JobRows(self.database, self.notices, host)

    @property
    def is_given_up(self) -> bool:
        self.absences.sweep()
        return self.registry.get(JOB).state is JobState.ENDED


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    engine = create_engine(database_url)
    tables = (JobRow, Change, Process, OpenqaInstance, OpenqaJob)
    Base.metadata.create_all(engine, tables=[table.__table__ for table in tables])
    yield World(Database(engine))
    engine.dispose()


def test_a_job_whose_host_has_been_away_for_long_is_told_as_ended(world: World) -> None:
    world.enters("gone", -2 * LEASE_S)
    world.misses_the_job(DAY_S + 1)
    assert world.is_given_up
    (job,) = world.told
    assert job.state is JobState.ENDED
    assert "outcome unknown: its host has been away since 20" in (job.result or "")
    assert not world.registry.running()
    assert [job.id for job in world.registry.ended()] == [JOB]


def test_a_job_that_is_not_even_kept_any_more_has_ended(world: World) -> None:
    with world.database.write() as session:
        session.execute(delete(JobRow))
    world.absences.sweep()
    assert not world.registry.running()
    assert [job.state for job in world.told] == [JobState.ENDED]


def test_a_job_whose_host_may_come_back_still_runs(world: World) -> None:
    world.misses_the_job(DAY_S - 60)
    assert not world.is_given_up


def test_a_job_whose_host_is_there_is_not_missed(world: World) -> None:
    world.enters("gone", LEASE_S)
    world.misses_the_job(2 * DAY_S)
    assert not world.is_given_up


def test_a_host_that_was_back_meanwhile_is_waited_for_anew(world: World) -> None:
    world.misses_the_job(2 * DAY_S)
    world.enters("gone", LEASE_S)
    world.absences.sweep()
    with world.database.write() as session:
        session.execute(update(Process).values(lease_until=now() - 2 * LEASE_S))
    assert not world.is_given_up


def test_a_job_that_answers_is_not_given_up(world: World) -> None:
    world.misses_the_job(2 * DAY_S)
    world.answering.append(JOB)
    assert not world.is_given_up


def test_a_job_of_which_an_openqa_tells_is_not_given_up(world: World) -> None:
    world.misses_the_job(2 * DAY_S)
    world.openqa_tells()
    assert not world.is_given_up


def test_a_host_that_comes_back_takes_back_what_runs(world: World) -> None:
    world.misses_the_job(2 * DAY_S)
    assert world.is_given_up
    world.rows_of("gone").take_back([JOB])
    assert world.registry.get(JOB).state is JobState.RUNNING
    assert not world.is_given_up


def test_a_job_that_was_given_up_has_its_outcome_if_its_host_saw_it(world: World) -> None:
    job = world.registry.get(JOB)
    world.misses_the_job(2 * DAY_S)
    assert world.is_given_up
    world.rows_of("gone").end(ended_job(job, 3.5, "passed", ()))
    ended = world.registry.get(JOB)
    assert (ended.ended_at, ended.result) == (3.5, "passed")
