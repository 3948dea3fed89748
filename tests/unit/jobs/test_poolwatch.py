"""Changes in a pool directory, made while it is watched."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inotify_simple import Event, INotify, flags

from devmode.jobs import poolwatch
from devmode.jobs.poolwatch import PoolWatch


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told counts at once as all that there is to be told."""
    monkeypatch.setattr(poolwatch, "RESTLESS_S", 0.0)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A pool directory with a schedule and without a result."""
    directory = tmp_path / "pool"
    (directory / "testresults").mkdir(parents=True)
    (directory / "vars.json").write_text("{}")
    return directory


@pytest.fixture
def watch(pool: Path) -> PoolWatch:
    """It has been looked into before."""
    watch = PoolWatch()
    look(watch, pool)
    assert is_as_before(watch, pool)
    return watch


def look(watch: PoolWatch, pool: Path) -> None:
    # The first look is at the moment in which the watch begins.
    for _time in range(2):
        with watch.look(pool):
            pass


def is_as_before(watch: PoolWatch, pool: Path) -> bool:
    watch.hear()
    return watch.is_as_before(pool)


def rename_into(folder: Path, name: str) -> None:
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as draft:
        draft.write(b"{}")
    os.rename(draft.name, folder / name)


def replace(directory: Path) -> None:
    directory.rename(directory.with_name("before"))
    directory.mkdir()


def make_anew(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


@pytest.mark.parametrize(
    "change",
    [
        lambda pool: (pool / "vars.json").write_text('{"NAME": "x"}'),
        lambda pool: (pool / "vars.json").unlink(),
        lambda pool: (pool / "vars.json").chmod(0),
        lambda pool: (pool / "vars.json").rename(pool / "away"),
        lambda pool: (pool / "os-autoinst.pid").write_text("1"),
        lambda pool: rename_into(pool, "autoinst-status.json"),
        lambda pool: rename_into(pool / "testresults", "result-a.json"),
        lambda pool: pool.chmod(0o711),
        lambda pool: (pool / "testresults").chmod(0o711),
        lambda pool: make_anew(pool / "testresults"),
        lambda pool: replace(pool / "testresults"),
        replace,
        make_anew,
        shutil.rmtree,
    ],
)
def test_whatever_changes_in_it_makes_a_pool_directory_worth_a_look(
    watch: PoolWatch, pool: Path, change: Callable[[Path], Any]
) -> None:
    change(pool)
    assert not is_as_before(watch, pool)


@pytest.mark.parametrize("change", [replace, make_anew])
def test_what_was_put_in_the_place_of_it_or_of_its_results_is_watched_in_turn(
    watch: PoolWatch, pool: Path, change: Callable[[Path], Any]
) -> None:
    change(pool)
    look(watch, pool)
    assert is_as_before(watch, pool)
    (pool / "testresults").mkdir()
    assert not is_as_before(watch, pool)
    look(watch, pool)
    assert is_as_before(watch, pool)
    rename_into(pool / "testresults", "result-a.json")
    assert not is_as_before(watch, pool)


def test_pictures_and_logs_are_no_change(watch: PoolWatch, pool: Path) -> None:
    (pool / "autoinst-log.txt").write_text("a line")
    rename_into(pool / "testresults", "a-1.png")
    assert is_as_before(watch, pool)


def test_a_pool_directory_is_looked_into_again_until_it_has_been_quiet_for_a_while(
    watch: PoolWatch, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (pool / "qemu.pid").open("w") as file:
        assert not is_as_before(watch, pool)
        look(watch, pool)
        # Nothing tells of this while the file is open.
        file.write("1")
        file.flush()
        assert is_as_before(watch, pool)
        monkeypatch.setattr(poolwatch, "RESTLESS_S", 60.0)
        assert not is_as_before(watch, pool)


def test_it_is_looked_into_now_and_then_where_nothing_tells_of_changes(
    watch: PoolWatch, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poolwatch, "UNTOLD_S", 0.0)
    assert not is_as_before(watch, pool)


def test_it_is_looked_into_always_where_the_system_watches_nothing(
    pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "no watch is left")

    monkeypatch.setattr(INotify, "add_watch", refuse)
    watch = PoolWatch()
    look(watch, pool)
    assert not is_as_before(watch, pool)


def test_it_is_looked_into_always_while_its_results_can_not_be_watched(
    watch: PoolWatch, pool: Path
) -> None:
    shutil.rmtree(pool / "testresults")
    (pool / "testresults").symlink_to("/")
    look(watch, pool)
    assert not is_as_before(watch, pool)


def test_all_are_looked_into_if_there_was_more_to_tell_than_the_system_keeps(
    watch: PoolWatch, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overflow = Event(-1, flags.Q_OVERFLOW, 0, "")
    monkeypatch.setattr(INotify, "read", lambda *_arguments, **_named: [overflow])
    assert not is_as_before(watch, pool)


def test_a_look_that_failed_was_none(watch: PoolWatch, pool: Path) -> None:
    with pytest.raises(ConnectionError), watch.look(pool):
        raise ConnectionError
    assert not is_as_before(watch, pool)


def test_what_is_forgotten_is_no_longer_watched(watch: PoolWatch, pool: Path) -> None:
    watch.keep_to(set())
    assert not is_as_before(watch, pool)
    (pool / "vars.json").unlink()
    look(watch, pool)
    assert is_as_before(watch, pool)
