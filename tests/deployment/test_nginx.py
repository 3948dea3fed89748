"""The nginx of deploy/, when a gunicorn falls silent and when somebody asks too much."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.databases import PostgresqlServer
from tests.processes.people import Person, Stream
from tests.processes.proxy import Nginx
from tests.processes.world import SimulatedJob, World, until

PAGE_S, STREAM_S = 15.0, 25.0
"""As deploy/nginx.conf says."""
SLACK_S = 4.0
MOST_REQUESTS = 3000


@pytest.fixture
def world(postgresql: PostgresqlServer, tmp_path: Path) -> Iterator[World]:
    """Two gunicorns with a worker each: one will be stopped."""
    world = World(tmp_path, postgresql.new_database(), 1, 1, https="true")
    yield world
    world.end()


@pytest.fixture
def nginx(world: World) -> Iterator[Nginx]:
    nginx = Nginx(world)
    yield nginx
    nginx.stop()


def controlled_in_each(
    world: World, owner: Person, nginx: Nginx
) -> list[tuple[SimulatedJob, Stream]]:
    """A job at home in each gunicorn, and its owner's stream."""
    found: dict[int, tuple[SimulatedJob, Stream]] = {}
    while len(found) < len(world.gunicorns):
        assert len(world.jobs) < 40, "all jobs are in one gunicorn"
        job = world.start_job()
        watching = owner.controls(job, at=nginx)
        found[world.gunicorns.index(world.keeper_of(job)[0])] = job, watching
    return [found[number] for number in sorted(found)]


def test_a_stopped_gunicorn_keeps_no_page_no_form_and_no_stream_waiting_for_long(
    world: World, nginx: Nginx
) -> None:
    olivia = Person(world, "olivia")
    (job, silent), (other, watching) = controlled_in_each(world, olivia, nginx)
    began = time.monotonic()
    os.killpg(world.gunicorns[0].pid, signal.SIGSTOP)
    reading = gevent.spawn(silent.read_to_the_end)
    form = gevent.spawn(olivia.sets_pause_at, job, job.unused_module(), at=nginx)
    page = olivia.ask(nginx, "GET", f"/jobs/{world.number_of(job)}")
    assert page.status == 200
    assert PAGE_S <= time.monotonic() - began < PAGE_S + SLACK_S
    until(lambda: world.keeper_of(job)[0] is world.gunicorns[1], "another keeper")
    assert form.get().status == 504
    reading.get(timeout=SLACK_S)
    assert time.monotonic() - began < STREAM_S + SLACK_S
    assert job.steering == [], "the form was sent to the other one, too"
    # Who has nothing to tell, but lives, is not taken for silent.
    module = other.unused_module()
    assert olivia.sets_pause_at(other, module, at=nginx).status == 200
    watching.until(f"Will pause at module {module}", 5)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_asks_too_often_is_told_when_to_ask_again(nginx: Nginx, method: str) -> None:
    connection = nginx.connect()
    for _ in range(MOST_REQUESTS):
        connection.request(method, "/sign-in")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status == 429:
            break
    connection.close()
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "1"
    assert text == "Too many requests of this address. Try again in a second.\n"
