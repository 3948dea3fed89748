"""Whether the database's tables are those that this version of devmode knows."""

from pathlib import Path

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import OperationalError

from devmode.cluster.postgresql import engine_options

VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"


def newer_schema(connection: Connection) -> str | None:
    """Say that the tables were made by a newer devmode; None if they were not."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    known = {path.name.partition("_")[0] for path in VERSIONS.glob("*.py")}
    rows = connection.execute(text("SELECT version_num FROM alembic_version"))
    unknown = {row.version_num for row in rows} - known
    if not unknown:
        return None
    return (
        f"The database belongs to a newer devmode: its tables are of version {min(unknown)}, this"
        f" devmode knows them up to {max(known)}. Run the newer devmode, or restore the backup that"
        " was made before it."
    )


def newer_schema_at(database_url: str) -> str | None:
    """Say so of a database by its URL; None also while it can't be reached."""
    engine = create_engine(database_url, **engine_options(database_url))
    try:
        with engine.connect() as connection:
            return newer_schema(connection)
    except OperationalError:
        return None
    finally:
        engine.dispose()
