"""What tests of sessions share: a database of either kind, with people and a job."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from devmode.cluster.database import Base, Database
from devmode.cluster.postgresql import engine_options
from devmode.jobs.models import JobRow
from devmode.sessions.models import User


@pytest.fixture
def peopled(database_url: str) -> Iterator[Database]:
    """Olivia, adam and oscar are users 1, 2 and 3, and there is job 1."""
    engine = create_engine(database_url, **engine_options(database_url))
    database = Database(engine)
    Base.metadata.create_all(engine)
    nowhere = {"host": "", "pool_directory": "", "token_hash": ""}
    with database.write() as session:
        people = {1: "olivia", 2: "adam", 3: "oscar"}
        session.add_all(User(id=number, name=name) for number, name in people.items())
        session.add(JobRow(id=1, name="x", started_at=1, **nowhere))
    yield database
    engine.dispose()
