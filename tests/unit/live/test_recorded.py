"""What modules recorded is kept when their job has ended, and holds up nothing."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from sqlalchemy import create_engine

from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.cluster.peers import Peers
from devmode.cluster.seals import Seals
from devmode.jobs.archive import Archive
from devmode.jobs.elsewhere import Elsewhere
from devmode.jobs.job import Job, JobState
from devmode.jobs.registry import Registry
from devmode.jobs.remote import RemoteJobs
from devmode.jobs.sealing import Seal
from devmode.live.recorded import LONGEST_TEXT, Recorded
from tests.children import idle_in

STEPS = 50


class Process:
    """One devmode process, as far as it sees jobs end and keeps what they recorded."""

    def __init__(self, folder: Path) -> None:
        database = Database(create_engine(f"sqlite:///{folder / 'devmode.sqlite'}"))
        Base.metadata.create_all(database.engine)
        lease = Lease(database, "here")
        notices = Notices(board_of(database), lease)
        remote = RemoteJobs(database, Seal("secret"))
        globs = (str(folder / "pools" / "*"),)
        self.registry = Registry(database, notices, remote, globs, "here")
        elsewhere = Elsewhere(Peers(lease, Seals("secret"), "here"), self.registry)
        self.archive = Archive(database, folder / "kept", 30, 20)
        self.recorded = Recorded(self.registry, elsewhere, self.archive)
        self.told: list[Job] = []
        self.registry.listen(self.recorded.job_changed)
        self.registry.listen(self.told.append)
        self.registry.scan()

    def texts_of(self, job: Job) -> list[str]:
        steps = self.recorded.steps(job.id, "menu")
        return [text for step in steps for line in step.lines for text, _style in line.spans]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for what is kept as long as it takes on a busy machine."""
    monkeypatch.setattr("devmode.live.recorded.FINISH_S", 30)
    monkeypatch.setattr("devmode.live.recorded.AGAIN_S", 0.01)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """The pool directory of a job whose only module recorded a lot."""
    pool = tmp_path / "pools" / "1"
    (pool / "testresults").mkdir(parents=True)
    (pool / "vars.json").write_text(json.dumps({"JOBTOKEN": "secret-token", "NAME": "a job"}))
    details = [{"result": "ok", "text": f"menu-{step}.txt"} for step in range(STEPS)]
    files = {
        "test_order.json": json.dumps([{"name": "menu", "category": "boot"}]),
        "result-menu.json": json.dumps({"result": "ok", "details": details}),
        **{f"menu-{step}.txt": f"step {step}: secret-token" for step in range(STEPS)},
    }
    for name, content in files.items():
        (pool / "testresults" / name).write_text(content)
    return pool


@pytest.fixture
def isotovideo(pool: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = idle_in(pool)
    (pool / "os-autoinst.pid").write_text(str(process.pid))
    os.utime(pool / "os-autoinst.pid", (1000.5, 1000.5))
    yield process
    stop(process)


def stop(isotovideo: "subprocess.Popen[bytes]") -> None:
    isotovideo.kill()
    isotovideo.communicate()


def test_the_end_of_a_job_is_told_before_anything_is_kept_and_all_is_kept_afterwards(
    tmp_path: Path, pool: Path, isotovideo: "subprocess.Popen[bytes]"
) -> None:
    process = Process(tmp_path)
    stop(isotovideo)
    process.registry.scan()
    ended = process.told[-1]
    assert ended.state is JobState.ENDED
    assert not (tmp_path / "kept").exists()
    keeping = gevent.spawn(process.recorded.run)
    process.recorded.finish()
    shutil.rmtree(pool)
    assert process.texts_of(ended) == [f"step {step}: ************" for step in range(STEPS)]
    keeping.kill()


def test_others_have_their_turn_between_two_files(
    tmp_path: Path, isotovideo: "subprocess.Popen[bytes]"
) -> None:
    process = Process(tmp_path)
    stop(isotovideo)
    process.registry.scan()
    keeping = gevent.spawn(process.recorded.run)
    kept: list[int] = []
    while len(kept) < 3 or kept[-1] < STEPS:
        kept.append(len(list((tmp_path / "kept").glob("*/results/*.txt"))))
        gevent.sleep(0)
    assert len(set(kept)) > STEPS / 2
    keeping.kill()


def test_others_have_their_turn_while_many_steps_are_made_ready(
    tmp_path: Path, isotovideo: "subprocess.Popen[bytes]"
) -> None:
    process = Process(tmp_path)
    reading = gevent.spawn(process.texts_of, process.told[-1])
    turns = 0
    while not reading.ready():
        turns += 1
        gevent.sleep(0)
    assert len(reading.get()) == STEPS
    assert turns > STEPS / 10


def test_a_long_text_is_shown_among_the_steps_as_far_as_a_page_bears_it(
    tmp_path: Path, pool: Path, isotovideo: "subprocess.Popen[bytes]"
) -> None:
    long, just = b"x" * LONGEST_TEXT + b"secret-token", b"x" * LONGEST_TEXT
    (pool / "testresults" / "menu-1.txt").write_bytes(long)
    (pool / "testresults" / "menu-2.txt").write_bytes(just)
    process = Process(tmp_path)
    steps = process.recorded.steps(process.told[-1].id, "menu")
    assert [step.is_cut for step in steps[:4]] == [False, True, False, False]
    (only,) = steps[1].lines
    assert only.spans == steps[2].lines[0].spans == (("x" * LONGEST_TEXT, ""),)


def test_what_a_process_can_not_keep_just_now_is_kept_later(
    tmp_path: Path, isotovideo: "subprocess.Popen[bytes]"
) -> None:
    first, second = Process(tmp_path), Process(tmp_path)
    stop(isotovideo)
    for process in (first, second):
        process.registry.scan()
    began, ended = gevent.spawn(first.recorded.run), gevent.spawn(second.recorded.run)
    while not list((tmp_path / "kept").glob("*/results/*.txt")):
        gevent.sleep(0)
    began.kill()
    second.recorded.finish()
    assert len(list((tmp_path / "kept").glob("*/results/*.txt"))) == STEPS
    ended.kill()


def test_what_a_process_that_died_left_is_kept_at_the_next_start(
    tmp_path: Path, pool: Path, isotovideo: "subprocess.Popen[bytes]"
) -> None:
    died = Process(tmp_path)
    stop(isotovideo)
    died.registry.scan()
    died.archive.keep(died.told[-1], None)
    process = Process(tmp_path)
    process.recorded.resume()
    keeping = gevent.spawn(process.recorded.run)
    process.recorded.finish()
    keeping.kill()
    kept = {file.name for file in (tmp_path / "kept").glob("*/results/*")}
    assert len(kept) == STEPS + 1
