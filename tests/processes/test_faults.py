"""Faults of what devmode stands on: database, disk, proxy, network, command server."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.databases import PostgresqlServer
from tests.processes.hosts import DATABASE, HostsWorld, hosts_world
from tests.processes.people import Person
from tests.processes.proxy import Proxy
from tests.processes.world import Gunicorn, SimulatedJob, World
from tests.waiting import until

AWAY = "database can&#39;t be reached"
MOST_MEMORY_KB = 100_000


def settles(owner: Person, job: SimulatedJob, *, at: int = 0) -> None:
    """Waits until what the owner asks is done again, and checks what is true whatever happened."""
    until(lambda: owner.sets_pause_at(job, job.unused_module(), at=at).status == 200, "an answer")
    kinds = [kind for kind, _text in owner.world.events_of(job)]
    assert "ended" not in kinds
    assert kinds.count("started") == 1
    owner.world.check(job)


def memory_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if "VmRSS" in line).split()[1])


def test_a_database_that_freezes_is_told_and_goes_on_where_it_was(
    served_world: World, postgresql: PostgresqlServer
) -> None:
    served_world.wait_until_complete()
    job = served_world.start_job()
    olivia = Person(served_world, "olivia")
    watching = olivia.controls(job)
    postgresql.freeze()
    try:
        watching.until(AWAY)
    finally:
        postgresql.thaw()
    watching.until("Pause now")
    served_world.wait_until_complete()
    settles(olivia, job)


def test_a_process_that_begins_while_the_database_is_away_waits_for_it(
    served_world: World, postgresql: PostgresqlServer
) -> None:
    served_world.wait_until_complete()
    job = served_world.start_job()
    olivia = Person(served_world, "olivia")
    olivia.takes_control(job)
    postgresql.stop()
    try:
        for gunicorn in served_world.gunicorns:
            (old,) = gunicorn.workers
            os.kill(old, signal.SIGKILL)
            until(lambda gunicorn=gunicorn, old=old: gunicorn.workers not in ([], [old]), "another")
        time.sleep(3)  # how long is the fault
    finally:
        postgresql.start()
    served_world.wait_until_complete()
    settles(olivia, job)


def test_a_command_server_that_floods_hinders_nobody_who_controls_another_job(
    world: World,
) -> None:
    flooding, other = world.start_job(), world.start_job()
    olivia, oscar = Person(world, "olivia"), Person(world, "oscar")
    olivia.takes_control(flooding)
    oscar.takes_control(other)
    watching = olivia.watches(flooding)
    watching.until("You control this job")
    pids = [pid for gunicorn in world.gunicorns for pid in gunicorn.workers]
    before = {pid: memory_kb(pid) for pid in pids}
    flooding.flood()
    for at in (0, 1, 0, 1):
        assert oscar.sets_pause_at(other, other.unused_module(), at=at).status == 200
    settles(olivia, flooding)
    settles(oscar, other)
    assert all(memory_kb(pid) - before[pid] < MOST_MEMORY_KB for pid in pids)


def test_a_proxy_that_restarts_costs_nobody_control(proxied_world: World, proxy: Proxy) -> None:
    proxied_world.wait_until_complete()
    job = proxied_world.start_job()
    olivia = Person(proxied_world, "olivia")
    watching = olivia.controls(job, at=proxy)
    proxy.stop()
    watching.read_to_the_end()
    assert olivia.sets_pause_at(job, job.unused_module(), at=proxy).status == 0
    proxy.start()
    until(lambda: "You control this job" in olivia.watches(job, at=proxy).first(), "the return")
    assert olivia.sets_pause_at(job, job.unused_module(), at=proxy).status == 200
    proxied_world.check(job)


# A disk of its own, which gets full


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = ["-o", "size=8m"]
    subprocess.run(["mount", "-t", "tmpfs", *size, "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> Path:
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filling


def test_a_full_disk_is_told_and_ends_no_session(disk: Path, tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{disk / 'devmode.sqlite'}", 1, 1)
    try:
        job = world.start_job()
        olivia = Person(world, "olivia")
        watching = olivia.controls(job)
        filling = fill(disk)
        try:
            watching.until(AWAY)
            assert olivia.sets_pause_at(job, job.unused_module()).status == 503
        finally:
            filling.unlink()
        watching.until("Pause now")
        world.wait_until_complete()
        settles(olivia, job)
    finally:
        world.end()


# Another container, which this one's kernel tells nothing of


class Container(Gunicorn):
    """A gunicorn whose processes have numbers of their own."""

    def command(self) -> list[str]:
        return ["unshare", "--pid", "--fork", *super().command()]


class ContainersWorld(World):
    """Two gunicorns, the second of them in a container."""

    def new_gunicorn(self, number: int, environment: dict[str, str]) -> Gunicorn:
        kind = (Gunicorn, Container)[number]
        return kind(self.folder, f"gunicorn-{number}", environment)


def test_a_keeper_in_another_container_that_is_killed_is_succeeded_when_its_lease_has_lapsed(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    world = ContainersWorld(tmp_path, postgresql.new_database(), 1, 1)
    try:
        job = world.start_job()
        olivia = Person(world, "olivia")
        olivia.takes_control(job, at=1)
        here, container = world.gunicorns
        assert world.keeper_of(job)[0] is container
        assert olivia.sets_pause_at(job, job.unused_module(), at=0).status == 200
        container.kill()
        until(lambda: world.session_of(job).term == 2, "the adoption")
        assert "processes have died" not in here.log, "the kernel knew"
        settles(olivia, job, at=0)
    finally:
        world.end()


# A network that falls apart


@pytest.fixture
def hosts(postgresql: PostgresqlServer, tmp_path: Path) -> Iterator[HostsWorld]:
    """Two hosts that reach the database by the network, too."""
    with hosts_world(tmp_path, postgresql.new_database(), database_by_network=True) as world:
        yield world


def is_steered_from_both(hosts: HostsWorld, owner: Person, job: SimulatedJob) -> None:
    """Whoever was cut off is back, and has let go of what the other adopted."""
    hosts.wait_until_complete()
    for at in (0, 1, 0):
        until(lambda at=at: owner.sets_pause_at(job, job.unused_module(), at=at).status == 200,
             "an answer")  # fmt: skip
    assert hosts.session_of(job).term == 2


def test_a_keeper_that_is_cut_off_from_everything_is_succeeded_and_is_silent_when_it_is_back(
    hosts: HostsWorld,
) -> None:
    job = hosts.start_job_on(hosts.b)
    olivia = Person(hosts, "olivia")
    until(lambda: job.name in olivia.ask(hosts.gunicorns[0], "GET", "/").text, "the job to be told")
    olivia.takes_control(job, at=0)
    assert olivia.sets_pause_at(job, job.unused_module(), at=0).status == 200
    hosts.a.unplug()
    try:
        until(lambda: hosts.session_of(job).term == 2, "the adoption")
        for _ in range(3):
            assert olivia.sets_pause_at(job, job.unused_module(), at=1).status == 200
    finally:
        hosts.a.plug_in()
    is_steered_from_both(hosts, olivia, job)
    settles(olivia, job, at=1)


def test_a_keeper_that_is_cut_off_from_the_database_only_is_succeeded_and_goes_on_listening(
    hosts: HostsWorld,
) -> None:
    job = hosts.start_job_on(hosts.b)
    olivia = Person(hosts, "olivia")
    until(lambda: job.name in olivia.ask(hosts.gunicorns[0], "GET", "/").text, "the job to be told")
    watching = olivia.controls(job, at=0)
    of_the_first = {sender for sender, _in_flight, _command in job.witness}
    settings = {"pause_on_failure": "1", "pause_on_mismatch": "assert_screen"}
    job.freeze()
    try:
        asking = gevent.spawn(olivia.does, job, "settings", at=0, **settings)
        until(lambda: hosts.commands_of(job) == ["taken"], "the command to be taken")
        hosts.a.lose(DATABASE)
    finally:
        job.thaw()
    try:
        watching.until(AWAY)
        assert asking.get().status == 504
        until(lambda: hosts.session_of(job).term == 2, "the adoption")
        said = len(job.witness)
        for _ in range(3):
            module = job.unused_module()
            assert olivia.sets_pause_at(job, module, at=1).status == 200
            watching.until(f"Will pause at module {module}")
        assert olivia.sets_pause_at(job, job.unused_module(), at=0).status == 503
    finally:
        hosts.a.find(DATABASE)
    is_steered_from_both(hosts, olivia, job)
    late = [line for line in job.witness[said:] if line[0] in of_the_first]
    assert not late, "it spoke after its lease"
    settles(olivia, job, at=1)
