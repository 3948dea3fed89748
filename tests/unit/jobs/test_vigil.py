"""Processes that end while they are watched, by descriptor or by asking /proc."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devmode.jobs import vigil
from devmode.jobs.vigil import Vigil
from tests.children import idle_in

Start = Callable[[Path], "subprocess.Popen[bytes]"]


@pytest.fixture(params=["by descriptor", "by asking"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "by asking":
        monkeypatch.setattr(vigil.os, "pidfd_open", _none_left)
    return str(request.param)


def _none_left(_pid: int) -> int:
    raise OSError(errno.EMFILE, "no descriptor is left")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that work in a directory until they are told to end."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(directory: Path) -> "subprocess.Popen[bytes]":
        started.append(idle_in(directory))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def end(process: "subprocess.Popen[bytes]") -> None:
    """Nobody waits for it, so that it is left a zombie."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_a_directory_is_told_when_one_of_its_processes_has_ended(
    tmp_path: Path, start: Start
) -> None:
    watch = Vigil()
    pools = [tmp_path / "1", tmp_path / "2"]
    processes = []
    for pool in pools:
        pool.mkdir()
        processes += [start(pool), start(pool)]
    watch.keep(pools[0], [one.pid for one in processes[:2]])
    watch.keep(pools[1], [one.pid for one in processes[2:]])
    assert watch.ended() == set()
    end(processes[3])
    assert watch.ended() == {pools[1]}
    watch.keep(pools[1], [processes[2].pid])
    assert watch.ended() == set()


def test_a_pid_that_has_become_anothers_is_told(tmp_path: Path, start: Start) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    watch = Vigil()
    watch.keep(tmp_path, [start(elsewhere).pid])
    assert watch.ended() == {tmp_path}


def test_what_is_watched_no_more_is_not_told_and_leaves_no_descriptor(
    tmp_path: Path, start: Start
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    watch = Vigil()
    process = start(tmp_path)
    watch.keep(tmp_path, [process.pid])
    watch.keep(tmp_path, [])
    end(process)
    assert watch.ended() == set()
    process.communicate()
    assert len(os.listdir("/proc/self/fd")) == before


def test_most_descriptors_are_left_to_others(
    tmp_path: Path, start: Start, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vigil.resource, "getrlimit", lambda _which: (8, 8))
    before = len(os.listdir("/proc/self/fd"))
    watch = Vigil()
    pools = [tmp_path / str(number) for number in range(3)]
    processes = []
    for pool in pools:
        pool.mkdir()
        processes.append(start(pool))
        watch.keep(pool, [processes[-1].pid])
    held = len(os.listdir("/proc/self/fd")) - before - len(processes)
    assert held == (2 if way == "by descriptor" else 0)
    for process in processes:
        end(process)
    assert watch.ended() == set(pools)
