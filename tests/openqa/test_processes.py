"""Two gunicorns with two workers each, one database, one openQA: whoever dies is not missed."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.databases import PostgresqlServer
from tests.openqa.connections import Relay, listener_at, owner_of
from tests.openqa.instance import SLOW_OPENQA_S, OpenQA
from tests.openqa.pages import ABNORMAL, Developer, Tab
from tests.processes.world import START_CODE, Gunicorn, SimulatedJob, World
from tests.waiting import until

NUMBER = 4711
"""Of the simulated job, as its pool directory tells it."""


@dataclass
class Door:
    """Where one of the gunicorns is reached."""

    gunicorn: Gunicorn
    start_code: str = START_CODE

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gunicorn.port}"

    def holder_of(self, tab: Tab) -> int:
        """The worker that has the other end of a websocket."""
        port, workers = self.gunicorn.port, self.gunicorn.workers
        found: int = until(lambda: owner_of(port, tab.port, workers), "the worker of a websocket")
        return found


@pytest.fixture(scope="module")
def relay(openqa: OpenQA) -> Iterator[Relay]:
    relay = Relay(openqa.port)
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def world(
    openqa: OpenQA,
    relay: Relay,
    postgresql: PostgresqlServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("processes")
    world = World(
        folder,
        postgresql.new_database(),
        2,
        2,
        pool_directories=f"{openqa.pool}:{folder}/pools/*",
        openqa_url=relay.url,
        openqa_key=openqa.key,
        openqa_secret=openqa.secret,
        # A worker that is told would look for devmode at a port where it is not.
        openqa_websockets_url="",
        openqa_quit="cancel",
        kept_directory=str(folder / "kept"),
    )
    yield world
    world.end()


@pytest.fixture
def doors(world: World) -> tuple[Door, Door]:
    world.wait_until_complete()
    first, second = world.gunicorns
    return Door(first), Door(second)


@pytest.fixture
def job(doors: tuple[Door, Door], own_job: int) -> int:
    """Is paused at its first module, and known to both gunicorns."""
    for door in doors:
        victor = Developer(door, "victor", "viewer")
        until(lambda victor=victor: victor.sees_pause(own_job), "a pause")  # type: ignore[misc]
    return own_job


def asking(world: World) -> int:
    """The worker that asks openQA, by the database."""
    ((name,),) = world.rows("SELECT process_id FROM openqa_instances")
    found = (gunicorn.pid_of(name) for gunicorn in world.gunicorns)
    return next(pid for pid in found if pid is not None)


def askers(world: World, relay: Relay) -> set[int]:
    """The workers from which openQA is asked just now."""
    workers = [pid for gunicorn in world.gunicorns for pid in gunicorn.workers]
    found = (owner_of(port, relay.port, workers) for port in relay.asked_from)
    return {pid for pid in found if pid is not None}


def test_one_process_asks_for_all_and_another_takes_its_place(
    job: int, world: World, relay: Relay
) -> None:
    first = asking(world)
    # Only a connection that is still there tells whose it is, and openQA ends one that rests.
    assert until(lambda: askers(world, relay), "a process to ask") == {first}
    relay.asked_from.clear()
    os.kill(first, signal.SIGKILL)
    successors = until(lambda: askers(world, relay), "another process to ask")
    assert successors == {asking(world)} != {first}
    query = "SELECT ended_at FROM jobs WHERE openqa_id = :number"
    assert world.rows(query, number=job) == [(None,)]


def test_a_session_is_kept_when_the_worker_of_its_websocket_dies(
    job: int, world: World, doors: tuple[Door, Door]
) -> None:
    here, there = doors
    olivia, oscar = Developer(here, "olivia"), Developer(there, "oscar")
    watching = oscar.watches(job)
    tab = olivia.controls(job)
    watching.hear_data(developer_name="olivia", developer_session_tab_count=1)
    second = olivia.at(there).controls(job)
    for each in (tab, watching):
        each.hear_data(developer_name="olivia", developer_session_tab_count=2)
    locked = oscar.controls(job)
    assert locked.hear_the_end() == 1011

    os.kill(here.holder_of(tab), signal.SIGKILL)
    assert tab.hear_the_end() == ABNORMAL
    watching.hear_data(developer_name="olivia", developer_session_tab_count=1)
    again = olivia.controls(job)
    again.hear_data(developer_session_is_yours=True, developer_session_tab_count=2)
    again.send(cmd="set_pause_at_test", name="boot-choose_entry")
    for each in (again, second):
        each.hear_data(set_pause_at_test="boot-choose_entry")
    second.send(cmd="resume_test_execution", options={})
    for each in (again, second, watching):
        each.hear_data(paused=1, reason="reached module boot-choose_entry")

    ((number,),) = world.rows("SELECT id FROM jobs WHERE openqa_id = :number", number=job)
    olivia.post(f"/jobs/{number}/session/release", then="stay")
    assert [each.hear_the_end() for each in (again, second)] == [1000, 1000]
    watching.hear_data(developer_name=None, developer_session_tab_count=0)
    watching.close()


def test_a_restart_says_that_it_is_one_and_the_session_is_there_afterwards(
    job: int, doors: tuple[Door, Door]
) -> None:
    olivia = Developer(doors[0], "olivia")
    tabs = [olivia.at(door).controls(job) for door in doors]
    for tab in tabs:
        tab.hear_data(developer_session_is_yours=True, developer_session_tab_count=2)
    tabs[0].send(cmd="set_pause_on_failure", flag=True)
    tabs[0].hear_data(set_pause_on_failure=1)
    for door in doors:
        os.kill(door.gunicorn.pid, signal.SIGTERM)
    assert [tab.hear_the_end() for tab in tabs] == [1001, 1001]
    for door in doors:
        door.gunicorn.stop()
        door.gunicorn.begin()
    back = [until(lambda door=door: opened(olivia, door, job), "devmode") for door in doors]  # type: ignore[misc]
    for tab in back:
        tab.hear_data(developer_session_is_yours=True, developer_session_tab_count=2)
    back[0].send(cmd="status")
    back[0].hear_data(pause_on_failure=1, test_execution_paused="reached module boot-menu_visible")
    for tab in back:
        tab.close()


def test_who_quits_cancels_the_job_where_that_is_set(
    job: int, openqa: OpenQA, world: World, doors: tuple[Door, Door]
) -> None:
    # Until openQA has told of the job, its pool directory alone says where it could be cancelled.
    told = "SELECT 1 FROM jobs WHERE openqa_id = :number AND openqa_url IS NOT NULL"
    until(lambda: world.rows(told, number=job), "openQA to tell of the job", SLOW_OPENQA_S)
    here, there = doors
    olivia = Developer(here, "olivia")
    watching = Developer(there, "oscar").watches(job)
    tabs = [olivia.at(door).controls(job) for door in doors]
    for tab in tabs:
        tab.hear_data(developer_session_is_yours=True, developer_session_tab_count=2)
    tabs[0].send(cmd="quit_development_session")
    assert tabs[0].hear_the_end() == 1000
    assert tabs[1].hear_the_end() in {1000, 1011}
    assert watching.hear_the_end() == 1011
    assert watching.heard[-1]["what"] == "connection to os-autoinst command server lost"
    until(lambda: openqa.job(job)["state"] == "done", "openQA to cancel the job")
    cancelled = openqa.job(job)
    assert cancelled["result"] == "user_cancelled"
    assert "cancelled in devmode by olivia" in cancelled["reason"]


def test_a_killed_command_server_is_the_end_of_its_job(
    job: int, openqa: OpenQA, doors: tuple[Door, Door]
) -> None:
    tab = Developer(doors[0], "olivia").controls(job)
    tab.hear_data(developer_session_is_yours=True)
    os.kill(listener_at(openqa.command_server_port), signal.SIGKILL)
    assert tab.hear_the_end() == 1011
    assert tab.heard[-1]["data"]["category"] == "cmdsrv-connection"


def test_a_connection_that_is_cut_is_opened_anew_under_the_page(
    world: World, doors: tuple[Door, Door]
) -> None:
    simulated = world.start_job()
    tell_number(simulated)
    olivia = Developer(doors[0], "olivia")
    oscar = Developer(doors[1], "oscar")
    tab = until(lambda: told_of_olivia(olivia.controls(NUMBER)), "a session")
    watching = until(lambda: told_of_olivia(oscar.watches(NUMBER)), "it to be told elsewhere")
    simulated.cut_connections()
    for each in (tab, watching):
        each.hear_until(lambda m: m["what"].startswith("connecting to os-autoinst"))
        each.hear_until(lambda m: m["what"] == "connected to os-autoinst command server")
    tab.send(cmd="set_pause_on_failure", flag=True)
    watching.hear_data(set_pause_on_failure=1)
    tab.close()
    watching.close()


def tell_number(simulated: SimulatedJob) -> None:
    (simulated.pool / "job.json").write_text(json.dumps({"id": NUMBER}))


def told_of_olivia(tab: Tab) -> Tab | None:
    """The websocket, if its job is known there and hers."""
    while (message := tab.hear()) is not None:
        if (message["data"] or {}).get("developer_name") == "olivia":
            return tab
    return None


def opened(olivia: Developer, door: Door, job: int) -> Tab | None:
    try:
        return olivia.at(door).controls(job)
    except OSError:
        return None
