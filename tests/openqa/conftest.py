"""One real openQA for all tests of the group, and jobs that its worker runs one after the other."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chromium.server import Server
from tests.databases import PostgresqlServer, postgresql
from tests.openqa.instance import OpenQA

RunJob = Callable[..., int]

LAST = 4000
"""Characters of a log that tell why a test failed."""

__all__ = ["openqa", "own_job", "paused_job", "postgresql", "run_job", "worker"]


class Worker:
    """The only worker of an openQA, which has one job at a time."""

    def __init__(self, openqa: OpenQA) -> None:
        self._openqa = openqa
        self._running: int | None = None
        self._is_paused = False

    def run(self, *modules: str, **settings: str | int) -> int:
        """End the job that runs, and run another."""
        self.end()
        self._running = self._openqa.run_job(*modules, **settings)
        return self._running

    def paused(self) -> int:
        """Return a job that is paused at the first of its two modules, the last one if it is."""
        if self._running is None or not self._is_paused:
            self.run("boot/menu_visible", "boot/choose_entry", PAUSE_AT="boot-menu_visible")
            self._is_paused = True
        assert self._running is not None
        return self._running

    def end(self) -> None:
        # Even if that fails: the next test is to fail by itself.
        running, self._running, self._is_paused = self._running, None, False
        if running is not None:
            self._openqa.end_job(running)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Iterator[None]:
    """Shows with a failure what isotovideo, its worker and devmode have logged."""
    report: Any = yield
    if report.failed and "openqa" in item.funcargs:
        openqa: OpenQA = item.funcargs["openqa"]
        report.sections.append(("isotovideo", openqa.job_log()[-LAST:]))
        report.sections.append(("worker", openqa.log("worker")[-LAST:]))
    devmode = item.funcargs.get("devmode")
    # One in the process of the tests logs where pytest finds it.
    if report.failed and isinstance(devmode, Server):
        report.sections.append(("devmode", devmode.log[-LAST:]))
    if report.failed and "world" in item.funcargs:
        for gunicorn in item.funcargs["world"].gunicorns:
            report.sections.append((f"devmode at {gunicorn.port}", gunicorn.log[-LAST:]))
    return report


@pytest.fixture(scope="session")
def openqa(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgresqlServer
) -> Iterator[OpenQA]:
    """A running openQA with an idle worker."""
    instance = OpenQA(tmp_path_factory.mktemp("openqa"), postgresql)
    try:
        instance.start()
        yield instance
    finally:
        instance.stop()


@pytest.fixture(scope="session")
def devmode(openqa: OpenQA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A devmode in the place of openQA's livehandler, on the port of that."""
    server = Server(
        tmp_path_factory.mktemp("devmode"),
        openqa.livehandler_port,
        pool_directories=str(openqa.pool),
        openqa_websockets_url=openqa.websockets_url,
        openqa_worker_keys=f"{openqa.key}:{openqa.secret}",
        openqa_url=openqa.url,
        openqa_key=openqa.key,
        openqa_secret=openqa.secret,
        link_linger_s="1",
    )
    with server:
        yield server


@pytest.fixture(scope="session")
def worker(openqa: OpenQA) -> Worker:
    return Worker(openqa)


@pytest.fixture
def run_job(worker: Worker) -> Iterator[RunJob]:
    """Runs jobs, and leaves the worker idle for the next test."""
    yield worker.run
    worker.end()


@pytest.fixture
def paused_job(worker: Worker) -> int:
    """Is paused at its first module, where a test leaves it, controlled by nobody."""
    return worker.paused()


@pytest.fixture
def own_job(worker: Worker) -> Iterator[int]:
    """Is paused at its first module; a test may do with it what it likes."""
    yield worker.paused()
    worker.end()
