"""Kills the process that keeps a session, again and again; see docs/reliability.md.

python -m gevent.monkey --module bench.adoption [--kills N] [--browsers N]

Two gunicorns with two workers each on PostgreSQL, as they are deployed, behind the nginx of
deploy/; one job, whose owner steers, and browsers that come back as an EventSource does. Prints how
long it takes until another process keeps the session, until the owner's next command is confirmed,
and until a browser that lost its stream shows the job again.
"""

import argparse
import contextlib
import http.client
import os
import signal
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import gevent

from tests.databases import PostgresqlServer
from tests.processes.people import Person
from tests.processes.proxy import Nginx, Proxy
from tests.processes.world import SimulatedJob, World
from tests.waiting import until

REFUSED_S = 2.0
"""How long static/stream-worker.js waits after an answer that is no stream."""
STEP_S = 0.01


class Browser:
    """Watches a job, and comes back when its stream is lost."""

    def __init__(self, person: Person, job: SimulatedJob, proxy: Proxy) -> None:
        """Begin."""
        self.absences_s: list[float] = []
        self._person, self._job, self._proxy = person, job, proxy
        self._lost_at: float | None = time.monotonic()
        self._watching = gevent.spawn(self._watch)

    @property
    def is_live(self) -> bool:
        """Whether it shows what there is."""
        return self._lost_at is None

    def leave(self) -> None:
        """Close it."""
        self._watching.kill()

    def _watch(self) -> None:
        while True:
            back_in_s = REFUSED_S
            with contextlib.suppress(AssertionError, OSError, http.client.HTTPException):
                stream = self._person.watches(self._job, at=self._proxy)
                while True:
                    if stream.next_regions() and self._lost_at is not None:
                        self.absences_s.append(time.monotonic() - self._lost_at)
                        self._lost_at = None
                    if stream.retries_ms:
                        back_in_s = stream.retries_ms[-1] / 1e3
            self._lost_at = self._lost_at or time.monotonic()
            gevent.sleep(back_in_s)


def kill_keepers(
    world: World,
    owner: Person,
    job: SimulatedJob,
    proxy: Proxy,
    browsers: list[Browser],
    kills: int,
) -> dict[str, list[float]]:
    """Return what took how long, in seconds."""
    taken: dict[str, list[float]] = {"another keeper": [], "the owner's next command": []}
    for _ in range(kills):
        world.wait_until_complete()
        until(lambda: all(browser.is_live for browser in browsers), "the browsers")
        _gunicorn, pid = world.keeper_of(job)
        term = world.session_of(job).term
        os.kill(pid, signal.SIGKILL)
        killed_at = time.monotonic()
        while world.session_of(job).term == term:
            time.sleep(STEP_S)
        taken["another keeper"].append(time.monotonic() - killed_at)
        while owner.sets_pause_at(job, job.unused_module(), at=proxy).status != http.HTTPStatus.OK:
            time.sleep(STEP_S)
        taken["the owner's next command"].append(time.monotonic() - killed_at)
    until(lambda: all(browser.is_live for browser in browsers), "the browsers")
    # The first of them was no absence.
    taken["a browser"] = [took for browser in browsers for took in browser.absences_s[1:]]
    return taken


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="script/bench adoption", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--browsers", type=int, default=20)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="devmode-bench-")))
        folder.chmod(0o755)
        postgresql = PostgresqlServer()
        stack.callback(postgresql.remove)
        postgresql.start()
        world = World(folder, postgresql.new_database(), 2, 2, https="true")
        stack.callback(world.end)
        proxy = Nginx(world)
        stack.callback(proxy.stop)
        job = world.start_job()
        owner = Person(world, "owner")
        owner.takes_control(job, at=proxy)
        browsers = [Browser(owner, job, proxy) for _ in range(options.browsers)]
        for browser in browsers:
            stack.callback(browser.leave)
        taken = kill_keepers(world, owner, job, proxy, browsers, options.kills)
        world.check(job)
    print(f"{options.kills} kills, seconds until …\n\n| | times | p50 | p99 | longest |")
    print("|---|---|---|---|---|")
    for what, times in taken.items():
        p99 = quantiles(times, n=100, method="inclusive")[98]
        print(f"| {what} | {len(times)} | {median(times):.2f} | {p99:.2f} | {max(times):.2f} |")


if __name__ == "__main__":
    main()
