"""API tokens: how programs and the terminal are let in."""

import hashlib
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import ForeignKey, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database
from devmode.cluster.notices import Notices
from devmode.errors import DatabaseAway
from devmode.sessions.models import User
from devmode.sessions.users import LOGIN, Role, Visitor, user_of

PREFIX = "devmode_"
"""Begins every token, so that people and secret scanners know one when they see it."""
SHORT_ID = 8
"""Characters of a token's id that tell it from others of the same name."""
USE_NOTED_EVERY_S = 60.0


class ApiToken(Base):
    """One token; kept by the hash of its secret, which is shown once.

    It acts for the developer of its name, and its role is its own.
    """

    __tablename__ = "api_tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[int]
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    last_used_at: Mapped[float | None]
    """To the minute; a write for each request would cost more than it tells."""
    revoked_at: Mapped[float | None]


@dataclass(frozen=True)
class TokenFacts:
    """A token as administrators see it; times in seconds since 1970."""

    short_id: str
    name: str
    role: Role
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    revoked_at: float | None


class Tokens:
    """Makes, recognises and revokes tokens."""

    def __init__(self, database: Database, notices: Notices) -> None:
        """Know nothing by heart: a token revoked elsewhere is revoked here."""
        self._database = database
        self._notices = notices
        self._use_noted: dict[str, float] = {}

    def create(self, name: str, role: Role, lifetime_s: float | None) -> str:
        """Make a token for the developer of this name; return it, for the only time."""
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._database.write() as session:
            token = ApiToken(
                id=_token_id(secret),
                user_id=user_of(session, name),
                role=int(role),
                created_at=now(),
                expires_at=None if lifetime_s is None else now() + lifetime_s,
            )
            session.add(token)
        return secret

    def every(self) -> list[TokenFacts]:
        """Return every token, the newest first."""
        query = (
            select(ApiToken, User.name)
            .join(User, User.id == ApiToken.user_id)
            .order_by(ApiToken.created_at.desc())
        )
        with self._database.read() as connection:
            return [
                TokenFacts(
                    short_id=token.id[:SHORT_ID],
                    name=token.name,
                    role=Role(token.role),
                    created_at=token.created_at,
                    expires_at=token.expires_at,
                    last_used_at=token.last_used_at,
                    revoked_at=token.revoked_at,
                )
                for token in connection.execute(query)
            ]

    def revoke(self, name: str) -> int:
        """Revoke every token of this name, or the one of this short id; return how many.

        Their streams end at once.
        """
        named = or_(User.name == name, func.substr(ApiToken.id, 1, SHORT_ID) == name)
        query = (
            select(ApiToken.id)
            .join(User, User.id == ApiToken.user_id)
            .where(named, ApiToken.revoked_at.is_(None))
        )
        with self._database.write() as session:
            ids = session.scalars(query).all()
            session.execute(update(ApiToken).where(ApiToken.id.in_(ids)).values(revoked_at=now()))
            for token_id in ids:
                self._notices.publish(session, LOGIN, token_id)
        return len(ids)

    def visitor(self, secret: str) -> Visitor | None:
        """Return for whom this token acts and note its use; None when it is not valid."""
        return self.visitor_of(_token_id(secret))

    def visitor_of(self, token_id: str) -> Visitor | None:
        """Return for whom the token of this id acts and note its use, as by a stream that goes on.

        None when it is not valid any more.
        """
        query = (
            select(User.id, User.name, ApiToken.role)
            .join(User, User.id == ApiToken.user_id)
            .where(
                ApiToken.id == token_id,
                ApiToken.revoked_at.is_(None),
                or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now()),
            )
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        self._note_use(token_id)
        return Visitor(row.id, row.name, Role(row.role), token_id)

    def _note_use(self, token_id: str) -> None:
        noted = self._use_noted.get(token_id)
        if noted is not None and time.monotonic() - noted < USE_NOTED_EVERY_S:
            return
        self._use_noted[token_id] = time.monotonic()
        used = update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now())
        # A database that can't be written, on a full disk say, can still be looked at.
        with suppress(DatabaseAway), self._database.write() as session:
            session.execute(used)


def _token_id(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
