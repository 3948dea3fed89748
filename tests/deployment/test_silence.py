"""The proxies of deploy/, before a gunicorn that falls silent and keeps its connections open."""

import os
import signal

import gevent
import pytest

from tests.processes.people import Person, Stream
from tests.processes.proxy import Proxy
from tests.processes.world import SimulatedJob, World
from tests.waiting import until

LIMIT_S = 250.0
"""Ten times what deploy/nginx.conf and deploy/apache.conf say of streams."""


def controlled_in_each(
    world: World, owner: Person, nginx: Proxy
) -> list[tuple[SimulatedJob, Stream]]:
    """A job at home in each gunicorn, and its owner's stream."""
    found: dict[int, tuple[SimulatedJob, Stream]] = {}
    while len(found) < len(world.gunicorns):
        assert len(world.jobs) < 40, "all jobs are in one gunicorn"
        job = world.start_job()
        watching = owner.controls(job, at=nginx)
        found[world.gunicorns.index(world.keeper_of(job)[0])] = job, watching
    return [found[number] for number in sorted(found)]


@pytest.mark.timeout(2 * LIMIT_S)
def test_a_stopped_gunicorn_keeps_no_page_no_form_and_no_stream_waiting_for_long(
    proxied_world: World, proxy: Proxy, apache: Proxy
) -> None:
    world, nginx = proxied_world, proxy
    olivia = Person(world, "olivia")
    (job, silent), (other, watching) = controlled_in_each(world, olivia, nginx)
    # Apache goes from one to the other.
    spread = [olivia.watches(job, at=apache) for _ in range(4)]
    os.killpg(world.gunicorns[0].pid, signal.SIGSTOP)
    reading = gevent.spawn(silent.read_to_the_end)
    others = [gevent.spawn(stream.read_to_the_end) for stream in spread]
    form = gevent.spawn(olivia.sets_pause_at, job, job.unused_module(), at=nginx)
    page = olivia.ask(nginx, "GET", f"/jobs/{world.number_of(job)}")
    assert page.status == 200
    until(lambda: world.keeper_of(job)[0] is world.gunicorns[1], "another keeper")
    assert form.get().status == 504
    reading.get(timeout=LIMIT_S)
    assert gevent.wait(others, timeout=LIMIT_S, count=1), "Apache keeps them all"
    assert job.steering == [], "the form was sent to the other one, too"
    # Who has nothing to tell, but lives, is not taken for silent.
    module = other.unused_module()
    assert olivia.sets_pause_at(other, module, at=nginx).status == 200
    watching.until(f"Will pause at module {module}", 5)
