import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.errors import DemoError
from demo.pooldirectory import MARK, PoolDirectory


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[PoolDirectory]:
    directory = PoolDirectory(tmp_path / "pool")
    yield directory
    directory.release()


def test_makes_the_folder_and_marks_it(pool: PoolDirectory) -> None:
    assert [entry.name for entry in pool.path.iterdir()] == [MARK]


def test_keeps_the_job_token_from_other_users(pool: PoolDirectory) -> None:
    assert pool.path.stat().st_mode & 0o077 == 0


def test_preparing_deletes_what_an_earlier_job_has_left_and_nothing_outside(
    pool: PoolDirectory, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (pool.path / "link").symlink_to(outside)
    (pool.path / "testresults").mkdir()
    (pool.path / "testresults" / "result-one.json").touch()
    os.mkfifo(pool.path / "virtio_console.in")
    pool.prepare()
    assert [entry.name for entry in pool.path.iterdir()] == [MARK]
    assert (outside / "file").exists()


def test_refuses_a_folder_with_files_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(DemoError, match="choose another folder"):
        PoolDirectory(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_refuses_a_folder_in_which_another_job_runs(pool: PoolDirectory) -> None:
    with pytest.raises(DemoError, match="Another demo job runs"):
        PoolDirectory(pool.path)


def test_takes_a_folder_that_an_earlier_job_has_released(tmp_path: Path) -> None:
    first = PoolDirectory(tmp_path / "pool")
    first.remember(2**22 + 1)
    first.release()
    second = PoolDirectory(tmp_path / "pool")
    second.prepare()
    second.release()


def test_refuses_what_can_not_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="can't be used as pool directory"):
        PoolDirectory(tmp_path / "file")
