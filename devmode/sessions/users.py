"""Who is signed in, and with which role."""

import hashlib
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import ForeignKey, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database
from devmode.cluster.notices import Notices
from devmode.errors import NotPermitted
from devmode.sessions.models import User

MOST_RACES = 4
LOGIN = "login"
"""Topic: the login, or the token, of this id is over."""
LONGEST_NAME = 40
PROXY = "proxy"
"""As `Visitor.signed_in_at`: the proxy in front of devmode."""
_MARK = re.compile(r"~[0-9a-f]{8}$")
VOUCHED_S = 90.0
"""How long the word of the proxy is good for: longer than a page with a stream takes to come by."""


class Role(IntEnum):
    """What a user may do; each role may do what the ones before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMINISTRATOR = 3

    @property
    def label(self) -> str:
        """The role as people and forms spell it."""
        return self.name.lower()

    @classmethod
    def named(cls, label: str) -> "Role | None":
        """Return the role of this label, if there is one."""
        return next((role for role in cls if role.label == label), None)


class Login(Base):
    """One sign-in of one browser; kept by the hash of the secret in its cookie."""

    __tablename__ = "logins"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    role: Mapped[int]
    expires_at: Mapped[float] = mapped_column(index=True)


@dataclass(frozen=True)
class Visitor:
    """A user, as this login or token has them."""

    id: int
    name: str
    role: Role
    login_id: str
    """Of the login or the token: what is over when the visitor may not stay."""
    signed_in_at: str | None = None
    """Who keeps them signed in, an openQA by its URL or `PROXY`; None where devmode does."""


def require_operator(visitor: Visitor, what: str) -> None:
    """Raise `NotPermitted` with `what` a mere viewer can't do."""
    if visitor.role < Role.OPERATOR:
        raise NotPermitted(f"You are signed in as {visitor.role.label}, which can't {what}.")


# Put together once: every request asks it.
_VISITOR = (
    select(User.id, User.name, Login.role)
    .join(User, User.id == Login.user_id)
    .where(Login.id == bindparam("login_id"), Login.expires_at > now())
)


class Logins:
    """Signs users in and out."""

    def __init__(self, database: Database, notices: Notices, lifetime_s: float) -> None:
        """Let logins last `lifetime_s` seconds."""
        self._database = database
        self._notices = notices
        self._lifetime_s = lifetime_s

    def sign_in(self, name: str, role: Role) -> str:
        """Sign a user in, making them if they are new; return the secret for their cookie."""
        secret = secrets.token_urlsafe(24)
        with self._database.write() as session:
            user_id = user_of(session, name)
            session.execute(delete(Login).where(Login.expires_at < now()))
            session.execute(
                insert(Login).values(
                    id=_login_id(secret),
                    user_id=user_id,
                    role=int(role),
                    expires_at=now() + self._lifetime_s,
                )
            )
        return secret

    def vouched(self, name: str, role: Role) -> Visitor:
        """Return the visitor whom the proxy names, making the user if they are new.

        In the database, since any process may be asked whether its stream may go on.
        """
        login_id = PROXY + _login_id(f"{role.label} {name}")
        with self._database.read() as connection:
            fresh = Login.expires_at > now() + VOUCHED_S / 2
            known = connection.scalar(select(Login.user_id).where(Login.id == login_id, fresh))
        user_id = known or self._vouch(login_id, name, role)
        return Visitor(user_id, name, role, login_id, signed_in_at=PROXY)

    def _vouch(self, login_id: str, name: str, role: Role) -> int:
        for _race in range(MOST_RACES):
            # Another process may note it, or forget what is over, in the same moment.
            with suppress(IntegrityError, StaleDataError):
                return self._note_vouched(login_id, name, role)
        return self._note_vouched(login_id, name, role)

    def _note_vouched(self, login_id: str, name: str, role: Role) -> int:
        with self._database.write() as session:
            user_id = user_of(session, name)
            session.execute(delete(Login).where(Login.expires_at < now()))
            until = now() + VOUCHED_S
            session.merge(Login(id=login_id, user_id=user_id, role=int(role), expires_at=until))
        return user_id

    def visitor(self, secret: str) -> Visitor | None:
        """Return who has this secret, None when the login is unknown or over."""
        return self.visitor_of(_login_id(secret))

    def visitor_of(self, login_id: str) -> Visitor | None:
        """Return whose login this is, None when it is over."""
        with self._database.read() as connection:
            row = connection.execute(_VISITOR, {"login_id": login_id}).one_or_none()
        at = PROXY if login_id.startswith(PROXY) else None
        return Visitor(row.id, row.name, Role(row.role), login_id, at) if row else None

    def sign_out(self, visitor: Visitor) -> None:
        """End a login; its streams end with it."""
        with self._database.write() as session:
            session.execute(delete(Login).where(Login.id == visitor.login_id))
            self._notices.publish(session, LOGIN, visitor.login_id)


def is_name(name: str) -> bool:
    """Tell whether people can go by this name: one with a mark of `usable_name` is others'."""
    if _MARK.search(name):
        return False
    return name.isprintable() and 0 < len(name) <= LONGEST_NAME and name == " ".join(name.split())


def usable_name(name: str) -> str:
    """Return a name that others gave as devmode can show it; names that differ stay different."""
    if is_name(name):
        return name
    mark = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
    shown = "".join(c for c in " ".join(name.split()) if c.isprintable())
    return f"{shown[: LONGEST_NAME - 9].strip()}~{mark}"


def user_of(session: Session, name: str) -> int:
    """Return the number of the user of this name, making them if they are new."""
    known = select(User.id).where(User.name == name)
    user_id = session.scalar(known)
    if user_id is not None:
        return user_id
    # Another process may make them in the same moment.
    with suppress(IntegrityError), session.begin_nested():
        session.execute(insert(User).values(name=name))
    return session.scalars(known).one()


def _login_id(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
