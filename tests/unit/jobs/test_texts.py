import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from devmode.commandserver.address import JobToken
from devmode.errors import TextNotFound
from devmode.jobs.texts import (
    AT_ONCE,
    END,
    MOST_BEHIND,
    Chunk,
    GrowingText,
    file_of,
    open_text,
    texts_of,
)

TOKEN = JobToken("abc")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    directory = tmp_path / "pool"
    directory.mkdir()
    (directory / "vars.json").write_text(json.dumps({"JOBTOKEN": "abc"}))
    return directory


@pytest.fixture
def log(pool: Path) -> Path:
    return pool / "autoinst-log.txt"


@pytest.fixture
def growing(pool: Path) -> Iterator[GrowingText]:
    text = GrowingText(pool, "log", lambda: TOKEN)
    yield text
    text.close()


def append(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)


def read(growing: GrowingText) -> Chunk:
    chunk = growing.read()
    assert chunk
    return chunk


@pytest.mark.parametrize("name", ["", "../log", "vars.json", "virtio_console/..", "serial1", "L"])
def test_a_name_leads_to_no_other_file(name: str) -> None:
    with pytest.raises(TextNotFound):
        file_of(name)


def test_the_texts_of_a_job_are_its_log_and_its_serial_outputs(pool: Path) -> None:
    for name in ("virtio_console1.log", "virtio_console.log", "virtio_console.in", "x.log"):
        (pool / name).touch()
    assert texts_of(pool) == ["log", "serial0", "virtio_console", "virtio_console1"]
    assert texts_of(pool / "nothing") == ["log", "serial0"]


def test_what_is_written_is_read_from_where_the_last_reading_ended(
    growing: GrowingText, log: Path
) -> None:
    append(log, b"one\n")
    first = read(growing)
    assert (first.offset, first.data) == (0, b"one\n")
    assert growing.read() is None
    append(log, b"two\n")
    assert read(growing) == Chunk(first.generation, 4, b"two\n")


def test_of_a_long_text_the_end_is_read(growing: GrowingText, log: Path) -> None:
    append(log, b"x" * (1 << 20))
    assert read(growing).offset == (1 << 20) - END


def test_a_burst_is_read_whole_in_pieces(growing: GrowingText, log: Path) -> None:
    append(log, b"begin")
    read(growing)
    append(log, b"x" * (MOST_BEHIND - 1))
    pieces = [chunk for _ in range(MOST_BEHIND // AT_ONCE) if (chunk := growing.read())]
    assert sum(len(piece.data) for piece in pieces) == MOST_BEHIND - 1
    assert growing.read() is None


def test_who_is_too_far_behind_goes_on_near_the_end(growing: GrowingText, log: Path) -> None:
    append(log, b"begin")
    read(growing)
    append(log, b"x" * 10 * MOST_BEHIND)
    assert read(growing).offset == 5 + 10 * MOST_BEHIND - END


@pytest.mark.parametrize("more", [b"", b"a text that is longer than the old one\n" * 9])
def test_a_text_that_was_cut_off_begins_anew(growing: GrowingText, log: Path, more: bytes) -> None:
    append(log, b"first line\n")
    first = read(growing)
    log.write_bytes(b"again\n" + more)
    again = read(growing)
    assert again.generation != first.generation
    assert (again.offset, again.data) == (0, b"again\n" + more)


def test_a_text_that_was_replaced_is_read_to_its_end_and_then_begins_anew(
    growing: GrowingText, log: Path
) -> None:
    append(log, b"first\n")
    first = read(growing)
    append(log, b"last\n")
    log.rename(log.with_name("old"))
    append(log, b"new\n")
    assert read(growing) == Chunk(first.generation, 6, b"last\n")
    again = read(growing)
    assert (again.generation != first.generation, again.offset, again.data) == (True, 0, b"new\n")


def test_a_pool_directory_may_vanish_and_come_back(
    growing: GrowingText, pool: Path, log: Path
) -> None:
    append(log, b"first\n")
    read(growing)
    shutil.move(pool, pool.with_name("elsewhere"))
    for _ in range(2):
        with pytest.raises(TextNotFound, match="no such file"):
            growing.read()
    shutil.move(pool.with_name("elsewhere"), pool)
    assert read(growing).data == b"first\n"


def test_another_job_in_the_same_directory_is_not_read(
    growing: GrowingText, pool: Path, log: Path
) -> None:
    append(log, b"first\n")
    read(growing)
    (pool / "vars.json").write_text(json.dumps({"JOBTOKEN": "other"}))
    log.write_bytes(b"token other\n" * 100)
    with pytest.raises(TextNotFound, match="another job"):
        growing.read()


def test_pipes_links_and_folders_are_not_read(pool: Path, log: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    for make in (os.mkfifo, Path.mkdir, lambda path: path.symlink_to(tmp_path / "secret")):
        make(log)
        with pytest.raises(TextNotFound, match="can't be read"):
            open_text(pool, TOKEN, "log")
        log.rmdir() if log.is_dir() else log.unlink()


def test_no_descriptor_is_left_open(pool: Path, log: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    growing = GrowingText(pool, "log", lambda: TOKEN)
    for content in (b"one", b"other", b"third"):
        log.write_bytes(content)
        growing.read()
        log.unlink()
        with pytest.raises(TextNotFound):
            growing.read()
    growing.close()
    assert len(os.listdir("/proc/self/fd")) == before
