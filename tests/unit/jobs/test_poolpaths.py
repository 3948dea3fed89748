"""Pool directories that come and go while they are looked for."""

import glob
import os
import resource
from pathlib import Path

import pytest

from devmode.jobs import poolpaths
from devmode.jobs.poolpaths import PoolPaths

LONG_AGO = 1000.0


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The patterns that were looked up."""
    looked_up: list[str] = []
    iglob = glob.iglob

    def note(pattern: str) -> object:
        looked_up.append(pattern)
        return iglob(pattern)

    monkeypatch.setattr(glob, "iglob", note)
    return looked_up


def settle(folder: Path) -> None:
    os.utime(folder, (LONG_AGO, LONG_AGO))


def test_what_comes_and_goes_is_found(tmp_path: Path) -> None:
    pools = tmp_path / "pools"
    paths = PoolPaths((str(pools / "*"), str(tmp_path / "one")))
    assert paths.found() == set()
    (pools / "1").mkdir(parents=True)
    assert paths.found() == {pools / "1"}
    settle(pools)
    assert paths.found() == {pools / "1"}
    (pools / "2").mkdir()
    (tmp_path / "one").mkdir()
    assert paths.found() == {pools / "1", pools / "2", tmp_path / "one"}
    settle(pools)
    paths.found()
    (pools / "1").rmdir()
    assert paths.found() == {pools / "2", tmp_path / "one"}


def test_a_folder_is_listed_once_while_nothing_comes_into_it(
    tmp_path: Path, listings: list[str]
) -> None:
    (tmp_path / "1").mkdir()
    settle(tmp_path)
    paths = PoolPaths((str(tmp_path / "*"),))
    first, second = paths.found(), paths.found()
    assert listings == [str(tmp_path / "*")]
    assert first == second


def test_a_folder_that_has_just_changed_is_listed_again(
    tmp_path: Path, listings: list[str]
) -> None:
    (tmp_path / "1").mkdir()
    paths = PoolPaths((str(tmp_path / "*"),))
    paths.found()
    paths.found()
    assert len(listings) == 2


def test_a_folder_of_which_nothing_is_told_is_listed_again(
    tmp_path: Path, listings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1").mkdir()
    settle(tmp_path)
    paths = PoolPaths((str(tmp_path / "*"),))
    first = paths.found()
    monkeypatch.setattr(poolpaths, "UNTOLD_S", 0.0)
    (again,) = paths.found()
    assert len(listings) == 2
    assert first == {again}
    assert again is first.pop(), "compared by its letters each time"


def test_what_can_not_be_listed_for_want_of_a_descriptor_is_found_afterwards(
    tmp_path: Path,
) -> None:
    (tmp_path / "1").mkdir()
    settle(tmp_path)
    paths = PoolPaths((str(tmp_path / "*"),))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        assert paths.found() == set()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert paths.found() == {tmp_path / "1"}


def test_a_pattern_of_many_folders_is_always_looked_up(tmp_path: Path) -> None:
    first = tmp_path / "a" / "pool"
    first.mkdir(parents=True)
    settle(tmp_path)
    paths = PoolPaths((str(tmp_path / "*" / "pool"),))
    assert paths.found() == {first}
    second = tmp_path / "b" / "pool"
    second.mkdir(parents=True)
    settle(tmp_path)
    assert paths.found() == {first, second}


def test_a_folder_that_another_has_replaced_is_listed_again(tmp_path: Path) -> None:
    pools, draft = tmp_path / "pools", tmp_path / "draft"
    (pools / "1").mkdir(parents=True)
    (draft / "2").mkdir(parents=True)
    settle(pools)
    settle(draft)
    paths = PoolPaths((str(pools / "*"),))
    paths.found()
    pools.rename(tmp_path / "old")
    draft.rename(pools)
    assert paths.found() == {pools / "2"}
