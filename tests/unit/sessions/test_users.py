"""Users as several processes see them at the same time."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import create_engine, text

from devmode.cluster.database import Base, Database
from devmode.cluster.postgresql import engine_options
from devmode.sessions.models import User
from devmode.sessions.users import user_of
from tests.databases import PostgresqlServer
from tests.waiting import LIMIT_S, until


def number_of(database: Database, name: str) -> int:
    with database.write() as session:
        return user_of(session, name)


def waits(database: Database) -> bool:
    """Tells whether somebody waits for the end of another transaction."""
    with database.read() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_two_who_see_somebody_for_the_first_time_in_the_same_moment_see_the_same_user(
    postgresql: PostgresqlServer,
) -> None:
    """With SQLite only one can write."""
    url = postgresql.new_database()
    engine = create_engine(url, **engine_options(url))
    database = Database(engine)
    Base.metadata.create_all(engine, tables=[User.__table__])
    with ThreadPoolExecutor(1) as others:
        with database.write() as session:
            first = user_of(session, "olivia")
            second = others.submit(number_of, database, "olivia")
            until(lambda: waits(database), "the other one to come as far")
        assert second.result(LIMIT_S) == first
    engine.dispose()
