"""What is compared: openQA's livehandler, and devmode with so many processes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
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
"""How many developers open their sessions at the same time."""


class Subject(Protocol):
    """Brings what the command servers of jobs say to viewers; jobs are counted from 0."""

    def viewer(self, job: int) -> Request:
        """Return what somebody sends who wants to watch a job."""

    def open_sessions(self, jobs: range, viewers: Child) -> None:
        """Have somebody control each of these jobs and watch it."""

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have used."""

    def memory_kb(self) -> int:
        """The proportional set size of its processes, in kB."""


Start = Callable[[], AbstractContextManager[Subject]]


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

    def open_sessions(self, jobs: range, viewers: Child) -> None:
        """Open the websocket of a developer: that is what takes control."""
        requests = [
            viewing.websocket(
                self._address,
                f"/liveviewhandler/tests/{job + 1}/developer/ws-proxy",
                '"running":',
                self._cookie,
            )
            for job in jobs
        ]
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

    def _tell_of(self, pools: list[Path]) -> None:
        """Fill the tables that the livehandler reads."""
        servers = [CommandServer.of(pool) for pool in pools]
        properties = {
            "JOBTOKEN": [server.token for server in servers],
            "CMD_SRV_URL": [f"http://localhost:{port}/{token}" for port, token in servers],
        }
        tell_of_jobs(self._openqa, len(servers), properties)


class Devmode:
    """devmode on PostgreSQL, with so many processes."""

    def __init__(self, workers: int, database_url: str, folder: Path, pools: Path) -> None:
        """Start, and wait until it knows the jobs."""
        self._gunicorn = Gunicorn(folder, pools, database_url, workers)
        try:
            self._viewer = self._sign_in("viewer")
            self._jobs = self._viewer.job_ids(len(list(pools.iterdir())))
        except BaseException:
            self._gunicorn.stop()
            raise

    def viewer(self, job: int) -> Request:
        """Open the event stream of the live view."""
        return viewing.stream(self._gunicorn.address, self._viewer.cookie, self._jobs[job])

    def open_sessions(self, jobs: range, viewers: Child) -> None:
        """Open the event streams, then click on “Take control” as several people."""
        viewers.ask({"open": [self.viewer(job) for job in jobs], "at_once": AT_ONCE})
        people = [self._sign_in(f"developer {number}") for number in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as clicking:
            clicks = [
                clicking.submit(self._take_control, person, jobs[number::AT_ONCE])
                for number, person in enumerate(people)
            ]
            for click in clicks:
                click.result()

    def cpu_s(self) -> float:
        """Of all processes that serve."""
        return self._gunicorn.cpu_s()

    def memory_kb(self) -> int:
        """Of all processes that serve."""
        return self._gunicorn.memory_kb()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._gunicorn.stop()

    def _sign_in(self, name: str) -> Developer:
        return Developer(self._gunicorn.address, name)

    def _take_control(self, person: Developer, jobs: range) -> None:
        for job in jobs:
            person.timed_post(f"/jobs/{self._jobs[job]}/session")
