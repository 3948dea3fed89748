"""Measures what it costs a process to know the jobs that an openQA tells of.

    .venv/bin/python -m gevent.monkey --module bench.told [--jobs 1000] [--postgresql]

The rows of so many jobs of 47 modules each, written by one process as those of an openQA and read
by another, which hears of nothing but what notices tell; both are in the process of the bench.
Medians of the CPU that one look of the reading one takes, and the longest time that other greenlets
wait meanwhile.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import gevent
from sqlalchemy import create_engine

from bench.commandservers import MODULES
from devmode.cluster.boards import board_of
from devmode.cluster.database import Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.notices import Notices
from devmode.cluster.postgresql import engine_options
from devmode.commandserver.address import JobToken
from devmode.jobs.openqa import OPENQA_JOB, RESULTS_EVERY, Instance, Poller
from devmode.jobs.registry import Registry
from devmode.jobs.remote import RemoteJobs
from devmode.jobs.sealing import Seal
from devmode.openqa.answers import CommandServer, JobFacts, ModuleFacts, Worker
from devmode.openqa.api import Api
from devmode.openqa.hosts import HostRule
from devmode.openqa.server import Server
from tests.databases import PostgresqlServer

URL = "http://127.0.0.1:9"
TIMES = 3
TICK_S = 0.001
SETTLED_S = 0.3
"""How long what is on its way is waited for."""


class ToldJobs(Api):
    """Says of jobs what an openQA might, without one."""

    def __init__(self, jobs: int) -> None:
        """Have so many jobs run."""
        super().__init__(Server(URL), None)
        self._workers = tuple(_worker(number) for number in range(1, jobs + 1))
        self._jobs = {number: _job(number) for number in range(1, jobs + 1)}

    def workers(self) -> tuple[Worker, ...]:
        """See `Api`."""
        return self._workers

    def jobs(self, _ids: object) -> dict[int, JobFacts]:
        """See `Api`."""
        return dict(self._jobs)

    def go_on(self, jobs: int) -> None:
        """Have a module end in so many of the jobs."""
        for number in range(1, jobs + 1):
            first, *others = self._jobs[number].modules
            first = replace(first, result="none" if first.result == "passed" else "passed")
            self._jobs[number] = replace(self._jobs[number], modules=(first, *others))


class Process:
    """One devmode process, as far as it knows jobs of openQA."""

    def __init__(self, database_url: str, api: Api) -> None:
        """Know none yet."""
        self.database = Database(create_engine(database_url, **engine_options(database_url)))
        Base.metadata.create_all(self.database.engine)
        lease = Lease(self.database, "here")
        lease.take()
        gevent.spawn(lease.run, lambda: None)
        notices = Notices(board_of(self.database), lease)
        seal = Seal("secret")
        self.instance = Instance(api, HostRule(URL, ()))
        self.poller = Poller(self.database, notices, lease, seal)
        self.registry = Registry(self.database, notices, RemoteJobs(self.database, seal), (), "h")
        self.heard = 0
        notices.listen(OPENQA_JOB, self._hear)
        gevent.spawn(notices.run)

    def ask(self) -> None:
        """Ask openQA once, and write down what it says."""
        self.poller.look(self.instance)

    def ask_for_results(self) -> None:
        """Ask until the results of modules are due, and write those down."""
        self.ask()
        while self.instance.turn % RESULTS_EVERY:
            self.ask()

    def _hear(self, _subject: str) -> None:
        self.heard += 1


def main() -> None:
    """Measure and print a line for each kind of look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    with _database(postgresql=options.postgresql) as url:
        bench = Bench(ToldJobs(options.jobs), url)
        bench.measure(f"{options.jobs} jobs, first look", 1, 0)
        for title, changed in ("nothing new", 0), ("one is new", 1), ("each is new", options.jobs):
            bench.measure(title, TIMES, changed)


class Bench:
    """Two processes, of which one asks and writes and the other reads."""

    def __init__(self, api: ToldJobs, database_url: str) -> None:
        """Have everything written that there is at the beginning."""
        self._api = api
        self._writing, self._reading = Process(database_url, api), Process(database_url, api)
        gevent.sleep(SETTLED_S)
        began = time.process_time()
        self._writing.ask()
        cost = (time.process_time() - began) / len(api.workers())
        print(f"to write each down: {cost * 1000:.3g} ms of CPU", flush=True)

    def measure(self, title: str, times: int, changed: int) -> None:
        """Have so many jobs change, look at them in the other process, and print the medians."""
        costs, waits = zip(*(self._look(changed) for _ in range(times)), strict=True)
        print(f"{title}: {median(costs):.3g} ms of CPU,", end=" ")
        print(f"others wait {median(waits):.3g} ms", flush=True)

    def _look(self, changed: int) -> tuple[float, float]:
        heard = self._reading.heard
        self._api.go_on(changed)
        self._writing.ask_for_results()
        while changed and self._reading.heard == heard:
            gevent.sleep(0.01)
        gevent.sleep(SETTLED_S)
        ticks = [time.monotonic()]
        ticking = gevent.spawn(_tick, ticks)
        gevent.sleep(0)
        began = time.process_time()
        self._reading.registry.scan()
        cost = time.process_time() - began
        gevent.sleep(2 * TICK_S)
        ticking.kill()
        return cost * 1000, max(after - before for before, after in pairwise(ticks)) * 1000


def _tick(ticks: list[float]) -> None:
    while True:
        gevent.sleep(TICK_S)
        ticks.append(time.monotonic())


def _worker(number: int) -> Worker:
    token = JobToken(f"token-{number}")
    server = CommandServer("127.0.0.1", 20013, token)
    return Worker(f"worker:{number}", number, server, None, number, token)


def _job(number: int) -> JobFacts:
    modules = tuple(ModuleFacts(f"module_{n}", "bench", "none") for n in range(MODULES))
    return JobFacts(number, f"{number:08}-bench", "A group", True, 1.5, 7200, modules)


@contextmanager
def _database(*, postgresql: bool) -> Iterator[str]:
    if postgresql:
        server = PostgresqlServer()
        server.start()
        try:
            yield server.new_database()
        finally:
            server.remove()
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder) / 'bench.sqlite'}"


if __name__ == "__main__":
    main()
