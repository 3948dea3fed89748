"""Worlds of several processes, on both kinds of database."""

from collections.abc import Iterator

import pytest

from tests.databases import PostgresqlServer
from tests.processes.proxy import PROXY_SECRET, Apache, Nginx, Proxy
from tests.processes.world import World


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
    settings = {"https": "true", "proxy_secret": PROXY_SECRET}
    world = World(folder, postgresql.new_database(), 2, 2, **settings)
    yield world
    world.end()


@pytest.fixture(scope="module")
def proxy(proxied_world: World) -> Iterator[Proxy]:
    """The proxy before them."""
    nginx = Nginx(proxied_world)
    yield nginx
    nginx.stop()


@pytest.fixture
def apache(proxied_world: World) -> Iterator[Proxy]:
    """Another one before the same."""
    apache = Apache(proxied_world)
    yield apache
    apache.stop()


@pytest.fixture(params=["file_world", "served_world"])
def world(request: pytest.FixtureRequest) -> World:
    """One of both, with every process alive again that an earlier test has killed."""
    world: World = request.getfixturevalue(request.param)
    world.wait_until_complete()
    return world
