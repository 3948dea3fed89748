"""Compares devmode with openQA's livehandler and a direct connection; see docs/performance.md.

python -m bench.peer [--seconds N] [--people N] [--json FILE] [--plot FILE] [JOBSxVIEWERS …]

All on this machine and one after the other, with the same command servers, viewers and rates, and
one PostgreSQL for devmode and openQA. Prints tables in Markdown, and may draw the delays.
"""

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from bench import plot
from bench.commandservers import CommandServer
from bench.openqajobs import start_pages
from bench.processes import Child, lift_limits
from bench.subjects import AT_ONCE, Devmode, Livehandler, Start, Subject, open_alone

KINDS = ("command", "status")
"""What livehandler only passes on, and what it completes from its database."""
PEER, ONE, TWO = "livehandler", "devmode, 1 process", "devmode, 2 processes"
DEPLOYMENTS = {
    ONE: (1, 1),
    TWO: (2, 1),
    "devmode, 4 processes": (4, 1),
    "devmode, 2 workers": (1, 2),
}
"""How many gunicorns, each with how many workers; only the former are chosen by the job."""
WARM_UP_S = 1.0
MANY = 10
"""From here on no decimals are told."""
FIRST = 20
"""So many come one after the other; what the first sessions make a process learn is no cost of
the later ones."""
MOST_PEOPLE = 450
"""Mojolicious accepts a thousand connections, and a developer on openQA's page has two."""
SHAPES = ((1, 1, 100.0), (1, 100, 10.0), (1, 500, 10.0), (500, 1, 100.0))
"""Jobs, viewers of each, and messages a second for all jobs together."""


Audience = tuple[int, float]
"""How many viewers each job has, and how many messages a second all jobs say."""


@dataclass(frozen=True)
class Passage:
    """How changes of one kind came from command servers to viewers."""

    subject: str
    kind: str
    jobs: int
    viewers: int
    p50_ms: float
    p99_ms: float
    floor_p50_ms: float
    floor_p99_ms: float
    delivered: float
    cpu_us: float

    @property
    def shape(self) -> str:
        """Name what was said to whom."""
        return f"{self.kind}, {self.jobs} × {self.viewers}"


@dataclass(frozen=True)
class Arrival:
    """What it costs to let people in, each to a job of their own or all to one, and have them."""

    subject: str
    who: str
    count: int
    alone_ms: float
    """How long it takes whoever comes while nobody else does, p50."""
    per_second: float
    cpu_ms: float
    start_kb: float
    held_kb: float


class Bench:
    """Command servers and an openQA, and whoever is between them and viewers for a while."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._openqa, self._postgresql = start_pages(stack, self._new_folder())

    def subjects(self, pools: Path) -> dict[str, Start]:
        """Return by name how to start each with the jobs in `pools`."""
        return {PEER: partial(Livehandler, self._openqa, pools)} | {
            name: partial(self._devmode, *processes, pools)
            for name, processes in DEPLOYMENTS.items()
        }

    def _devmode(self, gunicorns: int, workers: int, pools: Path) -> Devmode:
        database_url = self._postgresql.new_database()
        return Devmode(gunicorns, workers, database_url, self._new_folder(), pools)

    def _new_folder(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="devmode-bench-", ignore_cleanup_errors=True)
        return Path(self._stack.enter_context(folder))


@contextlib.contextmanager
def command_servers(jobs: int) -> Iterator[tuple[Child, Path]]:
    """Start so many, and yield them with the folder of their pool directories."""
    with (
        tempfile.TemporaryDirectory(prefix="devmode-bench-") as folder,
        Child("bench.commandservers", folder, str(jobs)) as servers,
    ):
        servers.line()
        yield servers, Path(folder)


def burst(
    servers: Child, viewers: Child, kind: str, per_second: float, seconds: float
) -> list[float]:
    """Let messages be said, and return the delays of what was heard, in ms."""
    servers.tell({"kind": kind, "per_second": per_second, "seconds": seconds})
    delays: list[float] = viewers.ask({"listen": seconds})
    servers.line()
    return delays


def passages(bench: Bench, jobs: int, audiences: list[Audience], taken_s: float) -> list[Passage]:
    """Measure jobs with ever more viewers."""
    found = []
    with command_servers(jobs) as (servers, pools):
        with Child("bench.viewers") as viewers:
            direct = [CommandServer.of(pools / str(job)).request() for job in range(jobs)]
            viewers.ask({"open": direct, "at_once": 1})
            floors = {
                (kind, rate): burst(servers, viewers, kind, rate, taken_s)
                for rate in {rate for _viewers, rate in audiences}
                for kind in KINDS
            }
        for name, start in bench.subjects(pools).items():
            with start() as subject, Child("bench.viewers") as viewers:
                there = 0
                # Of viewers of one job who come at once, each gets what livehandler tells all.
                at_once = AT_ONCE if jobs > 1 else 1
                for count, rate in audiences:
                    requests = [subject.viewer(job) for job in range(jobs)] * (count - there)
                    viewers.ask({"open": requests, "at_once": at_once})
                    there = count
                    for kind in KINDS:
                        burst(servers, viewers, kind, rate, WARM_UP_S)
                        before_s = subject.cpu_s()
                        delays = burst(servers, viewers, kind, rate, taken_s)
                        used_s = subject.cpu_s() - before_s
                        delivered = len(delays) / (rate * taken_s * count)
                        passage = Passage(
                            name,
                            kind,
                            jobs,
                            count,
                            *_middle_and_p99(delays),
                            *_middle_and_p99(floors[kind, rate]),
                            delivered,
                            used_s / len(delays) * 1e6,
                        )
                        print(passage, flush=True)
                        found.append(passage)
    return found


def arrivals(bench: Bench, count: int) -> Iterator[Arrival]:
    """Measure how people come: as viewers, from there to control, and as viewers of one job."""
    nobody, everybody = range(0), range(FIRST + count)
    with command_servers(len(everybody)) as (_servers, pools):
        for name, start in bench.subjects(pools).items():
            for who, watching, come_alone, come in (
                ("viewers", nobody, _watch_alone, _watch),
                ("viewers who take control", everybody, _take_control_alone, _take_control),
                ("viewers of one job", nobody, _join_alone, _join),
            ):
                with start() as subject, Child("bench.viewers") as viewers:
                    _watch(subject, watching, viewers)
                    alone = [come_alone(subject, job, viewers) for job in range(FIRST)]
                    memory, used_s, began = (
                        subject.memory_kb(),
                        subject.cpu_s(),
                        time.monotonic(),
                    )
                    come(subject, everybody[FIRST:], viewers)
                    taken_s = time.monotonic() - began
                    yield Arrival(
                        name,
                        who,
                        count,
                        median(alone[FIRST // 2 :]),
                        count / taken_s,
                        (subject.cpu_s() - used_s) / count * 1e3,
                        memory,
                        (subject.memory_kb() - memory) / count,
                    )


def _watch_alone(subject: Subject, job: int, viewers: Child) -> float:
    return open_alone(subject.viewer(job), viewers)


def _take_control_alone(subject: Subject, job: int, viewers: Child) -> float:
    return subject.open_session(job, viewers)


def _join_alone(subject: Subject, _job: int, viewers: Child) -> float:
    return _watch_alone(subject, 0, viewers)


def _watch(subject: Subject, jobs: range, viewers: Child) -> None:
    viewers.ask({"open": [subject.viewer(job) for job in jobs], "at_once": AT_ONCE})


def _take_control(subject: Subject, jobs: range, viewers: Child) -> None:
    subject.open_sessions(jobs, viewers)


def _join(subject: Subject, jobs: range, viewers: Child) -> None:
    # Of those who come at the same time, each gets what livehandler tells all.
    viewers.ask({"open": [subject.viewer(0) for _job in jobs], "at_once": 1})


def delays_table(found: list[Passage]) -> Iterator[str]:
    """Tell what each adds to a direct connection, and the ratio that matters, as Markdown."""
    names = [PEER, *DEPLOYMENTS]
    yield f"| change, jobs × viewers of each | direct | {' | '.join(names)} | ratio |"
    yield "|---" * (len(names) + 3) + "|"
    for shape, of in _by_shape(found).items():
        floor = next(iter(of.values()))
        direct = f"{_short(floor.floor_p50_ms)} / {_short(floor.floor_p99_ms)}"
        added = [
            f"{_short(of[name].p50_ms - floor.floor_p50_ms)}"
            f" / {_short(of[name].p99_ms - floor.floor_p99_ms)}"
            for name in names
        ]
        ratio = (of[ONE].p50_ms - floor.floor_p50_ms) / (of[PEER].p50_ms - floor.floor_p50_ms)
        yield f"| {shape} | {direct} | {' | '.join(added)} | {ratio:.2g} |"


def cpu_table(found: list[Passage]) -> Iterator[str]:
    """Tell the µs of CPU for each delivered change, and what share was delivered."""
    names = [PEER, *DEPLOYMENTS]
    yield f"| change, jobs × viewers of each | {' | '.join(names)} | ratio | 2 processes to 1 |"
    yield "|---" * (len(names) + 3) + "|"
    for shape, of in _by_shape(found).items():
        cells = [f"{_short(of[name].cpu_us)} ({of[name].delivered:.0%})" for name in names]
        one, two = of[ONE].cpu_us, of[TWO].cpu_us
        yield f"| {shape} | {' | '.join(cells)} | {one / of[PEER].cpu_us:.2g} | {two / one:.2g} |"


def arrivals_table(found: list[Arrival]) -> Iterator[str]:
    """Tell what it costs to come and to be there, as Markdown."""
    yield "| | alone, p50 | a second | CPU each | memory at the start | kB for each |"
    yield "|---|---|---|---|---|---|"
    for each in found:
        yield (
            f"| {each.who}, {each.subject} | {each.alone_ms:.2g} ms | {each.per_second:.3g}"
            f" | {each.cpu_ms:.3g} ms | {each.start_kb / 1000:.0f} MB | {each.held_kb:.3g} |"
        )


def _by_shape(found: list[Passage]) -> dict[str, dict[str, Passage]]:
    shapes: dict[str, dict[str, Passage]] = {}
    for each in found:
        shapes.setdefault(each.shape, {})[each.subject] = each
    return shapes


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= MANY else f"{value:.2g}"


def _middle_and_p99(delays: list[float]) -> tuple[float, float]:
    return median(delays), quantiles(delays, n=100)[98]


def _draw(found: list[Passage], file: Path) -> None:
    bars = {
        shape: {"direct": next(iter(of.values())).floor_p50_ms}
        | {name: each.p50_ms for name, each in of.items()}
        for shape, of in _by_shape(found).items()
    }
    title = "From the command server to a viewer, p50 in milliseconds (each line is ten times more)"
    file.write_text(plot.bars(title, bars))


def main() -> None:
    """Run it all, or the shapes that were named."""
    names = [f"{jobs}x{viewers}" for jobs, viewers, _per_second in SHAPES]
    parser = argparse.ArgumentParser(prog="script/bench peer", description=__doc__)
    parser.add_argument("shapes", nargs="*", help=f"of {' '.join(names)}; all without any")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each is measured")
    parser.add_argument("--people", type=int, default=400, help="how many come; 0 for none")
    parser.add_argument("--json", type=Path, help="write all figures to this file, too")
    parser.add_argument("--plot", type=Path, help="draw the delays into this SVG file")
    options = parser.parse_args()
    if options.people > MOST_PEOPLE:
        parser.error(f"of more than {MOST_PEOPLE} people some would never be served by livehandler")
    chosen = [
        shape
        for name, shape in zip(names, SHAPES, strict=True)
        if name in (options.shapes or names)
    ]
    lift_limits()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]}")
    found: list[Passage] = []
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        for jobs in dict.fromkeys(jobs for jobs, _viewers, _per_second in chosen):
            shapes = [(viewers, rate) for among, viewers, rate in chosen if among == jobs]
            found += passages(bench, jobs, shapes, options.seconds)
        came = []
        for arrival in arrivals(bench, options.people) if options.people else ():
            print(arrival, flush=True)
            came.append(arrival)
    print("\nAdded to a direct connection, p50 / p99 in ms; 1 worker to the livehandler:\n")
    print("\n".join(delays_table(found)))
    print("\nµs of CPU for each delivered change (share that was delivered):\n")
    print("\n".join(cpu_table(found)))
    print(f"\n{options.people} people; {AT_ONCE} at the same time, each to a job of their own; and")
    print("one after the other, all to one job:\n")
    print("\n".join(arrivals_table(came)))
    if options.json:
        options.json.write_text(json.dumps([*map(asdict, found), *map(asdict, came)], indent=1))
    if options.plot:
        _draw(found, options.plot)


if __name__ == "__main__":
    main()
