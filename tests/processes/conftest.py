"""Worlds of several processes, on both kinds of database."""

from collections.abc import Iterator

import pytest

from tests.databases import PostgresqlServer, postgresql
from tests.processes.proxy import Proxy
from tests.processes.world import World

__all__ = ["postgresql"]


@pytest.fixture(scope="session")
def served_world(
    postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Two gunicorns with a worker each, on PostgreSQL."""
    world = World(tmp_path_factory.mktemp("served"), postgresql.new_database(), 1, 1)
    yield world
    world.end()


@pytest.fixture(scope="session")
def file_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same on a file of SQLite."""
    folder = tmp_path_factory.mktemp("file")
    world = World(folder, f"sqlite:///{folder / 'devmode.sqlite'}", 1, 1)
    yield world
    world.end()


@pytest.fixture(scope="module")
def proxied_world(
    postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Two gunicorns with two workers each on PostgreSQL, to stand behind a proxy."""
    folder = tmp_path_factory.mktemp("proxied")
    world = World(folder, postgresql.new_database(), 2, 2, https="true")
    yield world
    world.end()


@pytest.fixture(scope="module")
def proxy(proxied_world: World) -> Iterator[Proxy]:
    """The proxy before them."""
    proxy = Proxy(proxied_world)
    yield proxy
    proxy.stop()


@pytest.fixture(params=["file_world", "served_world"])
def world(request: pytest.FixtureRequest) -> World:
    """One of both, with every process alive again that an earlier test has killed."""
    world: World = request.getfixturevalue(request.param)
    world.wait_until_complete()
    return world
