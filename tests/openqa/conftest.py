"""One real openQA for all tests of the group, and jobs that its worker runs one after the other."""

from collections.abc import Callable, Iterator

import pytest

from tests.chromium.server import Server
from tests.databases import PostgresqlServer, postgresql
from tests.openqa.instance import OpenQA

RunJob = Callable[..., int]

__all__ = ["openqa", "postgresql", "run_job"]


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


@pytest.fixture
def run_job(openqa: OpenQA) -> Iterator[RunJob]:
    """Runs jobs, and leaves the worker idle for the next test."""
    jobs: list[int] = []

    def run(*modules: str, **settings: str | int) -> int:
        jobs.append(openqa.run_job(*modules, **settings))
        return jobs[-1]

    yield run
    for number in jobs:
        openqa.end_job(number)
