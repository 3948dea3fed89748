"""Programs with tokens and people with browsers, real jobs, and a devmode that takes a lot."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from gevent.pywsgi import WSGIServer

from tests.api.fixtures import NewProgram, Program
from tests.null.fixtures import (
    Watched,
    folder,
    lasting_job,
    null,
    owner,
    running_job,
    serving,
    shared_job,
    sign_in,
    victor,
)
from tests.real.fixtures import null_job

__all__ = [
    "folder",
    "null",
    "null_job",
    "owner",
    "running_job",
    "shared_job",
    "sign_in",
    "victor",
]

PLENTY = 10**9


@pytest.fixture(scope="session")
def app(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A devmode that takes as many requests as these tests send; limits have tests of their own."""
    yield from serving(
        folder,
        tmp_path_factory,
        api_requests_per_minute=PLENTY,
        sign_in_attempts_per_minute=PLENTY,
    )


@pytest.fixture(scope="session")
def new_program(app: Flask) -> NewProgram:
    """Makes programs, each with a token of its own."""
    return lambda name, role="operator": Program(app, name, role)


@pytest.fixture(scope="session")
def program(new_program: NewProgram) -> Program:
    return new_program("robot")


@pytest.fixture(scope="session")
def other_program(new_program: NewProgram) -> Program:
    return new_program("other robot")


@pytest.fixture
def controlled_job(shared_job: Watched, program: Program) -> Iterator[Watched]:
    """The shared job, paused at its first module, controlled by `program`."""
    program.does("PUT", shared_job, "session")
    yield shared_job
    if shared_job.view.session is not None:
        program.does("DELETE", shared_job, "session?then=stay")


@pytest.fixture(scope="session")
def recorded_job(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A job that has typed and recorded something, and pauses at its second module.

    No fixture looks at it, not even for its state.
    """
    modules = ("shell/command_line", "boot/menu_visible")
    variables = {"PAUSE_AT": "boot-menu_visible", "TYPING_LIMIT": 100}
    with lasting_job(app, tmp_path_factory, *modules, **variables) as job:
        job.real.wait_for_pause()
        job.wait_for(lambda view: view.job.modules[0].result, "the result of a module")
        yield job


@pytest.fixture(scope="session")
def server_url(app: Flask) -> Iterator[str]:
    """The same devmode over HTTP, for programs in processes of their own."""
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stop(timeout=1)
