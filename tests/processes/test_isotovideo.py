"""The processes of devmode die around a real job, which goes on as if nothing had happened."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.processes.isotovideo import Isotovideo
from tests.processes.people import Person
from tests.processes.world import World
from tests.waiting import until

MODULES = ("boot/menu_visible", "shell/small_steps", "shell/command_line")

StartIsotovideo = Callable[[], Isotovideo]


@pytest.fixture
def isotovideo(served_world: World) -> Iterator[StartIsotovideo]:
    """Starts real jobs on the null backend."""
    served_world.wait_until_complete()
    started: list[Isotovideo] = []

    def start() -> Isotovideo:
        started.append(Isotovideo(served_world, f"real-{os.urandom(4).hex()}", *MODULES))
        return started[-1]

    yield start
    for job in started:
        job.real.stop()


def kinds_of(world: World, job: Isotovideo) -> list[str]:
    return [kind for kind, _text in world.events_of(job)]


def test_a_real_job_goes_on_where_it_was_whether_its_keeper_dies_or_wakes_up_late(
    served_world: World, isotovideo: StartIsotovideo
) -> None:
    world, job = served_world, isotovideo()
    olivia = Person(world, "olivia")
    olivia.takes_control(job)
    gunicorn, pid = world.keeper_of(job)
    other = 1 - world.gunicorns.index(gunicorn)
    os.kill(pid, signal.SIGKILL)
    until(lambda: world.session_of(job).term == 2, "the adoption")
    assert olivia.sets_pause_at(job, "shell-small_steps", at=other).status == 200
    assert olivia.does(job, "resume", at=other).status == 200
    until(lambda: job.real.results()["boot-menu_visible"] == "ok", "the first module to end")
    job.real.wait_for_pause()
    world.wait_until_complete()
    gunicorn, pid = world.keeper_of(job)
    other = 1 - world.gunicorns.index(gunicorn)
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: world.session_of(job).term == 3, "the adoption")
        assert olivia.sets_pause_at(job, "shell-command_line", at=other).status == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    world.wait_until_complete()
    assert job.real.is_running
    assert olivia.does(job, "session/release", at=1 - other, then="continue").status == 200
    job.real.wait_for_end()
    assert set(job.real.results().values()) == {"ok"}
    assert job.witness == [
        "pausing test execution of boot-menu_visible",
        "test execution will be paused at test shell-small_steps",
        "test execution will be resumed",
        "pausing test execution of shell-small_steps",
        "test execution will be paused at test shell-command_line",
        "test execution will no longer be paused at a certain test",
        "test execution will be resumed",
    ]
    kinds = kinds_of(world, job)
    assert kinds.count("adopted") == 2
    assert kinds[-2:] == ["released", "ended"]


def test_a_real_command_server_that_dies_takes_job_and_session_along_and_no_process_comes_back(
    served_world: World, isotovideo: StartIsotovideo
) -> None:
    world, job = served_world, isotovideo()
    olivia, victor = Person(world, "olivia"), Person(world, "victor", "viewer")
    olivia.takes_control(job)
    watching = [victor.watches(job, at=at) for at in (0, 1)]
    for stream in watching:
        stream.until("controls this job")
    job.real.kill_command_server()
    until(lambda: world.session_of(job) is None, "the end of the session")
    for stream in watching:
        stream.until("ended")
        stream.close()
    job.real.wait_for_end()
    until(lambda: olivia.does(job, "session", at=1).status == 409, "the end to be known there")
    assert kinds_of(world, job).count("ended") == 1
