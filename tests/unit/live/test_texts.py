"""Texts are looked at as they are at the moment, whatever is written meanwhile."""

import json
from pathlib import Path
from typing import NoReturn

import pytest

from devmode.cluster.database import AWAY
from devmode.commandserver.address import JobToken
from devmode.errors import DatabaseAway
from devmode.jobs.archive import Archive
from devmode.jobs.job import Job, JobState
from devmode.jobs.texts import AT_ONCE, Chunk, GrowingText
from devmode.live.sight import Sight
from devmode.live.texts import Texts

TOKEN = JobToken("abc")


class OneJobHere:
    """A registry of one job."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def get(self, _job_id: int) -> Job:
        return self.job

    def is_here(self, _job: Job) -> bool:
        return True

    def token_in_pool(self, _job_id: int) -> JobToken:
        return TOKEN


class Unreachable(OneJobHere):
    """The same, whose database is away."""

    def get(self, _job_id: int) -> NoReturn:
        raise DatabaseAway(AWAY)

    token_in_pool = get


class Flooded(GrowingText):
    """A text that has grown by as much whenever all of it has been read."""

    def read(self) -> Chunk | None:
        with (self._directory / "serial0").open("ab") as file:
            assert file.tell() < 100 * AT_ONCE, "it was read to an end that it does not have"
            file.write(b"y\n" * (AT_ONCE // 2))
        return super().read()


def test_a_text_that_is_written_as_fast_as_it_is_read_is_shown_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devmode.live.texts.GrowingText", Flooded)
    (tmp_path / "vars.json").write_text(json.dumps({"JOBTOKEN": "abc"}))
    registry = OneJobHere(Job(1, "a job", JobState.RUNNING, tmp_path, 0.0))
    texts = Texts(registry, None, Archive(None, None, 1, 1))
    glance = texts.glance(1, "serial0", Sight.ALL)
    assert glance.lines[-1].spans == (("y", ""),)
    assert glance.cursor is not None
    assert glance.cursor.offset == AT_ONCE


def test_the_end_of_a_job_is_told_to_others_too_while_the_database_is_away(tmp_path: Path) -> None:
    job = Job(1, "a job", JobState.ENDED, tmp_path, 0.0)
    texts = Texts(Unreachable(job), None, Archive(None, tmp_path / "kept", 1, 1))
    texts.job_changed(job)
    assert not (tmp_path / "kept").exists()
