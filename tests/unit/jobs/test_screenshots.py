import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devmode.errors import NotPermitted
from devmode.jobs import screenshots
from devmode.jobs.screenshots import (
    Picture,
    ask_for_pictures,
    hold_picture,
    is_asking,
    live_place,
    read_picture,
    remove_old_pictures,
    request_mark,
    result_place,
    settled,
    stop_asking,
)
from tests.pictures import png

MARK = request_mark("only for tests")
LONG_AGO = 1_000_000_000.0


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    (tmp_path / "pool" / "qemuscreenshot").mkdir(parents=True)
    (tmp_path / "pool" / "testresults").mkdir()
    return tmp_path / "pool"


def encode(pool: Path, name: str, data: bytes | None = None, at: float | None = None) -> Path:
    """Does what isotovideo's video encoder does."""
    file = pool / "qemuscreenshot" / name
    file.write_bytes(png() if data is None else data)
    if at is not None:
        os.utime(file, (at, at))
    last = pool / "qemuscreenshot" / "last.png"
    last.unlink(missing_ok=True)
    last.symlink_to(name)
    return file


def read(pool: Path) -> Picture | None:
    place = live_place(pool)
    return read_picture(pool, place) if place else None


def test_the_last_picture_is_found_through_its_link(pool: Path) -> None:
    assert read(pool) is None
    encode(pool, "1795528023.273489.png")
    picture = read(pool)
    assert picture
    assert (picture.data, picture.size) == (png(), (4, 3))
    encode(pool, ".12173.png")
    newer = read(pool)
    assert newer
    assert newer.place.version != picture.place.version


@pytest.mark.parametrize(
    "target",
    ["../vars.json", "/etc/passwd", "sub/1.1.png", "last.png", "1.1.png\n", ".", "x" * 255],
)
def test_the_link_leads_nowhere_else(pool: Path, target: str) -> None:
    (pool / "vars.json").write_bytes(png())
    (pool / "qemuscreenshot" / "last.png").symlink_to(target)
    assert live_place(pool) is None


def test_neither_a_linked_picture_nor_a_linked_folder_is_read(pool: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    encode(pool, "1.1.png").unlink()
    (pool / "qemuscreenshot" / "1.1.png").symlink_to(secret)
    assert read(pool) is None

    os.rename(pool / "qemuscreenshot", tmp_path / "elsewhere")
    encode_elsewhere = tmp_path / "elsewhere" / "1.1.png"
    encode_elsewhere.unlink()
    encode_elsewhere.write_bytes(png())
    (pool / "qemuscreenshot").symlink_to(tmp_path / "elsewhere")
    assert live_place(pool) is None


def test_pipes_directories_and_huge_files_are_no_pictures(pool: Path) -> None:
    file = encode(pool, "1.1.png")
    with file.open("wb") as huge:
        huge.truncate(1 << 30)
    assert read(pool) is None
    file.unlink()
    os.mkfifo(file)
    assert read(pool) is None
    file.unlink()
    file.mkdir()
    assert read(pool) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        png()[:-1],
        png()[:20],
        png() + b"<script>",
        png(0, 3),
        png(1 << 20, 1),
        b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
    ],
)
def test_what_is_half_written_or_no_screenshot_is_not_shown(pool: Path, data: bytes) -> None:
    encode(pool, "1.1.png", data)
    assert read(pool) is None


def test_the_newest_screenshot_of_the_results_is_found(pool: Path, tmp_path: Path) -> None:
    assert result_place(pool) is None
    results = pool / "testresults"
    for name, at in (("boot-2.png", 5.0), ("boot-10.png", 9.0), ("odd.name-1.png", 3.0)):
        (results / name).write_bytes(png())
        os.utime(results / name, (at, at))
    (results / "shell-1.png").symlink_to(tmp_path)
    (results / "result-boot.json").write_text("{}")
    place = result_place(pool)
    assert place
    assert place.name == "boot-10.png"
    assert read_picture(pool, place)


def test_a_pool_directory_is_known_again_until_something_comes_into_it_or_goes(pool: Path) -> None:
    results = pool / "testresults"
    ask_for_pictures(pool, MARK)
    assert settled(pool) is None, "it has changed just now"
    for folder in (pool, results):
        os.utime(folder, (LONG_AGO, LONG_AGO))
    before = settled(pool)
    assert before is not None
    encode(pool, "1.1.png")
    assert settled(pool) == before, "of pictures inotify tells"
    (results / "boot-1.png").write_bytes(png())
    assert settled(pool) is None
    os.utime(results, (LONG_AGO, LONG_AGO))
    again = settled(pool)
    (pool / "live_log").unlink()
    os.utime(pool, (LONG_AGO, LONG_AGO))
    assert len({before, again, settled(pool)}) == 3


def test_a_pool_directory_without_results_is_never_known_again(pool: Path) -> None:
    (pool / "testresults").rmdir()
    os.utime(pool, (LONG_AGO, LONG_AGO))
    assert settled(pool) is None


def test_a_request_for_pictures_is_known_again_and_withdrawn(pool: Path) -> None:
    ask_for_pictures(pool, MARK)
    ask_for_pictures(pool, MARK)
    assert (pool / "live_log").read_bytes() == MARK
    assert is_asking(pool, MARK)
    assert not is_asking(pool, request_mark("another devmode's"))
    stop_asking(pool, MARK)
    assert not (pool / "live_log").exists()


@pytest.mark.parametrize("content", [b"", b"devmode ", request_mark("another devmode's")])
def test_a_request_of_somebody_else_stands(pool: Path, content: bytes) -> None:
    encode(pool, "1.1.png", at=LONG_AGO)
    encode(pool, "2.1.png")
    (pool / "live_log").write_bytes(content)
    ask_for_pictures(pool, MARK)
    stop_asking(pool, MARK)
    assert (pool / "live_log").read_bytes() == content
    assert (pool / "qemuscreenshot" / "1.1.png").exists()


def test_a_request_is_no_way_to_another_file(pool: Path, tmp_path: Path) -> None:
    (pool / "live_log").symlink_to(tmp_path / "target")
    ask_for_pictures(pool, MARK)
    assert not (tmp_path / "target").exists()
    (tmp_path / "target").write_bytes(MARK)
    stop_asking(pool, MARK)
    assert (pool / "live_log").is_symlink()


def test_a_request_in_a_directory_of_another_user_can_be_taken_over_by_them(
    pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screenshots.os, "geteuid", lambda: os.stat(pool).st_uid + 1)
    ask_for_pictures(pool, MARK)
    assert (pool / "live_log").stat().st_mode & 0o777 == 0o666


def test_only_what_our_request_caused_is_removed(pool: Path) -> None:
    folder = pool / "qemuscreenshot"
    encode(pool, "1.1.png", at=LONG_AGO)
    ask_for_pictures(pool, MARK)
    asked_at = (pool / "live_log").stat().st_mtime
    for second in (1, 2, 3):
        encode(pool, f"{second}.5.png", at=asked_at + second)
    (folder / "notes.txt").write_text("")
    (folder / "9.9.png").write_bytes(b"half")
    os.utime(folder / "9.9.png", (asked_at + 9, asked_at + 9))
    remove_old_pictures(pool, MARK)
    left = {"1.1.png", "3.5.png", "9.9.png", "last.png", "notes.txt"}
    assert set(os.listdir(folder)) == left
    encode(pool, "4.5.png", at=asked_at + 4)
    stop_asking(pool, MARK)
    assert set(os.listdir(folder)) == left - {"3.5.png"} | {"4.5.png"}


def test_what_may_become_the_last_picture_stays_while_the_link_is_missing(pool: Path) -> None:
    ask_for_pictures(pool, MARK)
    now = time.time()
    for second in (1, 2, 3):
        encode(pool, f"{second}.1.png", at=now + second)
    (pool / "qemuscreenshot" / "last.png").unlink()
    stop_asking(pool, MARK)
    assert set(os.listdir(pool / "qemuscreenshot")) == {"2.1.png", "3.1.png"}


def test_reading_leaves_no_file_open(pool: Path) -> None:
    encode(pool, "1.1.png")
    ask_for_pictures(pool, MARK)
    before = len(os.listdir("/proc/self/fd"))
    read(pool)
    result_place(pool)
    is_asking(pool, MARK)
    remove_old_pictures(pool, MARK)
    stop_asking(pool, MARK)
    assert len(os.listdir("/proc/self/fd")) == before


def test_whoever_may_not_write_into_the_pool_is_told_what_would_permit_it() -> None:
    # Below /tmp itself: nobody else may look into the folders of a test run.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o555)
        with unprivileged(), pytest.raises(NotPermitted, match="the user that runs isotovideo"):
            ask_for_pictures(Path(folder), MARK)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Goes on as another user where the tests run as root, whom no mode of a folder keeps out."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_a_picture_that_is_held_outlives_newer_ones(pool: Path) -> None:
    encode(pool, "1.1.png", png(5, 5))
    place = live_place(pool)
    assert place is not None
    held = hold_picture(pool, place)
    assert hold_picture(pool, place) == held
    encode(pool, "2.2.png")
    (pool / "qemuscreenshot" / "1.1.png").unlink()
    assert (pool / "testresults" / held).read_bytes() == png(5, 5)
    assert result_place(pool) is None, "it is no result"


def test_a_screenshot_of_the_results_is_held_already(pool: Path) -> None:
    (pool / "testresults" / "boot-1.png").write_bytes(png())
    place = result_place(pool)
    assert place is not None
    assert hold_picture(pool, place) == "boot-1.png"


def test_of_those_held_the_oldest_make_room(pool: Path) -> None:
    for number in range(25):
        encode(pool, f"{number}.1.png", at=LONG_AGO + number)
        place = live_place(pool)
        assert place is not None
        hold_picture(pool, place)
    times = sorted(path.stat().st_mtime for path in (pool / "testresults").iterdir())
    assert times == [LONG_AGO + number for number in range(5, 25)]
