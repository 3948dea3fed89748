"""A process with many simulated command servers that say what the bench tells them to.

    python -m bench.commandservers FOLDER JOBS

Each job has a pool directory in FOLDER with a process in it that passes for isotovideo. Prints a
line when all listen. Then each line of the standard input is a `Burst` as JSON; when it is over,
the number of messages is printed. Every message carries the moment of its sending in the text that
pages show, in nanoseconds of the clock that all processes of a machine share.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import gevent
import msgspec
from gevent import fileobject

from bench.viewing import Request, websocket
from devmode.commandserver.simulator import Simulator
from devmode.commandserver.simulator.behaviours import Message
from devmode.commandserver.simulator.schedule import CheckScreen, Module

QUIET = (Module("bench", "quiet", (CheckScreen("never", None, timeout_s=3600),)),)
MODULES = 47
"""As many test modules as an installation test has."""


class Burst(msgspec.Struct, frozen=True):
    """Messages of one kind, one job after the other, at a rate for all jobs together."""

    kind: str
    per_second: float
    seconds: float


def _command(moment: str) -> Message:
    check = {"mustmatch": moment, "timeout": 30, "check": 0}
    return {"check_screen": check, "current_api_function": "assert_screen"}


def _module(moment: str) -> Message:
    return {"set_current_test": moment, "current_test_full_name": f"bench-{moment}"}


def _pause(moment: str) -> Message:
    return {"paused": 1, "reason": f"reached module {moment}"}


def _status(moment: str) -> Message:
    return {
        "running": moment,
        "current_test_full_name": f"bench-{moment}",
        "current_api_function": "type_string",
        "tags": None,
        "pause_test_name": None,
        "pause_on_screen_mismatch": False,
        "pause_on_next_command": 0,
        "pause_on_failure": 0,
        "test_execution_paused": 0,
        "devel_mode_major_version": 1,
        "devel_mode_minor_version": 1,
    }


KINDS: dict[str, Callable[[str], Message]] = {
    "command": _command,
    "module": _module,
    "pause": _pause,
    "status": _status,
}


class CommandServer(NamedTuple):
    """Where the command server of a job listens, and with which token."""

    port: int
    token: str

    @classmethod
    def of(cls, pool: Path) -> Self:
        """Read what the pool directory of a job says."""
        settings = json.loads((pool / "vars.json").read_text())
        return cls(settings["QEMUPORT"] + 1, settings["JOBTOKEN"])

    def request(self) -> Request:
        """Ask it directly, with nothing between."""
        return websocket(f"127.0.0.1:{self.port}", f"/{self.token}/ws", "101 Switching")


class JobFolder:
    """One job: its command server, its pool directory and the process in it."""

    def __init__(self, directory: Path, number: int) -> None:
        """Begin."""
        self.simulator = Simulator(QUIET, pace_s=3600)
        self.simulator.start()
        (directory / "testresults").mkdir(parents=True)
        (directory / "qemuscreenshot").mkdir()
        self.process = subprocess.Popen(["sleep", "3600"], cwd=directory)
        order = [{"category": "bench", "name": f"module_{n}"} for n in range(MODULES)]
        settings = {
            "JOBTOKEN": self.simulator.address.token.reveal(),
            "QEMUPORT": self.simulator.port - 1,
            "NAME": f"bench-{number}",
        }
        (directory / "testresults" / "test_order.json").write_text(json.dumps(order))
        (directory / "vars.json").write_text(json.dumps(settings))
        (directory / "os-autoinst.pid").write_text(str(self.process.pid))


def play(burst: Burst, jobs: list[JobFolder]) -> int:
    """Say the messages of a burst in time; return how many."""
    message = KINDS[burst.kind]
    started = time.monotonic()
    sent = 0
    for job in itertools.islice(itertools.cycle(jobs), int(burst.per_second * burst.seconds)):
        wait_s = started + sent / burst.per_second - time.monotonic()
        gevent.sleep(max(0.0, wait_s))
        job.simulator.broadcast(message(f"at{time.monotonic_ns()}"))
        sent += 1
    return sent


def _bursts() -> Iterator[Burst]:
    for line in fileobject.FileObject(sys.stdin.fileno()):
        yield msgspec.json.decode(line, type=Burst)


def main() -> None:
    """See the module."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    jobs = [JobFolder(folder / str(number), number) for number in range(count)]
    try:
        print("ready", flush=True)
        for burst in _bursts():
            print(play(burst, jobs), flush=True)
    finally:
        for job in jobs:
            job.process.kill()
        os._exit(0)


if __name__ == "__main__":
    main()
