from collections.abc import Iterator
from typing import NoReturn

import pytest
from sqlalchemy import create_engine, select

from devmode.cluster.boards import board_of
from devmode.cluster.database import AWAY, Base, Database
from devmode.cluster.leases import Lease
from devmode.cluster.models import Change, Process
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.sessions import tokens as tokens_module
from devmode.sessions.models import User
from devmode.sessions.tokens import ApiToken, TokenFacts, Tokens
from devmode.sessions.users import LOGIN, Role

TABLES = [Base.metadata.tables[kind.__tablename__] for kind in (User, ApiToken, Change, Process)]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = create_engine(database_url)
    Base.metadata.create_all(engine, tables=TABLES)
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def notices(database: Database) -> Notices:
    return Notices(board_of(database), Lease(database, "here"))


@pytest.fixture
def tokens(database: Database, notices: Notices) -> Tokens:
    return Tokens(database, notices)


def only(tokens: Tokens) -> TokenFacts:
    (facts,) = tokens.every()
    return facts


def test_a_token_acts_for_its_developer_with_a_role_of_its_own(tokens: Tokens) -> None:
    first = tokens.create("olivia", Role.VIEWER, None)
    second = tokens.create("olivia", Role.ADMINISTRATOR, 60.0)
    viewer, administrator = tokens.visitor(first), tokens.visitor(second)
    assert viewer is not None
    assert administrator is not None
    assert viewer.id == administrator.id
    assert (viewer.name, viewer.role) == ("olivia", Role.VIEWER)
    assert administrator.role is Role.ADMINISTRATOR


def test_the_secret_is_kept_nowhere(tokens: Tokens, database: Database) -> None:
    secret = tokens.create("olivia", Role.OPERATOR, None)
    assert secret.startswith("devmode_")
    assert len(secret) > 40
    tokens.visitor(secret)
    with database.read() as connection:
        kept = [connection.execute(select(table)).all() for table in TABLES]
    assert secret.removeprefix("devmode_") not in repr(kept)
    assert secret not in repr(tokens.every())


@pytest.mark.parametrize("secret", ["", "devmode_", "x", "é\x00\U0001f511", "x" * 100_000])
def test_what_is_no_token_acts_for_nobody(tokens: Tokens, secret: str) -> None:
    tokens.create("olivia", Role.OPERATOR, None)
    assert tokens.visitor(secret) is None


def test_an_expired_token_acts_for_nobody(tokens: Tokens) -> None:
    assert tokens.visitor(tokens.create("olivia", Role.OPERATOR, -1.0)) is None
    assert tokens.visitor(tokens.create("olivia", Role.OPERATOR, 60.0)) is not None


def test_all_tokens_of_a_name_are_revoked_and_everyone_hears_of_it(
    tokens: Tokens, notices: Notices
) -> None:
    heard: list[str] = []
    notices.listen(LOGIN, heard.append)
    mine = [tokens.create("olivia", Role.OPERATOR, None) for _ in range(2)]
    visitors = [tokens.visitor(secret) for secret in mine]
    other = tokens.create("oscar", Role.OPERATOR, None)
    assert tokens.revoke("olivia") == 2
    assert [tokens.visitor(secret) for secret in mine] == [None, None]
    assert sorted(heard) == sorted(visitor.login_id for visitor in visitors if visitor)
    assert tokens.visitor(other) is not None
    assert tokens.revoke("olivia") == 0, "they are revoked already"


def test_one_token_of_several_is_revoked_by_its_short_id(tokens: Tokens) -> None:
    first = tokens.create("olivia", Role.OPERATOR, None)
    short_id = only(tokens).short_id
    second = tokens.create("olivia", Role.OPERATOR, None)
    assert tokens.revoke(short_id) == 1
    assert tokens.visitor(first) is None
    assert tokens.visitor(second) is not None
    assert tokens.revoke(short_id[:4]) == tokens.revoke("%") == tokens.revoke("") == 0


def test_the_last_use_is_noted_once_a_minute(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tokens.create("olivia", Role.OPERATOR, None)
    assert only(tokens).last_used_at is None
    tokens.visitor(secret)
    first = only(tokens).last_used_at
    assert first is not None
    tokens.visitor(secret)
    assert only(tokens).last_used_at == first
    monkeypatch.setattr(tokens_module, "USE_NOTED_EVERY_S", 0.0)
    tokens.visitor(secret)
    later = only(tokens).last_used_at
    assert later is not None
    assert later > first


def test_a_token_is_good_for_looking_while_the_database_can_not_be_written(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_database: Database) -> NoReturn:
        raise DatabaseAway(AWAY)

    secret = tokens.create("olivia", Role.OPERATOR, None)
    monkeypatch.setattr(Database, "write", full)
    assert tokens.visitor(secret) is not None


def test_a_stream_that_goes_on_is_a_use(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = tokens.visitor(tokens.create("olivia", Role.OPERATOR, None))
    assert visitor is not None
    opened = only(tokens).last_used_at
    assert opened is not None
    monkeypatch.setattr(tokens_module, "USE_NOTED_EVERY_S", 0.0)
    tokens.visitor_of(visitor.login_id)
    later = only(tokens).last_used_at
    assert later is not None
    assert later > opened
