"""The database, leases and notices, on SQLite and on PostgreSQL."""

import errno
import subprocess
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from sqlalchemy import Connection, Executable, create_engine, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError, ProgrammingError

from devmode.cluster import leases, sqlite, walwatch
from devmode.cluster.boards import board_of
from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database, after_commit
from devmode.cluster.incarnations import has_died, own_incarnation
from devmode.cluster.leases import Lease, NameTaken, is_alive
from devmode.cluster.models import Change, Process
from devmode.cluster.notices import Notice, Notices
from devmode.cluster.postgresql import engine_options
from devmode.errors import ChangeUnknown, DatabaseAway, InvalidCommand
from tests.databases import PostgresqlServer
from tests.waiting import LIMIT_S

SECRET = "what somebody typed"
Way = Callable[[Database, Executable, dict[str, Any]], None]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    yield from opened(database_url)


@pytest.fixture
def other(database: Database, database_url: str) -> Iterator[Database]:
    yield from opened(database_url)


@pytest.fixture
def served(postgresql: PostgresqlServer) -> Iterator[Database]:
    yield from opened(postgresql.new_database())


@pytest.fixture
def other_served(served: Database) -> Iterator[Database]:
    yield from opened(served.engine.url.render_as_string(hide_password=False))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    yield from opened(f"sqlite:///{tmp_path / 'file.sqlite'}")


@pytest.fixture
def same_file(file: Database, tmp_path: Path) -> Iterator[Database]:
    yield from opened(f"sqlite:///{tmp_path / 'file.sqlite'}")


def opened(url: str) -> Iterator[Database]:
    engine = create_engine(url, **engine_options(url))
    database = Database(engine)
    Base.metadata.create_all(engine, tables=[Process.__table__, Change.__table__])
    yield database
    engine.dispose()


def add(database: Database, name: str) -> None:
    with database.write() as session:
        session.add(Process(id=name, host="h", lease_until=0))


def names(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(select(Process.id)))


def read(database: Database, statement: Executable, values: dict[str, Any]) -> None:
    with database.read() as connection:
        connection.execute(statement, values)


def write(database: Database, statement: Executable, values: dict[str, Any]) -> None:
    with database.write() as session:
        session.execute(statement, values)


def lapse(database: Database, seconds: float = 1) -> None:
    with database.write() as session:
        session.execute(update(Process).values(lease_until=now() - seconds))


def taken(database: Database) -> Lease:
    lease = Lease(database, "h")
    lease.take()
    return lease


def taken_by(pid: int, database: Database, monkeypatch: pytest.MonkeyPatch) -> Lease:
    """Take a lease for another process of this machine."""
    kernel = str(own_incarnation()).rpartition(" ")[0]
    with monkeypatch.context() as patches:
        patches.setattr(leases, "own_incarnation", lambda: f"{kernel} {pid}")
        return taken(database)


def has_lease(database: Database, name: str, incarnation: str | None) -> None:
    with database.write() as session:
        soon = now() + leases.LEASE_S
        session.execute(
            insert(Process).values(id=name, host="h", lease_until=soon, incarnation=incarnation)
        )


def test_two_that_write_at_once_wait_for_each_other(
    file: Database, same_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    sleep = sqlite.time.sleep
    monkeypatch.setattr(sqlite.time, "sleep", lambda s: (waits.set(), sleep(s)))
    second = threading.Thread(target=add, args=(same_file, "second"))
    with file.write() as session:
        session.add(Process(id="first", host="h", lease_until=0))
        session.flush()
        second.start()
        assert waits.wait(LIMIT_S)
        assert names(same_file) == set()
    second.join(LIMIT_S)
    assert names(file) == {"first", "second"}


def test_nobody_waits_for_ever(
    file: Database, same_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WRITE_LOCK_TIMEOUT_S", 0)
    with file.write() as session:
        session.execute(select(1))
        with pytest.raises(DatabaseAway):
            add(same_file, "second")


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


def test_a_single_statement_is_written_at_once(database: Database, other: Database) -> None:
    add(database, "one")
    renamed = update(Process).where(Process.id == "one").values(id="two").returning(Process.id)
    assert database.write_one(renamed, {}) == "two"
    assert database.write_one(renamed, {}) is None
    assert names(other) == {"two"}


def test_what_a_reader_changes_is_refused_or_thrown_away(database: Database) -> None:
    with suppress(DatabaseAway), database.read() as connection:
        connection.execute(insert(Process).values(id="first", host="h", lease_until=0))
    assert names(database) == set()


def test_a_name_that_is_taken_is_no_failure_of_the_database(database: Database) -> None:
    add(database, "first")
    with pytest.raises(IntegrityError):
        add(database, "first")
    assert not database.is_away


def test_a_database_that_is_gone_is_told_and_so_is_its_return(
    served: Database, postgresql: PostgresqlServer
) -> None:
    told: list[bool] = []
    served.listen(lambda: told.append(served.is_away))
    add(served, "before")
    postgresql.stop()
    try:
        with pytest.raises(DatabaseAway):
            names(served)
        with pytest.raises(DatabaseAway):
            add(served, "meanwhile")
    finally:
        postgresql.start()
    add(served, "after")
    assert names(served) == {"before", "after"}
    assert told == [True, False]


def no_inotify(**_named: object) -> None:
    raise OSError(errno.EMFILE, "no instance is left")


def lose_commits(database: Database, *, arrive: bool) -> None:
    """Have each commit lose its connection: before it arrives, or before its answer does."""

    def lose(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        if arrive:
            driver.commit()
        driver.close()

    event.listen(database.engine, "commit", lose)


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_that_nothing_was_heard_of_is_not_said_to_have_changed_nothing(
    served: Database, *, arrives: bool
) -> None:
    lose_commits(served, arrive=arrives)
    with pytest.raises(ChangeUnknown, match="is unknown"):
        add(served, "first")
    assert served.is_away
    assert names(served) == ({"first"} if arrives else set())


def test_what_was_lost_before_its_commit_has_changed_nothing(served: Database) -> None:
    with pytest.raises(DatabaseAway, match="Nothing was changed"), served.write() as session:  # noqa: PT012 - is lost inside
        session.execute(select(1))
        driver = session.connection().connection.driver_connection
        assert driver is not None
        driver.close()
        session.add(Process(id="first", host="h", lease_until=0))


def test_connections_that_the_database_has_ended_are_not_used(served: Database) -> None:
    add(served, "before")
    assert names(served) == {"before"}
    end = text(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid != pg_backend_pid()"
    )
    with create_engine(served.engine.url).connect() as connection:
        assert connection.scalars(end).all() == [True, True]
    assert names(served) == {"before"}
    add(served, "after")
    assert not served.is_away


def test_who_is_stopped_in_the_middle_of_a_transaction_is_not_waited_for(
    served: Database, other_served: Database
) -> None:
    add(served, "one")
    rename = update(Process).where(Process.host == "h")
    with pytest.raises(DatabaseAway), served.write() as stopped:  # noqa: PT012 - is ended inside
        stopped.execute(rename.values(id="two"))
        with suppress(DatabaseAway), other_served.write() as meanwhile:
            meanwhile.execute(rename.values(id="three"))
    assert names(served) == {"three"}


def test_characters_that_a_database_can_not_keep_are_refused(served: Database) -> None:
    with pytest.raises(InvalidCommand):
        add(served, "a\0b")
    assert not served.is_away


def test_a_lease_is_renewed_while_it_lasts(database: Database) -> None:
    lease = Lease(database, "h")
    assert not lease.is_held
    lease.take()
    assert lease.is_held
    assert lease.renew()
    assert names(database) == {lease.process_id}


def test_a_lease_that_lapsed_is_lost_until_what_others_adopted_is_let_go(
    database: Database,
) -> None:
    lease, name = taken(database), names(database)
    lapse(database)
    assert not lease.renew()
    assert not lease.renew()
    held: list[bool] = []
    lease.resume(lambda: held.append(lease.is_held))
    assert held == [False]
    assert lease.is_held
    assert lease.renew()
    assert names(database) == name


def test_who_can_not_let_go_does_not_get_the_lease_back(database: Database) -> None:
    lease = taken(database)
    lapse(database)

    def let_go() -> None:
        raise DatabaseAway("gone again")

    assert not lease.renew()
    with pytest.raises(DatabaseAway):
        lease.resume(let_go)
    assert not lease.is_held
    assert not lease.renew()


def test_who_was_forgotten_goes_on_under_another_name(database: Database) -> None:
    lease = taken(database)
    first = lease.process_id
    lapse(database, 100)
    taken(database).renew()
    assert not lease.renew()
    lease.resume(lambda: None)
    assert lease.is_held
    assert lease.process_id != first
    assert first not in names(database)


def test_a_process_that_was_stopped_knows_that_its_lease_lapsed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = taken(database)
    later = lease._held_until
    monkeypatch.setattr("devmode.cluster.leases.time.clock_gettime", lambda _clock: later)
    assert not lease.is_held


def test_who_comes_back_late_lets_go_after_whoever_adopts_just_then(
    served: Database, other_served: Database
) -> None:
    lease = taken(served)
    lapse(served)
    lets_go = threading.Event()
    late = threading.Thread(target=lease.resume, args=(lets_go.set,))
    with other_served.write() as adopting:
        assert not is_alive(adopting, lease.process_id)
        late.start()
        assert not lets_go.wait(0.3)
    assert lets_go.wait(10)
    late.join(10)


@pytest.mark.parametrize(
    "hold", [Lease.take, Lease.renew, lambda lease: lease.resume(lambda: None)]
)
def test_the_holder_counts_from_before_it_asked_and_stops_before_its_lease_ends(
    database: Database, monkeypatch: pytest.MonkeyPatch, hold: Callable[[Lease], object]
) -> None:
    lease, clock = taken(database), [100.0]
    reaching = Database._reaching

    @contextmanager
    def slowly(self: Database) -> Iterator[None]:
        with reaching(self):
            clock[0] += 1
            yield

    monkeypatch.setattr(leases, "_clock", lambda: clock[0])
    monkeypatch.setattr(Database, "_reaching", slowly)
    hold(lease)
    for later_s, is_held in ((2.4, True), (2.6, False)):
        clock[0] = 100 + later_s
        assert lease.is_held is is_held


def test_the_successor_waits_longer_than_the_holder_acts(database: Database) -> None:
    lease = taken(database)
    for lapsed_s, alive in ((0.2, True), (0.8, False)):
        lapse(database, lapsed_s)
        with database.write() as session:
            assert is_alive(session, lease.process_id) is alive
            assert not is_alive(session, "nobody")


def test_the_lease_of_a_process_that_was_killed_ends_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[str] = []
    with subprocess.Popen(["/usr/bin/sleep", "60"]) as process:
        other = taken_by(process.pid, database, monkeypatch)
        lease = taken(database)
        lease.when_changed(lambda: gone.append(other.process_id))
        lease.end_those_of_the_dead()
        assert other.renew()
        process.kill()
    lease.end_those_of_the_dead()
    assert gone == [other.process_id]
    with database.write() as session:
        assert not is_alive(session, other.process_id), "nobody waits for a dead process"
    assert not other.renew()
    assert lease.renew()


def test_a_process_that_gave_its_lease_back_before_it_ended_is_not_said_to_have_died(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with subprocess.Popen(["/usr/bin/sleep", "60"]) as process:
        other = taken_by(process.pid, database, monkeypatch)
        lease = taken(database)
        other.give_back()
        process.kill()
    monkeypatch.setattr(leases.log, "warning", lambda event, **_: said.append(event))
    lease.end_those_of_the_dead()
    assert not said
    assert [holder.process_id for holder in lease.holders] == [lease.process_id]


def test_who_looks_sees_who_has_a_lease_and_is_told_when_others_have(database: Database) -> None:
    lease = taken(database)
    told: list[None] = []
    lease.when_changed(lambda: told.append(None))
    other = taken(database)
    lease.look()
    assert {holder.process_id for holder in lease.holders} == {lease.process_id, other.process_id}
    lease.look()
    assert len(told) == 1
    other.give_back()
    lease.look()
    assert [holder.process_id for holder in lease.holders] == [lease.process_id]
    assert len(told) == 2


@pytest.mark.parametrize("incarnation", [None, "", "another-kernel pid:[1] 99999999", "1"])
def test_whether_a_process_of_another_machine_lives_is_not_judged(incarnation: str | None) -> None:
    assert not has_died(incarnation)


def test_a_machine_that_goes_by_the_name_of_another_one_is_refused_until_that_has_gone(
    database: Database,
) -> None:
    has_lease(database, "other", "another-boot pid:[1] 7")
    with pytest.raises(NameTaken, match="“h”"):
        taken(database)
    assert names(database) == {"other"}
    lapse(database)
    assert taken(database).is_held


def test_containers_of_one_machine_may_go_by_its_name(database: Database) -> None:
    boot = str(own_incarnation()).partition(" ")[0]
    has_lease(database, "beside", f"{boot} pid:[1] 7")
    has_lease(database, "unknown", None)
    assert taken(database).is_held


def test_a_lease_that_is_given_back_is_gone(database: Database) -> None:
    lease = taken(database)
    lease.give_back()
    assert not lease.is_held
    assert names(database) == set()


def test_those_long_gone_are_forgotten(database: Database) -> None:
    add(database, "long gone")
    lease = taken(database)
    assert names(database) == {lease.process_id}


def test_a_notice_is_heard_in_its_own_process_after_the_commit(database: Database) -> None:
    notices = Notices(board_of(database), taken(database))
    heard: list[str] = []
    notices.listen("job", heard.append)
    with database.write() as session:
        notices.publish(session, "job", 7)
        notices.publish(session, "other", 8)
        assert heard == []
    assert heard == ["7"]


def test_who_fails_at_a_notice_hides_it_from_nobody_and_undoes_nothing(database: Database) -> None:
    notices = Notices(board_of(database), taken(database))
    heard: list[str] = []
    notices.listen("job", int)
    notices.listen("job", heard.append)
    with database.write() as session:
        notices.publish(session, "job", "x")
    assert heard == ["x"]


def test_a_process_looks_for_itself_after_a_commit_that_nothing_was_heard_of(
    served: Database, other_served: Database
) -> None:
    lease, board = taken(served), board_of(other_served)
    notices = Notices(board_of(served), lease)
    heard: list[str] = []
    for topic in ("job", "other"):
        notices.listen(topic, heard.append)
    is_hearing = Event()
    notices.when_missed(is_hearing.set)
    hearing = gevent.spawn(notices.run)
    assert is_hearing.wait(10)
    lose_commits(served, arrive=False)
    with pytest.raises(ChangeUnknown), served.write() as session:
        notices.publish(session, "job", 7)
    assert heard == ["7"], "it may be done by now"
    for topic, subject in (("other", "8"), ("job", "7"), ("job", "7")):
        with other_served.write() as session:
            board.post(session, Notice(lease.process_id, topic, subject))
    with other_served.write() as session:
        board.post(session, Notice("another", "other", "9"))
    while "9" not in heard:
        gevent.sleep(0.01)
    hearing.kill()
    assert heard == ["7", "7", "9"], "or later, as the board tells"


def test_other_processes_hear_what_was_committed_once_and_in_order(
    database: Database, other: Database
) -> None:
    lease = taken(database)
    speaker, board = Notices(board_of(database), lease), board_of(other)
    watch = board.watch()
    assert next(watch) is None
    with pytest.raises(ZeroDivisionError), database.write() as session:  # noqa: PT012 - rolls back
        speaker.publish(session, "job", 6)
        _ = 1 / 0
    for subject in (7, 8):
        with database.write() as session:
            speaker.publish(session, "job", subject)
    assert next(watch) == Notice(lease.process_id, "job", "7")
    assert next(watch) == Notice(lease.process_id, "job", "8")
    watch.close()


def test_nobody_hears_a_notice_before_its_commit(database: Database, other: Database) -> None:
    lease = taken(database)
    speaker, watch = Notices(board_of(database), lease), board_of(other).watch()
    assert next(watch) is None
    early = threading.Event()
    hearer = threading.Thread(target=lambda: (next(watch), early.set()), daemon=True)
    with database.write() as session:
        speaker.publish(session, "job", 7)
        session.flush()
        hearer.start()
        assert not early.wait(0.3)
    assert early.wait(LIMIT_S)


@pytest.fixture
def at_rest(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Set when somebody looks at a file no more until the system tells of a write."""
    event = Event()
    monkeypatch.setattr(walwatch, "to_beat_s", lambda _every_s: event.set() or 3600.0)
    return event


def test_the_system_tells_of_a_write_to_the_file(
    file: Database, same_file: Database, at_rest: Event
) -> None:
    board, watch = board_of(same_file), board_of(file).watch()
    assert next(watch) is None
    for subject in ("7", "8"):
        hearing = gevent.spawn(next, watch)
        assert at_rest.wait(10)
        with same_file.write() as session:
            board.post(session, Notice("another", "job", subject))
        assert hearing.get(timeout=10).subject == subject
        at_rest.clear()


def test_where_the_system_tells_nothing_the_file_is_looked_at(
    file: Database, same_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walwatch, "INotify", no_inotify)
    board, watch = board_of(same_file), board_of(file).watch()
    assert next(watch) is None
    hearing = gevent.spawn(next, watch)
    gevent.sleep(0)
    with same_file.write() as session:
        board.post(session, Notice("another", "job", "7"))
    assert hearing.get(timeout=10).subject == "7"


def test_a_commit_that_comes_some_time_after_its_write_is_looked_for(
    tmp_path: Path, at_rest: Event
) -> None:
    log = tmp_path / "file-wal"
    log.write_bytes(b"")
    seen: list[None] = []
    # As many as there come.
    looking = gevent.spawn(lambda: deque(map(seen.append, walwatch.looks(str(tmp_path / "file")))))
    for looks in (3, 6):
        assert at_rest.wait(10)
        assert len(seen) == looks
        at_rest.clear()
        log.write_bytes(b"frame")
    looking.kill()


def test_who_was_cut_off_is_told_that_it_may_have_missed_something(
    served: Database, postgresql: PostgresqlServer
) -> None:
    watch = board_of(served).watch()
    assert next(watch) is None
    postgresql.stop()
    try:
        with pytest.raises(DatabaseAway):
            next(watch)
    finally:
        postgresql.start()
    assert next(board_of(served).watch()) is None


@pytest.mark.parametrize("way", [read, write, Database.write_one])
def test_what_a_failed_statement_was_about_stands_in_no_traceback(
    database: Database, way: Way
) -> None:
    with pytest.raises((ProgrammingError, DatabaseAway)) as failed:
        way(database, text("SELECT :typed FROM nowhere"), {"typed": SECRET})
    told = "".join(traceback.format_exception(failed.value))
    assert "nowhere" in told
    assert SECRET not in told
