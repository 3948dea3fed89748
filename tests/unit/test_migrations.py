"""The tables that migrations make are the ones that the models describe, and keep what is there."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import Connection, MetaData, Table, event, select, text, types
from sqlalchemy.types import TypeEngine

from devmode.cluster import sqlite
from devmode.cluster.schema import VERSIONS, newer_schema_at
from devmode.extensions import db
from tests.apps import app_on
from tests.databases import PostgresqlServer

A_CONTROLLED_JOB = (
    "INSERT INTO users (id, name) VALUES (1, 'olivia')",
    "INSERT INTO jobs (id, host, pool_directory, token_hash, name, started_at)"
    " VALUES (7, 'here', '/pool', 'hash', 'job', 1.5)",
    "INSERT INTO developer_sessions (job_id, user_id, started_at, process_id, term, open, turn)"
    " VALUES (7, 1, 2.5, 'gone', 1, true, 3)",
)


def app_with(database_url: str) -> Flask:
    return app_on(database_url)


@pytest.fixture
def database(database_url: str) -> Iterator[None]:
    with app_with(database_url).app_context():
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


RELEASED = sorted(path.name.partition("_")[0] for path in VERSIONS.glob("*.py"))
VALUES: dict[type[TypeEngine[Any]], object] = {
    types.Boolean: True,
    types.Integer: 1,
    types.Float: 1.5,
    types.JSON: {"some": ["JSON"]},
    types.String: "some text",
}


def fill(connection: Connection) -> dict[str, list[dict[str, object]]]:
    """Puts one row into every table there is, and returns what is in them."""
    tables = MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        if table.name != "alembic_version":
            values = {
                column.name: next(v for kind, v in VALUES.items() if isinstance(column.type, kind))
                for column in table.columns
            }
            connection.execute(table.insert().values(values))
    return {table.name: rows_of(connection, table) for table in tables.sorted_tables}


def rows_of(connection: Connection, table: Table) -> list[dict[str, object]]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("revision", RELEASED)
def test_an_upgrade_from_any_version_keeps_everything_that_is_there(revision: str) -> None:
    upgrade(revision=revision)
    with db.engine.begin() as connection:
        before = fill(connection)
    upgrade()
    with db.engine.connect() as connection:
        tables = MetaData()
        tables.reflect(connection)
        del before["alembic_version"]
        for name, rows in before.items():
            (now,) = rows_of(connection, tables.tables[name])
            (then,) = rows
            assert {column: now[column] for column in then} == then


@pytest.mark.usefixtures("database")
def test_tables_of_a_newer_devmode_are_refused_with_a_sentence() -> None:
    upgrade()
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SystemExit, match="newer devmode: its tables are of version 9999"):
        upgrade()
    url = db.engine.url.render_as_string(hide_password=False)
    assert "newer devmode" in (newer_schema_at(url) or "")


def test_an_upgrade_on_a_machine_that_is_busy_has_a_minute_from_one_statement_to_the_next(
    postgresql: PostgresqlServer,
) -> None:
    limits: set[str] = set()

    def note(connection: Connection, _cursor: object, statement: str, *_how: object) -> None:
        if "CREATE TABLE" in statement:
            driver = connection.connection.driver_connection
            assert driver is not None
            (limit,) = driver.execute("SHOW idle_in_transaction_session_timeout").fetchone()
            limits.add(limit)

    with app_with(postgresql.new_database()).app_context():
        event.listen(db.engine, "before_cursor_execute", note)
        upgrade()
    assert limits == {"1min"}


def test_an_upgrade_of_a_file_waits_for_another_one_and_lets_none_come_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "devmode.sqlite"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(sqlite.time, "sleep", lambda _s: other.in_transaction and other.commit())
    commits: list[Connection] = []
    with app_with(f"sqlite:///{file}").app_context():
        event.listen(db.engine, "commit", commits.append)
        upgrade()
    assert len(commits) == 1
    assert other.execute("SELECT version_num FROM alembic_version").fetchall() == [(RELEASED[-1],)]
    other.close()


@pytest.mark.parametrize(
    "url", ["sqlite:///{}/nowhere/devmode.sqlite", "postgresql+psycopg://nobody@/none?host={}"]
)
def test_an_upgrade_of_a_database_out_of_reach_ends_with_a_sentence(
    url: str, tmp_path: Path
) -> None:
    app = app_with(url.format(tmp_path))
    with app.app_context(), pytest.raises(SystemExit, match="can't be reached: "):
        upgrade()


def test_a_database_that_is_new_or_out_of_reach_is_not_called_newer(tmp_path: Path) -> None:
    assert newer_schema_at(f"sqlite:///{tmp_path / 'new.sqlite'}") is None
    assert newer_schema_at(f"postgresql+psycopg://nobody@/none?host={tmp_path}") is None


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
