"""A job that is in a pool directory and in openQA is one job."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from devmode.cluster.database import Database
from devmode.jobs.job import NOWHERE, JobState
from devmode.jobs.models import JobRow
from tests.simulated.openqa import SimulatedOpenQA
from tests.simulated.pollers import HERE, Process, database, isotovideo, new_process, process

__all__ = ["database", "isotovideo", "new_process", "process"]


def test_a_job_that_openqa_told_of_while_it_was_prepared_is_the_one_in_the_pool(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[[], Any]
) -> None:
    openqa.runs(7, **HERE)
    url = openqa.workers[0]["properties"].pop("CMD_SRV_URL")
    process.asks()
    assert process.job.obstacle
    isotovideo()
    process.looks()
    openqa.workers[0]["properties"]["CMD_SRV_URL"] = url
    process.asks()
    assert process.job.pool_directory != NOWHERE
    assert {told.id for told in process.told} == {process.job.id}


@pytest.mark.parametrize("first", ["openqa", "pool"])
def test_a_job_in_a_pool_directory_and_in_openqa_is_one(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[[], Any], first: str
) -> None:
    openqa.runs(7, **HERE)
    if first == "openqa":
        process.asks()
        isotovideo()
        process.looks()
    else:
        isotovideo()
        process.looks()
        process.asks()
    job = process.job
    assert (job.name, job.openqa_id) == ("in the pool", 7)
    assert job.pool_directory != NOWHERE
    assert job.page == f"{openqa.url}/tests/7"
    assert {told.id for told in process.told} == {job.id}


def test_a_job_of_openqa_is_never_listed_twice_while_it_is_found_in_the_pool(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[[], Any]
) -> None:
    openqa.runs(7, **HERE)
    process.asks()
    listed: list[int] = []
    process.registry.listen(lambda _job: listed.append(len(process.registry.running())))
    isotovideo()
    process.looks()
    assert listed
    assert set(listed) == {1}


@pytest.mark.parametrize("first", ["openqa", "pool"])
def test_a_job_whose_token_openqa_hides_is_one_with_that_of_its_name_in_the_pool(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[..., Any], first: str
) -> None:
    openqa.runs(7, **HERE)
    openqa.workers[0]["properties"] = {}
    if first == "openqa":
        process.asks()
    isotovideo("00000007-a-job")
    process.looks()
    process.asks()
    job = process.job
    assert job.page == f"{openqa.url}/tests/7"
    assert job.pool_directory != NOWHERE
    assert job.address is not None
    assert job.obstacle is None
    assert {told.id for told in process.told} == {job.id}


def test_a_job_whose_token_openqa_hides_is_no_other_of_that_number(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[..., Any]
) -> None:
    openqa.runs(7, **HERE)
    openqa.workers[0]["properties"] = {}
    process.asks()
    isotovideo("00000007-of-another-openqa")
    process.looks()
    process.asks()
    assert len(process.registry.running()) == 2


def test_the_end_in_the_pool_directory_counts_before_openqa_knows(
    process: Process, openqa: SimulatedOpenQA, isotovideo: Callable[[], Any]
) -> None:
    openqa.runs(7, **HERE)
    running = isotovideo()
    process.asks()
    running.kill()
    running.communicate()
    process.looks()
    for _ in range(5):
        process.asks()
    assert process.registry.running() == []
    assert [job.state for job in process.told][-1] is JobState.ENDED
    openqa.ends(7)
    process.asks()
    (ended,) = process.registry.ended()
    assert ended.openqa_id == 7


def test_a_job_that_was_taken_for_ended_has_what_its_openqa_says_again(
    new_process: Callable[..., Process],
    openqa: SimulatedOpenQA,
    isotovideo: Callable[[], Any],
    database: Database,
) -> None:
    asking = new_process(openqa.url)
    openqa.runs(7, **HERE)
    isotovideo()
    asking.asks()
    with database.write() as session:
        session.execute(update(JobRow).values(ended_at=1.5, result="by mistake"))
    another = new_process(openqa.url)
    for _ in range(2):
        another.looks()
    assert another.job.page == f"{openqa.url}/tests/7"
    assert another.job.openqa is not None
