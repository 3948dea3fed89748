"""Plays one simulated job after the other in a pool directory, until SIGTERM."""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from devmode.commandserver.simulator.schedule import DEMO, Module
from devmode.commandserver.simulator.server import Simulator

BETWEEN_JOBS_S = 5
NAME = "simulated-job"
VNC = 99
LARGEST_PORT = 60000
"""devmode takes no larger QEMUPORT, and the system may choose one for us."""


class Pool:
    """The working directory, filled as isotovideo fills it."""

    def begin(self, simulator: Simulator) -> None:
        """Write what a job that begins writes, the pid last."""
        token = simulator.address.token.reveal()
        order = [
            {"name": m.name, "category": m.category, "script": f"tests/{m.category}/{m.name}.pm"}
            for m in DEMO
        ]
        shutil.rmtree("testresults", ignore_errors=True)
        Path("testresults").mkdir()
        _write("testresults/test_order.json", order)
        settings = {"JOBTOKEN": token, "QEMUPORT": simulator.port - 1, "NAME": NAME, "VNC": VNC}
        _write("vars.json", settings | {"BACKEND": "simulated", "DISTRI": "simulated"})
        self._status("running", None)
        _write("os-autoinst.pid", os.getpid())

    def end(self) -> None:
        """Let the job count as ended."""
        Path("os-autoinst.pid").unlink(missing_ok=True)
        self._status("finished", None)

    def began(self, module: Module) -> None:
        """See `Progress`."""
        self._status("running", module.name)

    def ended(self, module: Module, result: str) -> None:
        """See `Progress`."""
        _write(f"testresults/result-{module.name}.json", {"result": result, "details": []})

    def _status(self, status: str, module: str | None) -> None:
        facts = {"status": status, "current_test": module, "test_execution_paused": 0}
        _write("autoinst-status.json", facts)


def main() -> None:
    """Play jobs until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="devmode.commandserver.simulator", description=__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="the pool directory to work in")
    os.umask(0o077)
    directory = parser.parse_args().pool
    directory.mkdir(parents=True, exist_ok=True)
    os.chdir(directory)
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit())
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            _play_beside()
            time.sleep(BETWEEN_JOBS_S)


def _play_beside() -> None:
    """Play a job in a process of its own, as isotovideo is one: who cancels a job ends that."""
    player = multiprocessing.get_context("fork").Process(target=_play)
    player.start()
    try:
        player.join()
    finally:
        player.terminate()
        player.join()


def _play() -> None:
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopped.set)
    simulator = Simulator()
    pool = Pool()
    simulator.job.progress = pool
    simulator.start()
    if simulator.port <= LARGEST_PORT:
        pool.begin(simulator)
        try:
            gevent.wait([simulator.ended, stopped], count=1)
        finally:
            pool.end()
    simulator.terminate()


def _write(name: str, content: Any) -> None:
    Path(name).write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
