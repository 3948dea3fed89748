"""How Alembic reaches the database: by the application's engine, online only."""

import logging.config
import sys

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from devmode.cluster.schema import newer_schema

# Loggers that exist stay on: a test may listen to them.
logging.config.fileConfig(context.config.config_file_name, disable_existing_loggers=False)
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('devmode migrations'))")
db = current_app.extensions["migrate"].db


def connect() -> Connection:
    try:
        # With SQLite, who writes waits for others that do.
        return db.engine.connect().execution_options(writes=True)
    except OperationalError as error:
        sys.exit(f"The database of DEVMODE_DATABASE_URL can't be reached: {error.orig}")


with connect() as connection:
    newer = newer_schema(connection)
    if newer is not None:
        sys.exit(newer)
    connection.rollback()
    if connection.dialect.name == "sqlite":
        # SQLite alters a table by making it anew, and would delete what refers to the old one.
        connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
    else:
        # A big table takes longer than any request of devmode may, and so does its lock.
        for limit in ("statement_timeout", "lock_timeout"):
            connection.connection.driver_connection.execute(f"SET {limit} = 0")
        # Nor is it given up because the machine is busy; one that is stopped holds up all others.
        connection.connection.driver_connection.execute(
            "SET idle_in_transaction_session_timeout = '1min'"
        )
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        # All of them at once, also with SQLite: nobody else's upgrade comes in between.
        transactional_ddl=True,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Every process of every host comes here when it starts.
            connection.execute(ONE_AT_A_TIME)
        context.run_migrations()
