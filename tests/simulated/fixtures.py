"""A devmode that asks a simulated openQA, and a job in it with a simulated command server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from devmode.commandserver.simulator.server import Simulator
from devmode.jobs import openqa as polling
from tests.apps import app_in, running
from tests.null.fixtures import Person
from tests.simulated.openqa import SimulatedOpenQA
from tests.waiting import until

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def command_server() -> Iterator[Simulator]:
    simulator = Simulator(pace_s=0.05)
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def token(command_server: Simulator) -> str:
    return command_server.address.token.reveal()


@pytest.fixture
def app(
    tmp_path: Path, openqa: SimulatedOpenQA, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    monkeypatch.setattr(polling, "INTERVAL_S", 0.1)
    app = app_in(tmp_path, openqa_url=openqa.url, openqa_key="KEY", openqa_secret="SECRET")
    yield from running(app)


@pytest.fixture
def job_id(app: Flask, openqa: SimulatedOpenQA, command_server: Simulator, token: str) -> int:
    openqa.runs(
        7,
        host="127.0.0.1",
        port=command_server.port,
        token=token,
        group=MARKUP,
        settings={"NAME": MARKUP},
    )
    return only_job(app)


@pytest.fixture
def owner(app: Flask) -> Person:
    return Person(app, "olivia")


def only_job(app: Flask) -> int:
    """The number that devmode gives the only job, as soon as it has found it."""
    feed = app.extensions["devmode"].feed
    return int(until(lambda: next((line.id for line in feed.jobs()), None), "the job"))
