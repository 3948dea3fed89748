import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select, update
from sqlalchemy.exc import OperationalError

from devmode.cluster import database as database_module
from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database, after_commit, is_locked
from devmode.cluster.leases import Lease
from devmode.cluster.models import Change, Process
from devmode.cluster.notices import Notices


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    yield from opened(path)


@pytest.fixture
def other(database: Database, path: Path) -> Iterator[Database]:
    yield from opened(path)


def opened(path: Path) -> Iterator[Database]:
    engine = create_engine(f"sqlite:///{path}")
    database = Database(engine)
    Base.metadata.create_all(engine, tables=[Process.__table__, Change.__table__])
    yield database
    engine.dispose()


def add(database: Database, name: str) -> None:
    with database.write() as session:
        session.add(Process(id=name, host="h", lease_until=0))


def names(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Process.id)))


def test_two_that_write_at_once_wait_for_each_other(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    sleep = database_module.time.sleep
    monkeypatch.setattr(database_module.time, "sleep", lambda s: (waits.set(), sleep(s)))
    second = threading.Thread(target=add, args=(other, "second"))
    with database.write() as session:
        session.add(Process(id="first", host="h", lease_until=0))
        session.flush()
        second.start()
        assert waits.wait(10)
        assert names(other) == set()
    second.join(10)
    assert names(database) == {"first", "second"}


def test_nobody_waits_for_ever(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "WRITE_LOCK_TIMEOUT_S", 0)
    with database.write() as session:
        session.execute(select(1))
        with pytest.raises(OperationalError) as refused:
            add(other, "second")
    assert is_locked(refused.value)


def test_readers_do_not_wait_for_a_writer(database: Database, other: Database) -> None:
    with database.write() as session:
        session.add(Process(id="first", host="h", lease_until=0))
        session.flush()
        assert names(other) == set()


def test_what_fails_is_not_written(database: Database) -> None:
    heard: list[str] = []
    with pytest.raises(ZeroDivisionError), database.write() as session:  # noqa: PT012 - rolls back
        session.add(Process(id="first", host="h", lease_until=0))
        session.flush()
        after_commit(session, lambda: heard.append("no"))
        _ = 1 / 0
    assert names(database) == set()
    assert heard == []


def test_what_a_reader_changes_is_thrown_away(database: Database) -> None:
    with database.read() as session:
        session.add(Process(id="first", host="h", lease_until=0))
        session.flush()
    assert names(database) == set()


def test_a_lease_is_renewed_while_it_lasts(database: Database) -> None:
    lease = Lease(database, "h")
    assert not lease.is_held
    lease.take()
    assert lease.is_held
    assert lease.renew()
    assert names(database) == {lease.process_id}


def test_a_lease_that_lapsed_stays_lost(database: Database) -> None:
    lease = Lease(database, "h")
    lease.take()
    with database.write() as session:
        session.execute(update(Process).values(lease_until=now() - 1))
    assert not lease.renew()
    assert not lease.is_held
    assert not lease.renew()


def test_a_process_that_was_stopped_knows_that_its_lease_lapsed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(database, "h")
    lease.take()
    later = lease._held_until
    monkeypatch.setattr("devmode.cluster.leases.time.monotonic", lambda: later)
    assert not lease.is_held


def test_a_lease_that_is_given_back_is_gone(database: Database) -> None:
    lease = Lease(database, "h")
    lease.take()
    lease.give_back()
    assert not lease.is_held
    assert names(database) == set()


def test_those_long_gone_are_forgotten(database: Database) -> None:
    add(database, "long gone")
    lease = Lease(database, "h")
    lease.take()
    lease.renew()
    assert names(database) == {lease.process_id}


def test_a_notice_is_heard_after_the_commit_and_not_before(database: Database) -> None:
    lease = Lease(database, "h")
    lease.take()
    notices = Notices(database, lease)
    heard: list[tuple[str, int | None]] = []

    def listener(subject: str) -> None:
        with database.read() as session:
            heard.append((subject, session.scalar(select(func.count(Change.sequence)))))

    notices.listen("job", listener)
    with database.write() as session:
        notices.publish(session, "job", 7)
        notices.publish(session, "other", 8)
        assert heard == []
    assert heard == [("7", 2)]


def test_other_processes_hear_a_notice_once(database: Database, other: Database) -> None:
    ours, theirs = Lease(database, "h"), Lease(other, "h")
    ours.take()
    theirs.take()
    speaker, hearer = Notices(database, ours), Notices(other, theirs)
    heard: list[str] = []
    hearer.listen("job", heard.append)
    with database.write() as session:
        speaker.publish(session, "job", 7)
        hearer._hear_others()
        assert heard == []
    hearer._hear_others()
    hearer._hear_others()
    assert heard == ["7"]
