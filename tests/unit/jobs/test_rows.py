"""The rows of jobs, in both databases."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, update

from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Change
from devmode.cluster.notices import Notices
from devmode.jobs.models import JobRow
from devmode.jobs.rows import RECENT_S, JobRows

MINUTES_AGO = {1: 0.5, 2: 5, 3: 5, 4: None, 5: 1, 6: 5}
"""When each job ended: of these, the one that began first was the last."""
LAST_FIRST = [1, 5, 6, 3, 2]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = create_engine(database_url)
    Base.metadata.create_all(engine, tables=[JobRow.__table__, Change.__table__])
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def rows(database: Database) -> JobRows:
    now = time.time()
    with database.write() as session:
        for number, minutes in MINUTES_AGO.items():
            ended_at = None if minutes is None else now - 60 * minutes
            session.add(row(number, ended_at))
        session.add(row(7, now - 2 * RECENT_S))
    return JobRows(database, Notices(board_of(database), Lease(database, "here")), "here")


def row(number: int, ended_at: float | None) -> JobRow:
    return JobRow(
        id=number, host="here", pool_directory="/pool", token_hash=str(number),
        name=f"job {number}", started_at=float(number), ended_at=ended_at,
    )  # fmt: skip


def test_of_the_jobs_that_ended_lately_the_last_one_comes_first(rows: JobRows) -> None:
    assert [job.id for job in rows.ended(10)] == LAST_FIRST
    assert [job.id for job in rows.ended(1)] == LAST_FIRST[:1]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_pages_of_ended_jobs_leave_none_out_and_tell_none_twice(rows: JobRows, most: int) -> None:
    told: list[int] = []
    while page := rows.ended_before(told[-1] if told else None, "job", most):
        told += [job.id for job in page]
    assert told == [*LAST_FIRST, 7]


@pytest.mark.parametrize("number", [0, 4, 4711])
def test_nothing_ended_before_a_job_that_has_not(rows: JobRows, number: int) -> None:
    assert rows.ended_before(number, "", 10) == []


def test_of_the_later_jobs_of_a_pool_directory_the_newest_is_told(rows: JobRows) -> None:
    newest = rows.newer_than(1)
    assert newest is not None
    assert (newest.id, newest.name) == (7, "job 7")
    assert rows.newer_than(7) is None
    assert rows.newer_than(4711) is None


def test_of_some_jobs_those_are_told_that_a_job_has_followed(rows: JobRows) -> None:
    assert set(rows.earlier_than(5, {1, 4, 6})) == {1, 4}
    assert rows.earlier_than(1, {2, 3}) == []


def test_jobs_without_a_pool_directory_or_of_another_host_follow_none(
    rows: JobRows, database: Database
) -> None:
    with database.write() as session:
        session.execute(update(JobRow).where(JobRow.id < 4).values(pool_directory="", host=""))
        session.execute(update(JobRow).where(JobRow.id > 5).values(host="there"))
    assert rows.newer_than(1) is None
    assert rows.newer_than(5) is None
    assert rows.earlier_than(7, {1, 4, 5, 6}) == [6]
