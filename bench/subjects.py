"""What is compared: openQA's livehandler, and devmode in so many processes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from bench import viewing
from bench.commandservers import CommandServer
from bench.developer import Developer
from bench.openqajobs import tell_of_jobs
from bench.processes import Child, Gunicorn, cpu_s, memory_kb
from bench.viewing import Request
from tests.openqa.instance import OpenQA

AT_ONCE = 20
"""How many developers open their sessions at the same time.

Every number of gunicorns divides it.
"""


class Subject(Protocol):
    """Brings what the command servers of jobs say to viewers; jobs are counted from 0."""

    def viewer(self, job: int) -> Request:
        """Return what somebody sends who wants to watch a job."""

    def open_session(self, job: int, viewers: Child, /) -> float:
        """Have somebody who watches a job control it; return how long that took, in ms."""

    def open_sessions(self, jobs: range, viewers: Child, /) -> None:
        """Have whoever watches each of these jobs control it."""

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have used."""

    def memory_kb(self) -> int:
        """The proportional set size of its processes, in kB."""


Start = Callable[[], AbstractContextManager[Subject]]


def open_alone(request: Request, viewers: Child) -> float:
    """Open one connection while nobody else does; return how long that took, in ms."""
    [taken_ms] = viewers.ask({"open": [request], "at_once": 1})
    return float(taken_ms)


class Livehandler:
    """openQA's livehandler, with a database that tells of the jobs in `pools`."""

    SERVICE = "openqa-livehandler"

    def __init__(self, openqa: OpenQA, pools: Path) -> None:
        """Tell openQA of the jobs, and start: it never closes a connection to a command server."""
        self._openqa = openqa
        self._tell_of(sorted(pools.iterdir(), key=lambda pool: int(pool.name)))
        self._cookie = f"mojolicious={openqa.session_cookie('Demo')}"
        self._address = openqa.start_livehandler().removeprefix("http://")

    def viewer(self, job: int) -> Request:
        """Open the status-only websocket that openQA's page opens for everybody."""
        path = f"/liveviewhandler/tests/{job + 1}/developer/ws-proxy/status"
        return viewing.websocket(self._address, path, '"running":')

    def open_session(self, job: int, viewers: Child) -> float:
        """Open the websocket of a developer beside that of a viewer: that is what takes control."""
        return open_alone(self._developer(job), viewers)

    def open_sessions(self, jobs: range, viewers: Child) -> None:
        """Open the websockets of developers."""
        requests = [self._developer(job) for job in jobs]
        viewers.ask({"open": requests, "at_once": AT_ONCE})

    def cpu_s(self) -> float:
        """Of the livehandler alone."""
        return cpu_s(self._openqa.pid_of(self.SERVICE))

    def memory_kb(self) -> int:
        """Of the livehandler alone."""
        return memory_kb(self._openqa.pid_of(self.SERVICE))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._openqa.stop_service(self.SERVICE)

    def _developer(self, job: int) -> Request:
        path = f"/liveviewhandler/tests/{job + 1}/developer/ws-proxy"
        return viewing.websocket(self._address, path, '"running":', self._cookie)

    def _tell_of(self, pools: list[Path]) -> None:
        """Fill the tables that the livehandler reads."""
        servers = [CommandServer.of(pool) for pool in pools]
        properties = {
            "JOBTOKEN": [server.token for server in servers],
            "CMD_SRV_URL": [f"http://localhost:{port}/{token}" for port, token in servers],
        }
        tell_of_jobs(self._openqa, len(servers), properties)


class Devmode:
    """devmode on PostgreSQL: so many gunicorns, whoever comes for a job comes to the same one.

    That is what the nginx of deploy/ does, by a hash.
    """

    def __init__(
        self, gunicorns: int, workers: int, database_url: str, folder: Path, pools: Path
    ) -> None:
        """Start each with so many workers, and wait until all know the jobs."""
        with ExitStack() as stack:
            self._gunicorns = [
                stack.enter_context(Gunicorn(folder / str(number), pools, database_url, workers))
                for number in range(gunicorns)
            ]
            count = len(list(pools.iterdir()))
            for gunicorn in self._gunicorns:
                self._viewer = Developer(gunicorn.address, "viewer")
                self._jobs = self._viewer.job_ids(count)
            self._started = stack.pop_all()

    def viewer(self, job: int) -> Request:
        """Open the event stream of the live view."""
        return viewing.stream(self._address(job), self._viewer.cookie, self._jobs[job])

    def open_session(self, job: int, _viewers: Child) -> float:
        """Click on “Take control”."""
        person = self._people[job % AT_ONCE]
        person.hang_up()
        return person.timed_post(f"/jobs/{self._jobs[job]}/session")

    def open_sessions(self, jobs: range, _viewers: Child) -> None:
        """Click on “Take control” as several people."""
        for person in self._people:
            person.hang_up()
        with ThreadPoolExecutor(AT_ONCE) as clicking:
            clicks = [
                clicking.submit(self._take_control, person, jobs[number::AT_ONCE])
                for number, person in enumerate(self._people)
            ]
            for click in clicks:
                click.result()

    def cpu_s(self) -> float:
        """Of all processes that serve."""
        return sum(gunicorn.cpu_s() for gunicorn in self._gunicorns)

    def memory_kb(self) -> int:
        """Of all processes that serve."""
        return sum(gunicorn.memory_kb() for gunicorn in self._gunicorns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._started.close()

    @cached_property
    def _people(self) -> list[Developer]:
        """Developers who are signed in, each with the process of every job that they control."""
        return [
            Developer(self._address(number), f"developer {number}") for number in range(AT_ONCE)
        ]

    def _address(self, job: int) -> str:
        return self._gunicorns[job % len(self._gunicorns)].address

    def _take_control(self, person: Developer, jobs: range) -> None:
        for job in jobs:
            person.timed_post(f"/jobs/{self._jobs[job]}/session")
