"""The tables that migrations make are the ones that the models describe, and keep what is there."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import Connection, text

from app import create_app
from devmode.config import Settings
from devmode.extensions import db

A_CONTROLLED_JOB = (
    "INSERT INTO users (id, name) VALUES (1, 'olivia')",
    "INSERT INTO jobs (id, host, pool_directory, token_hash, name, started_at)"
    " VALUES (7, 'here', '/pool', 'hash', 'job', 1.5)",
    "INSERT INTO developer_sessions (job_id, user_id, started_at, process_id, term, open, turn)"
    " VALUES (7, 1, 2.5, 'gone', 1, true, 3)",
)


@pytest.fixture
def database(database_url: str) -> Iterator[None]:
    app = create_app(
        Settings(
            database_url=database_url,
            secret_key="only for tests",
            start_code="sesame",
            host="here",
        )
    )
    with app.app_context():
        yield


def session_rows(connection: Connection) -> list[tuple[object, ...]]:
    query = (
        "SELECT jobs.name, users.name, turn FROM developer_sessions"
        " JOIN jobs ON jobs.id = job_id JOIN users ON users.id = user_id"
    )
    return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.usefixtures("database")
def test_migrations_and_models_agree() -> None:
    upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


@pytest.mark.usefixtures("database")
def test_an_upgrade_keeps_the_sessions_that_there_are() -> None:
    upgrade(revision="0001")
    with db.engine.begin() as connection:
        for statement in A_CONTROLLED_JOB:
            connection.execute(text(statement))
    upgrade()
    with db.engine.connect() as connection:
        assert session_rows(connection) == [("job", "olivia", 3)]
    downgrade(revision="0001")
    with db.engine.connect() as connection:
        assert session_rows(connection) == [("job", "olivia", 3)]
