"""The database of yesterday, or of tomorrow, while jobs run."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.databases import PostgresqlServer
from tests.migrations import UPGRADE
from tests.processes.people import Person
from tests.processes.world import ROOT, World
from tests.waiting import LIMIT_S, until


@pytest.fixture
def world(postgresql: PostgresqlServer, tmp_path: Path) -> World:
    world = World(tmp_path, postgresql.new_database(), 1)
    yield world
    world.end()


def test_a_backup_is_restored_while_jobs_run(
    world: World, postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    (gunicorn,) = world.gunicorns
    controlled, free = world.start_job(), world.start_job()
    olivia, oscar = Person(world, "olivia"), Person(world, "oscar")
    olivia.takes_control(controlled)
    assert olivia.sets_pause_at(controlled, controlled.unused_module()).status == 200
    backup = tmp_path / "backup"
    postgresql.back_up(world.engine.url, backup)
    assert olivia.does(controlled, "session/release", then="stay").status == 200
    oscar.takes_control(controlled)
    oscar.takes_control(free)
    sent = controlled.steering
    gunicorn.stop()
    world.engine.dispose()
    postgresql.restore(world.engine.url, backup)
    gunicorn.begin()
    world.wait_until_complete()
    until(lambda: world.session_of(controlled).term == 2, "somebody to keep the session")
    assert controlled.steering == sent, "something was sent that nobody asked for now"
    assert oscar.does(controlled, "session").status == 409
    assert olivia.sets_pause_at(controlled, controlled.unused_module()).status == 200
    assert world.session_of(free) is None
    oscar.takes_control(free)
    world.check(free)


def test_tables_of_a_newer_devmode_stop_the_start_with_a_sentence(world: World) -> None:
    (gunicorn,) = world.gunicorns
    gunicorn.stop()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for program in (gunicorn.command(), UPGRADE):
        started = subprocess.run(
            program,
            cwd=ROOT,
            env=gunicorn.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert started.returncode == 1
        assert "belongs to a newer devmode" in started.stderr
        assert "Traceback" not in started.stderr
