"""Many want the same of the database at once: one reads it, and nobody waits in vain."""

from dataclasses import dataclass

import gevent
import pytest
from gevent.event import Event

from devmode.cluster.turns import Turns
from devmode.errors import DatabaseAway
from tests.waiting import LIMIT_S


@dataclass
class Reachable:
    is_away: bool = False


class Reader:
    """Something of the database's that is read once, as soon as it answers."""

    def __init__(self) -> None:
        self.database = Reachable()
        self.answers = Event()
        self.turns = Turns()
        self.tried = self.read = 0

    def look(self) -> None:
        with self.turns.take(self.database, lambda: self.read == 0) as is_outdated:
            if is_outdated:
                self.tried += 1
                self.answers.wait()
                if self.database.is_away:
                    raise DatabaseAway("away")
                self.read += 1


def test_who_comes_while_it_is_read_waits_and_does_not_read() -> None:
    reader = Reader()
    looking = [gevent.spawn(reader.look) for _ in range(3)]
    gevent.sleep(0)
    assert reader.turns.is_taken
    reader.answers.set()
    gevent.joinall(looking, timeout=LIMIT_S, raise_error=True)
    assert reader.read == 1
    assert not reader.turns.is_taken


def test_who_waited_for_one_that_got_no_answer_does_not_wait_for_another() -> None:
    reader = Reader()
    first = gevent.spawn(reader.look)
    gevent.sleep(0)
    second = gevent.spawn(reader.look)
    gevent.sleep(0)
    reader.database.is_away = True
    reader.answers.set()
    for looking in (first, second):
        with pytest.raises(DatabaseAway):
            looking.get(timeout=LIMIT_S)
    assert reader.tried == 1
    reader.answers.clear()
    # Who has not waited tries it: it may be back.
    third = gevent.spawn(reader.look)
    gevent.sleep(0)
    assert reader.tried == 2
    third.kill()
