"""Simulated jobs, one after the other: what `script/run` shows where there is no isotovideo."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import LIMIT_S, until


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return tmp_path / "pool"


@pytest.fixture
def player(pool: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "devmode.commandserver.simulator", "--pool", str(pool)]
    with subprocess.Popen(command) as process:
        yield process
        # Not killed: it takes its job along.
        process.terminate()


def job_of(pool: Path) -> int:
    """The process of the job, as its pool directory tells it; 0 where none runs."""
    try:
        return int((pool / "os-autoinst.pid").read_text() or 0)
    except FileNotFoundError:
        return 0


def test_a_job_that_is_cancelled_is_followed_by_another(
    pool: Path, player: "subprocess.Popen[bytes]"
) -> None:
    until(lambda: job_of(pool), "a job")
    first = job_of(pool)
    os.kill(first, signal.SIGTERM)
    until(lambda: job_of(pool) not in (0, first), "another job")
    assert player.poll() is None


def test_the_job_ends_with_the_simulator(pool: Path, player: "subprocess.Popen[bytes]") -> None:
    until(lambda: job_of(pool), "a job")
    player.terminate()
    assert player.wait(LIMIT_S) == 0
    assert job_of(pool) == 0
