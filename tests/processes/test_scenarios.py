"""Faults in an order that a seed decides, while owners steer: in the end all is as it should be.

`DEVMODE_TEST_SEED` and `DEVMODE_TEST_FAULTS` choose another order, and a longer one.
"""

import os
import random
import resource
import signal
import time
from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from tests.databases import PostgresqlServer
from tests.processes.people import Person
from tests.processes.world import SimulatedJob, World
from tests.waiting import until

SEED = int(os.environ.get("DEVMODE_TEST_SEED", "20261124"))
FAULTS = int(os.environ.get("DEVMODE_TEST_FAULTS", "8"))
DONE = (200,)
TOLD = (0, 502, 503, 504)
"""A connection that died with its process, or an error that says what is known."""
MORE_DESCRIPTORS = 20
"""Both processes keep some connections to the database for later."""

Fault = Callable[[], None]


class Scenario:
    """A world with owners who steer without pause, and what can happen to it."""

    def __init__(self, world: World, postgresql: PostgresqlServer) -> None:
        self.world = world
        self.jobs = [world.start_job() for _ in range(2)]
        self.done: dict[SimulatedJob, list[str]] = {job: [] for job in self.jobs}
        self._chance = random.Random(SEED)
        self._postgresql = postgresql
        self._stopped = Event()
        owners = [Person(world, f"owner of {job.name}") for job in self.jobs]
        for owner, job in zip(owners, self.jobs, strict=True):
            owner.takes_control(job)
        steering = zip(owners, self.jobs, strict=True)
        self._greenlets = [gevent.spawn(self._steer, owner, job) for owner, job in steering]

    def run(self, faults: int) -> list[str]:
        kinds: tuple[Fault, ...] = (
            self.kill_a_process, self.stop_a_process, self.cut_connections, self.replace_processes,
            self.restart_the_database, self.freeze_the_database, self.take_all_descriptors,
            self.flood,
        )  # fmt: skip
        # Each kind once before any comes again.
        order = self._chance.sample(kinds, len(kinds)) + self._chance.choices(kinds, k=faults)
        for fault in order[:faults]:
            fault()
            until(self._all_serve, "every process to serve")
            self.world.wait_until_complete()
            until(self._all_make_progress(), "commands to be done again")
        self._stopped.set()
        for greenlet in self._greenlets:
            greenlet.get()
        return [fault.__name__ for fault in order[:faults]]

    def kill_a_process(self) -> None:
        pid = self._some_process()
        os.kill(pid, signal.SIGKILL)
        until(lambda: all(pid not in each.workers for each in self.world.gunicorns), "its end")

    def stop_a_process(self) -> None:
        pid = self._some_process()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._chance.uniform(1, 6))  # how long is the fault
        os.kill(pid, signal.SIGCONT)

    def cut_connections(self) -> None:
        for job in self.jobs:
            job.cut_connections()

    def replace_processes(self) -> None:
        gunicorn = self._chance.choice(self.world.gunicorns)
        old = set(gunicorn.workers)
        gunicorn.reload()
        until(lambda: not old & set(gunicorn.workers), "the old processes to end")

    def restart_the_database(self) -> None:
        self._postgresql.stop()
        time.sleep(self._chance.uniform(0, 5))  # how long is the fault
        self._postgresql.start()

    def freeze_the_database(self) -> None:
        self._postgresql.freeze()
        time.sleep(self._chance.uniform(1, 6))  # how long is the fault
        self._postgresql.thaw()

    def take_all_descriptors(self) -> None:
        """Let a process open nothing more, for a while."""
        pid = self._some_process()
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        open_now = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now, before[1]))
        time.sleep(self._chance.uniform(1, 5))  # how long is the fault
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    def flood(self) -> None:
        """Have a command server send more than anybody reads."""
        self._chance.choice(self.jobs).flood()

    def _some_process(self) -> int:
        return self._chance.choice(self._chance.choice(self.world.gunicorns).workers)

    def _all_serve(self) -> bool:
        """Whether every process has begun: one that was killed has its lease a little longer."""
        gunicorns = self.world.gunicorns
        serving = {each.pid_of(name) for name in self.world.alive() for each in gunicorns}
        workers = [gunicorn.workers for gunicorn in gunicorns]
        return all(workers) and all(pid in serving for pids in workers for pid in pids)

    def _all_make_progress(self) -> Callable[[], bool]:
        before = {job: len(done) for job, done in self.done.items()}
        return lambda: all(len(done) > before[job] for job, done in self.done.items())

    def _steer(self, owner: Person, job: SimulatedJob) -> None:
        for turn, _ in enumerate(iter(self._stopped.is_set, True)):
            module = job.unused_module()
            answer = owner.sets_pause_at(job, module, at=turn % 2)
            assert answer.status in DONE + TOLD, answer
            if answer.status in DONE:
                self.done[job].append(module)
            self._stopped.wait(0.5)


@pytest.mark.timeout(60 + 60 * FAULTS)
def test_whatever_happens_one_keeper_speaks_nothing_is_sent_twice_and_nobody_loses_control(
    served_world: World, postgresql: PostgresqlServer
) -> None:
    served_world.wait_until_complete()
    scenario = Scenario(served_world, postgresql)
    before = served_world.descriptors
    faults = scenario.run(FAULTS)
    until(lambda: served_world.descriptors < before + MORE_DESCRIPTORS, "files to be closed")
    for job in scenario.jobs:
        sent = [name for _sender, name in job.steering]
        unsent = [module for module in scenario.done[job] if module not in sent]
        assert not unsent, f"done without being sent, after {faults}"
        kinds = [kind for kind, _text in served_world.events_of(job)]
        assert "ended" not in kinds
        assert kinds.count("started") == 1
        served_world.check(job)
