"""What is measured, each in a run of its own: fresh processes, a warm-up, then the figures."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from bench import viewing
from bench.commandservers import KINDS, CommandServer
from bench.developer import Developer
from bench.processes import Child, Gunicorn

Figures = dict[str, float]
Measure = Callable[[], Figures]

WARM_UP_S = 1.0
SETTLED_S = 2.0
QUIET_S = 10.0
LEFT_S = 15.0
"""Links linger for ten seconds after the last viewer (`DEVMODE_LINK_LINGER_S`)."""


@dataclass(frozen=True)
class Stage:
    """devmode with so many jobs, a developer, and viewers yet to come."""

    gunicorn: Gunicorn
    servers: Child
    viewers: Child
    developer: Developer
    jobs: list[int]
    folder: Path

    def open_streams(self, times: int) -> list[float]:
        """Open so many event streams of each job; return how long each took, in ms."""
        requests = [
            viewing.stream(self.gunicorn.address, self.developer.cookie, job)
            for job in self.jobs
            for _ in range(times)
        ]
        taken: list[float] = self.viewers.ask({"open": requests, "at_once": 1})
        return taken

    def open_direct(self) -> None:
        """Open a websocket to the command server of the first job: nothing is faster."""
        server = CommandServer.of(self.folder / "pools" / "0")
        self.viewers.ask({"open": [server.request()], "at_once": 1})

    def burst(self, kind: str, per_second: float, seconds: float) -> tuple[list[float], float]:
        """Let messages be said; return the delays in ms and the CPU that the worker used, in s."""
        before = self.gunicorn.cpu_s()
        self.servers.tell({"kind": kind, "per_second": per_second, "seconds": seconds})
        delays = self.viewers.ask({"listen": seconds})
        self.servers.line()
        return delays, self.gunicorn.cpu_s() - before


@contextlib.contextmanager
def stage(jobs: int) -> Iterator[Stage]:
    """Set everything up, and take it down."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="devmode-bench-")))
        (folder / "pools").mkdir()
        servers = stack.enter_context(
            Child("bench.commandservers", str(folder / "pools"), str(jobs))
        )
        servers.line()
        viewers = stack.enter_context(Child("bench.viewers"))
        gunicorn = stack.enter_context(Gunicorn(folder, folder / "pools"))
        developer = Developer(gunicorn.address, "bench")
        yield Stage(gunicorn, servers, viewers, developer, developer.job_ids(jobs), folder)


def changes(kind: str, jobs: int, viewers: int, per_second: float, seconds: float) -> Figures:
    """Measure changes on their way from the command server to the viewers of a job."""
    with stage(jobs) as on:
        on.open_direct()
        on.burst(kind, per_second, WARM_UP_S)
        floor, _ = on.burst(kind, per_second, seconds)
        on.viewers.ask({"close": True})
        on.open_streams(viewers)
        on.burst(kind, per_second, WARM_UP_S)
        delays, cpu_s = on.burst(kind, per_second, seconds)
        return {
            "p50 ms": median(delays),
            "p99 ms": quantiles(delays, n=100)[98],
            "floor p50 ms": median(floor),
            "p50 to floor": median(delays) / median(floor),
            "delivered": len(delays) / (per_second * seconds * viewers),
            "delivered/s": len(delays) / seconds,
            "CPU ms/1000": cpu_s / len(delays) * 1e6,
        }


def opening(viewers: int) -> Figures:
    """Measure how fast a viewer sees the first state, one after the other."""
    with stage(1) as on:
        on.open_streams(5)
        before = on.gunicorn.cpu_s()
        taken = on.open_streams(viewers)
        cpu_s = on.gunicorn.cpu_s() - before
        return {"p50 ms": median(taken), "CPU ms each": cpu_s / viewers * 1e3}


def clicks(count: int) -> Figures:
    """Measure from a click to the answer that tells that the command server confirmed."""
    with stage(1) as on:
        job = f"/jobs/{on.jobs[0]}"
        on.open_streams(1)
        start, settings = [], []
        for _ in range(count):
            start.append(on.developer.timed_post(f"{job}/session"))
            for value, was in (("1", "0"), ("0", "1")):
                form = {"pause_on_failure": value, "was_pause_on_failure": was}
                settings.append(on.developer.timed_post(f"{job}/settings", **form))
            on.developer.timed_post(f"{job}/session/release", then="stay")
        return {"take control p50 ms": median(start), "setting confirmed p50 ms": median(settings)}


def pages(count: int) -> Figures:
    """Measure what the live view and the list cost."""
    with stage(10) as on:
        figures = {}
        for name, path in (("live view", f"/jobs/{on.jobs[0]}"), ("list of 10", "/")):
            on.developer.get(path)
            began, before = time.monotonic(), on.gunicorn.cpu_s()
            for _ in range(count):
                on.developer.get(path)
            figures[f"{name} ms"] = (time.monotonic() - began) / count * 1e3
            figures[f"{name} CPU ms"] = (on.gunicorn.cpu_s() - before) / count * 1e3
        return figures


def quiet(jobs: int) -> Figures:
    """Measure what a process takes a second while nothing happens in jobs with a viewer each."""
    with stage(jobs) as on:
        on.open_streams(1)
        time.sleep(SETTLED_S)
        began, before = time.monotonic(), on.gunicorn.cpu_s()
        time.sleep(QUIET_S)
        return {"CPU ms/s": (on.gunicorn.cpu_s() - before) / (time.monotonic() - began) * 1e3}


def memory(jobs: int) -> Figures:
    """Measure what a job with one viewer and its link keep, in kB of PSS, and when all come again.

    Python gives little back to the system; what it does not use again has leaked.
    """
    with stage(jobs) as on:
        # What the first viewers make the process learn is no cost of the later ones.
        first = replace(on, jobs=on.jobs[:1])
        first.open_streams(20)
        on.burst("status", 20, 2.0)
        on.viewers.ask({"close": True})
        time.sleep(SETTLED_S)
        before = on.gunicorn.memory_kb()
        held = _held_kb(on)
        time.sleep(LEFT_S)
        again = _held_kb(on)
        per_job = {"kB per job": (held - before) / jobs, "kB again": (again - before) / jobs}
        return {"start kB": before} | per_job


def _held_kb(on: Stage) -> int:
    on.open_streams(1)
    on.burst("status", len(on.jobs), 4.0)
    held = on.gunicorn.memory_kb()
    on.viewers.ask({"close": True})
    return held


def _changes(kind: str, jobs: int, viewers: int, per_second: float) -> tuple[str, Measure]:
    name = f"{kind}, {jobs} x {viewers}, {per_second}/s"
    return name, partial(changes, kind, jobs, viewers, per_second, 5.0)


SCENARIOS: dict[str, Measure] = dict(
    [
        *(_changes(kind, 1, 1, 100) for kind in KINDS),
        _changes("command", 100, 1, 100),
        _changes("command", 500, 1, 100),
        _changes("command", 1, 100, 10),
        _changes("command", 1, 500, 10),
        _changes("command", 1, 1, 2000),
        _changes("command", 1, 100, 500),
        _changes("command", 1, 500, 200),
        _changes("command", 500, 1, 2000),
        ("viewer opens", partial(opening, 200)),
        ("developer clicks", partial(clicks, 50)),
        ("pages", partial(pages, 100)),
        *((f"quiet, {jobs} jobs", partial(quiet, jobs)) for jobs in (1, 100, 500)),
        *((f"memory, {jobs} jobs", partial(memory, jobs)) for jobs in (1, 100, 1000)),
    ]
)
"""By name: jobs x viewers of each, and messages a second for all jobs together."""
