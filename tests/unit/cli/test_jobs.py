from typing import Any

import pytest

from devmode import schemas
from devmode.cli.exits import Failure
from devmode.cli.jobs import find
from tests.unit.cli.made import JOB, job


class Told:
    """A client of a server that knows these jobs, by nothing but their names."""

    def __init__(self, *jobs: schemas.Job) -> None:
        self._jobs = jobs

    def jobs(self) -> tuple[schemas.Job, ...]:
        return self._jobs

    def job(self, number: int) -> schemas.Job:
        return next(one for one in self._jobs if one.id == number)


@pytest.mark.parametrize("text", ["None", "openqa:None", "openqa:", ""])
def test_a_job_without_a_number_in_openqa_is_found_by_none(text: str) -> None:
    server: Any = Told(JOB)
    with pytest.raises(Failure, match="There is no job"):
        find(server, text)


@pytest.mark.parametrize("text", ["openqa:7", "a-job", "1"])
def test_a_job_is_found_by_what_names_it(text: str) -> None:
    origin = schemas.Origin(kind="openqa", openqa_id=7, openqa_page="http://openqa/tests/7")
    server: Any = Told(job("a-job", origin=origin), job("another", id=2))
    assert find(server, text).id == JOB.id
