"""Screens of real jobs: pictures are written while somebody looks, and by nobody's leave else."""

import os
from collections.abc import Callable, Iterator
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
from devmode.jobs.job import Job
from devmode.jobs.registry import Registry
from devmode.jobs.remote import RemoteJobs
from devmode.jobs.screenshots import FOLDER, Picture, request_mark
from devmode.jobs.sealing import Seal
from devmode.live import screens
from devmode.live.frame import Frame
from devmode.live.lookers import Lookers
from devmode.live.screens import Screens
from devmode.live.watches import Watches
from tests.null.fixtures import Person, StartWatched
from tests.real.fixtures import StartJob
from tests.real.job import RealJob
from tests.waiting import until

MARK = request_mark("of tests of screens alone")
"""Not that of the devmode of other tests, which withdraws requests that it knows nobody to need."""


class Process:
    """As much of a devmode process as looks at screens."""

    def __init__(self, database: Database, pools: str) -> None:
        self.lease = Lease(database, "here")
        self.lease.take()
        self.renewing = gevent.spawn(self.lease.run, lambda: None)
        notices = Notices(board_of(database), self.lease)
        remote = RemoteJobs(database, Seal("only for tests"))
        self.registry = Registry(database, notices, remote, (pools,), "here")
        self.registry.scan()
        peers = Peers(self.lease, Seals("only for tests"), "here")
        elsewhere = Elsewhere(peers, self.registry)
        self.lookers, archive = Lookers(database, self.lease), Archive(database, None, 1, 1)
        self.screens = Screens(self.registry, elsewhere, self.lookers, archive, MARK, 0)
        self.frames: list[Frame] = []
        self.screens.listen(self.frames.append, lambda _job_id: None)

    def look(self, real: RealJob) -> Job:
        job: Job = until(lambda: self._find(real), "the job to be found")
        self.screens.look(job)
        self.lookers.rows.write()
        return job

    def _find(self, real: RealJob) -> Job | None:
        self.registry.scan()
        running = self.registry.running()
        return next((job for job in running if job.pool_directory == real.pool), None)

    def die(self) -> None:
        """Goes without a word, as by kill -9, and long enough ago for its lease to have lapsed."""
        gevent.kill(self.renewing)
        self.screens._looked.clear()
        self.lease.give_back()


StartProcess = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartProcess]:
    """Starts processes that share a database and look at all jobs of this run."""
    database = Database(create_engine(f"sqlite:///{tmp_path / 'devmode.sqlite'}"))
    Base.metadata.create_all(database.engine)
    pools = str(tmp_path_factory.getbasetemp() / "pool*")
    processes: list[Process] = []

    def start() -> Process:
        processes.append(Process(database, pools))
        return processes[-1]

    yield start
    for process in processes:
        process.screens.stop()
        gevent.kill(process.renewing)


def pictures(real: RealJob) -> list[str]:
    return [name for name in os.listdir(real.pool / "qemuscreenshot") if name != "last.png"]


def test_pictures_are_written_while_somebody_looks_and_no_longer(
    start: StartProcess, null_job: StartJob
) -> None:
    real = null_job("boot/menu_visible", "shell/small_steps", STAIRS=60)
    real.wait_for(lambda: real.results().get("boot-menu_visible") == "ok", "the first module")
    assert not pictures(real)
    process = start()
    job = process.look(real)
    until(lambda: len(process.frames) >= 3, "three pictures")
    assert (real.pool / "live_log").read_bytes() == MARK
    # What was caused is cleaned up all the while: once a second, but for the last one.
    until(lambda: len(process.frames) >= 8, "eight pictures")
    until(lambda: len(pictures(real)) < 8, "the first to be removed")
    process.screens.leave(job.id)
    until(lambda: not (real.pool / "live_log").exists(), "the end of the request")
    go_on(real)
    # The last one, the one before it while the link was missing, and one that was on its way.
    until(lambda: len(pictures(real)) <= 3, "the others to be removed")
    before, frames = pictures(real), len(process.frames)
    go_on(real)
    assert (pictures(real), len(process.frames)) == (before, frames)


def go_on(real: RealJob) -> None:
    """Waits until the test has typed some more."""
    typed = real.log.count("type_string")
    until(lambda: real.log.count("type_string") > typed + 3, "the job to go on")


def test_a_request_that_vanishes_is_made_again(start: StartProcess, null_job: StartJob) -> None:
    real = null_job("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    start().look(real)
    until((real.pool / "live_log").exists, "the request")
    (real.pool / "live_log").unlink()
    until((real.pool / "live_log").exists, "the request")


def test_a_pool_directory_in_which_nothing_happens_is_left_alone(
    start: StartProcess, null_job: StartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = null_job("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    real.wait_for_pause()
    for name, faster_s in (("TICK_S", 0.1), ("BEAT_S", 0.05)):
        monkeypatch.setattr(screens, name, faster_s)
    process = start()
    looked = noted(monkeypatch, "ask_for_pictures")
    job = process.look(real)
    glances = noted(monkeypatch, "settled")
    until(lambda: process.screens._looked[job.id].settled, "all to be in order")
    asked, glanced = len(looked), len(glances)
    until(lambda: len(glances) >= glanced + 10, "ten glances")
    assert len(looked) == asked
    # What a picture leaves behind is removed, and what nothing tells of is looked for now and then.
    process.screens._looked[job.id].wake()
    until(lambda: len(looked) == asked + 1, "it to be looked into after a picture")
    monkeypatch.setattr(screens, "UNTOLD_S", 0.0)
    until(lambda: len(looked) > asked + 1, "it to be looked into untold")


def noted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Path]:
    """Note the pool directories that a function of the screens is called with."""
    called, function = [], getattr(screens, name)

    def note(directory: Path, *arguments: object) -> object:
        called.append(directory)
        return function(directory, *arguments)

    monkeypatch.setattr(screens, name, note)
    return called


def test_a_half_written_picture_is_looked_at_again(
    start: StartProcess, null_job: StartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = null_job("boot/menu_visible", "shell/small_steps", PAUSE_AT="shell-small_steps")
    real.wait_for_pause()
    process = start()
    job = process.look(real)
    picture = until(lambda: live_picture(process, job), "the first live picture")
    data, folder = picture.data, real.pool / "qemuscreenshot"
    (folder / "2000000000.1.png").write_bytes(data[:-1])
    (folder / "last.png").unlink()
    (folder / "last.png").symlink_to("2000000000.1.png")
    looked = noted(monkeypatch, "ask_for_pictures")
    until(lambda: len(looked) >= 3, "it to be found half-written again and again")
    told = len(process.frames)
    (folder / "2000000000.1.png").write_bytes(data)
    until(lambda: len(process.frames) > told, "the whole picture")


def live_picture(process: Process, job: Job) -> Picture | None:
    picture = process.screens.of(job).picture
    return picture if picture and picture.place.folder == FOLDER else None


def test_a_worker_that_wants_pictures_too_keeps_its_request(
    start: StartProcess, null_job: StartJob
) -> None:
    real = null_job("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    process = start()
    job = process.look(real)
    until((real.pool / "live_log").exists, "the request")
    (real.pool / "live_log").write_bytes(b"")
    process.screens.leave(job.id)
    until(lambda: job.id not in process.screens._looked, "the end of the looking")
    assert (real.pool / "live_log").exists()


def test_the_request_stands_for_who_comes_while_another_leaves(
    start: StartProcess, null_job: StartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = null_job("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    process = start()
    job = process.look(real)
    looked_at, asked, withdrawn = process.lookers.looked_at, [], []

    def somebody_comes() -> set[int]:
        found = looked_at()
        process.screens.look(job)
        asked.append(job)
        return found

    monkeypatch.setattr(process.lookers, "looked_at", somebody_comes)
    monkeypatch.setattr(screens, "stop_asking", lambda *pool: withdrawn.append(pool))
    process.screens.leave(job.id)
    until(lambda: asked, "the end of the looking")
    assert not withdrawn


def test_the_request_stands_until_the_last_process_looks_away(
    start: StartProcess, null_job: StartJob
) -> None:
    real = null_job("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    first, second = start(), start()
    job = first.look(real)
    second.look(real)
    until((real.pool / "live_log").exists, "the request")
    first.screens.leave(job.id)
    until(lambda: job.id not in first.screens._looked, "the end of the looking")
    assert (real.pool / "live_log").exists()
    second.screens.leave(job.id)
    until(lambda: not (real.pool / "live_log").exists(), "the end of the request")


def test_the_request_of_a_process_that_died_is_withdrawn_by_another(
    start: StartProcess, null_job: StartJob
) -> None:
    real = null_job("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    first, second = start(), start()
    first.look(real)
    until((real.pool / "live_log").exists, "the request")
    second.screens.sweep()
    assert (real.pool / "live_log").exists()
    first.die()
    second.registry.scan()
    second.screens.sweep()
    assert not (real.pool / "live_log").exists()


def test_without_inotify_pictures_are_polled_for(
    start: StartProcess, null_job: StartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_instance_is_left(_watches: Watches) -> None:
        raise OSError

    monkeypatch.setattr(Watches, "_start", no_instance_is_left)
    real = null_job("boot/menu_visible", "shell/small_steps")
    process = start()
    process.look(real)
    until(lambda: len(process.frames) >= 3, "three pictures")


def test_a_picture_is_told_by_the_system_though_nobody_looks_for_it(
    start: StartProcess, null_job: StartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = null_job("boot/menu_visible", "shell/command_line", PAUSE_AT="shell-command_line")
    real.wait_for_pause()
    process = start()
    process.look(real)
    until(lambda: process.frames, "the first picture")
    monkeypatch.setattr(screens, "TICK_S", 3600.0)
    folder = real.pool / "qemuscreenshot"
    (folder / "2000000000.1.png").write_bytes(process.frames[-1].picture.data)
    told = len(process.frames)
    (folder / "last.png").unlink()
    (folder / "last.png").symlink_to("2000000000.1.png")
    until(lambda: len(process.frames) > told, "the picture")


def test_a_page_shows_the_picture_and_keeps_it_by_its_version(
    null: StartWatched, owner: Person
) -> None:
    job = null("boot/menu_visible", "shell/command_line", PAUSE_AT="shell-command_line")
    job.real.wait_for_pause()
    path = f"/jobs/{job.id}/screen.png"
    owner.get(f"/jobs/{job.id}")
    job.wait_for(lambda view: view.screen_facts.is_live, "the first picture")
    page = owner.get(f"/jobs/{job.id}").text
    version = page.split(f"{path}?v=")[1].split('"')[0]
    picture = owner.get(f"{path}?v={version}")
    assert (picture.mimetype, picture.data[:4]) == ("image/png", b"\x89PNG")
    assert "immutable" in picture.headers["Cache-Control"]
    assert "private" in picture.headers["Cache-Control"]
    assert "immutable" not in owner.get(f"{path}?v=another").headers["Cache-Control"]
    again = owner.client.get(path, headers={"If-None-Match": picture.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_where_there_is_no_picture_the_page_says_why(null: StartWatched, owner: Person) -> None:
    job = null("boot/menu_visible", PAUSE_AT="boot-menu_visible", NOVIDEO=1)
    assert "NOVIDEO is set" in owner.get(f"/jobs/{job.id}").text
    assert owner.get(f"/jobs/{job.id}/screen.png").status_code == 404
    assert owner.get("/jobs/999999/screen.png").status_code == 404
