"""The rows of jobs, in both databases."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

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
def rows(database_url: str) -> Iterator[JobRows]:
    engine = create_engine(database_url)
    database = Database(engine)
    Base.metadata.create_all(engine, tables=[JobRow.__table__, Change.__table__])
    now = time.time()
    with database.write() as session:
        for number, minutes in MINUTES_AGO.items():
            ended_at = None if minutes is None else now - 60 * minutes
            session.add(row(number, ended_at))
        session.add(row(7, now - 2 * RECENT_S))
    yield JobRows(database, Notices(board_of(database), Lease(database, "here")), "here")
    engine.dispose()


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
