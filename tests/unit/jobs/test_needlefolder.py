import errno
import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devmode.commandserver.address import JobToken
from devmode.errors import InvalidCommand, NeedleNotSaved, NotPermitted, TextNotFound
from devmode.jobs.job import Job, JobState
from devmode.jobs.needlefolder import NeedleFolders, write_needle
from devmode.jobs.needles import Needle, NeedleArea
from tests.pictures import png

TOKEN = JobToken("token-of-this-job")
NEEDLE = Needle("login", ("login",), (NeedleArea(0, 0, 1, 1),))


class Place:
    """A pool directory whose variables name some needles folder, and what devmode is permitted."""

    def __init__(self, root: Path) -> None:
        self.pool, self.needles = root / "pool", root / "needles"
        (self.pool / "testresults").mkdir(parents=True)
        (self.pool / "testresults" / "a-1.png").write_bytes(png())
        self.needles.mkdir()
        self.permitted = (str(self.needles),)

    def name(self, **variables: Any) -> None:
        facts = {"JOBTOKEN": TOKEN.reveal(), **variables}
        (self.pool / "vars.json").write_text(json.dumps(facts))

    def save(self, needle: Needle = NEEDLE) -> None:
        registry: Any = SimpleNamespace(token_in_pool=lambda _job_id: TOKEN)
        job = Job(1, "job", JobState.RUNNING, self.pool, 0.0)
        NeedleFolders(registry, self.permitted).save(job, needle, "a-1.png")

    @property
    def files(self) -> list[str]:
        return sorted(os.listdir(self.needles))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    # As the kernel knows it, wherever temporary files are.
    return Place(tmp_path.resolve())


def test_a_needle_is_the_picture_as_it_is_and_its_json(place: Place) -> None:
    place.name(NEEDLES_DIR=str(place.needles))
    place.save()
    assert place.files == ["login.json", "login.png"]
    assert (place.needles / "login.png").read_bytes() == png()
    assert (place.needles / "login.json").read_bytes() == NEEDLE.json
    assert (place.needles / "login.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "variables",
    [
        {"NEEDLES_DIR": "../needles"},
        {"PRODUCTDIR": ".."},
        {"CASEDIR": ".."},
        {"NEEDLES_DIR": "needles", "CASEDIR": ".."},
        {"NEEDLES_DIR": "link"},
        # As openQA's worker names them: by a symlink to the distribution, or to the needles alone.
        {"CASEDIR": "distribution", "PRODUCTDIR": "distribution/products/.."},
        {"CASEDIR": "distribution", "PRODUCTDIR": "products/.."},
    ],
)
def test_the_folder_is_where_isotovideo_looks_for_it(
    place: Place, variables: dict[str, str]
) -> None:
    (place.pool / "link").symlink_to(place.needles)
    (place.pool / "distribution").symlink_to(place.needles.parent)
    (place.needles.parent / "products").mkdir()
    place.name(**variables)
    place.save()
    assert place.files == ["login.json", "login.png"]


def not_permitted(place: Place) -> Iterator[dict[str, Any]]:
    other = place.needles.parent / "other"
    other.mkdir()
    (place.pool / "link").symlink_to(other)
    (place.needles / "below").mkdir()
    (place.pool / "needles").symlink_to("/etc")
    os.mkfifo(place.pool / "fifo")
    for named in ("/etc", "../../../etc", "../other", "link", "needles", "..", ".", "/"):
        yield {"NEEDLES_DIR": named}
    yield {"NEEDLES_DIR": str(place.needles / "below")}
    for named in ("gone", str(place.needles / "gone"), "fifo", "a\0b", "x" * 5000, 7, ["x"], None):
        yield {"NEEDLES_DIR": named}
    yield {"PRODUCTDIR": "/etc", "CASEDIR": "/etc"}
    yield {}


def test_no_other_folder_is_written_into_whatever_the_variables_name(place: Place) -> None:
    for variables in not_permitted(place):
        place.name(**variables)
        with pytest.raises(NotPermitted):
            place.save()
    assert place.files == ["below"]
    assert list((place.needles.parent / "other").iterdir()) == []


def test_a_folder_is_known_by_its_real_path_not_by_the_link_that_fits(place: Place) -> None:
    (place.pool / "needles").symlink_to("../needles")
    place.permitted = (f"{place.pool.parent}/p*/needles",)
    place.name(NEEDLES_DIR="needles")
    with pytest.raises(NotPermitted, match=r"DEVMODE_NEEDLE_DIRECTORIES"):
        place.save()
    place.permitted = (f"{place.pool.parent}/n*",)
    place.save()
    assert place.files == ["login.json", "login.png"]


def test_by_default_nothing_is_permitted(place: Place) -> None:
    place.permitted = ()
    place.name(NEEDLES_DIR=str(place.needles))
    with pytest.raises(NotPermitted, match=str(place.needles)):
        place.save()


def test_a_folder_that_devmode_may_not_write_into_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.name(NEEDLES_DIR=str(place.needles))
    # root may write anywhere.
    monkeypatch.setattr(os, "access", lambda *_arguments, **_options: False)
    with pytest.raises(NotPermitted, match="The user that devmode runs as can't write into"):
        place.save()


def test_a_name_in_another_encoding_can_be_told(place: Place) -> None:
    os.mkdir(os.fsencode(place.pool) + b"/\xff")
    (place.pool / "link").symlink_to(os.fsdecode(b"\xff"))
    place.name(NEEDLES_DIR="link")
    with pytest.raises(NotPermitted) as refused:
        place.save()
    refused.value.sentence.encode()


def test_the_pool_directory_of_another_job_is_left_alone(place: Place) -> None:
    place.name(NEEDLES_DIR=str(place.needles), JOBTOKEN="another")
    with pytest.raises(TextNotFound, match="another job"):
        place.save()


@pytest.mark.parametrize("there", ["login.png", "login.json"])
@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_there_is_never_overwritten(
    place: Place, there: str, make: Callable[[Path], None]
) -> None:
    place.name(NEEDLES_DIR=str(place.needles))
    make(place.needles / there)
    with pytest.raises(InvalidCommand, match="There is a needle login already"):
        place.save()
    assert place.files == [there]


def test_of_two_who_choose_one_name_one_saves(place: Place) -> None:
    folder = os.open(place.needles, os.O_PATH)
    pictures = [png() + bytes([number]) for number in range(8)]

    def save(picture: bytes) -> bytes | None:
        try:
            write_needle(folder, NEEDLE, picture)
        except InvalidCommand:
            return None
        return picture

    with ThreadPoolExecutor(8) as people:
        saved = [picture for picture in people.map(save, pictures) if picture]
    os.close(folder)
    assert len(saved) == 1
    assert (place.needles / "login.png").read_bytes() == saved[0]
    assert place.files == ["login.json", "login.png"]


@pytest.mark.parametrize("call", range(1, 4))
def test_of_a_needle_that_could_not_be_saved_nothing_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    place.name(NEEDLES_DIR=str(place.needles))
    calls = 0

    def full(*_arguments: object, **_options: object) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    link = os.link
    monkeypatch.setattr(os, "fchmod", full)
    monkeypatch.setattr(os, "link", lambda *names, **options: (full(), link(*names, **options)))
    with pytest.raises(NeedleNotSaved, match="No space left on device"):
        place.save()
    assert place.files == []


def save_and_die(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves a needle in a process that is killed when there is a picture and no JSON file yet."""
    link = os.link

    def link_once(*names: str, **options: Any) -> None:
        link(*names, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patches:
        patches.setattr(os, "link", link_once)
        child = os.fork()
        if child == 0:
            place.save()
            os._exit(1)
    os.waitpid(child, 0)


def test_what_is_left_of_a_needle_by_a_process_that_was_killed_is_in_nobodys_way(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.name(NEEDLES_DIR=str(place.needles))
    save_and_die(place, monkeypatch)
    assert "login.png" in place.files
    assert "login.json" not in place.files
    place.save()
    assert place.files == ["login.json", "login.png"]


def test_a_picture_that_somebody_is_about_to_make_a_needle_of_is_left_to_them(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.name(NEEDLES_DIR=str(place.needles))
    link = os.link

    def come_between(*names: str, **options: Any) -> None:
        link(*names, **options)
        if names[1] == "login.png":
            with pytest.raises(InvalidCommand, match="There is a needle login already"):
                place.save()

    monkeypatch.setattr(os, "link", come_between)
    place.save()
    assert place.files == ["login.json", "login.png"]
