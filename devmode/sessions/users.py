"""Who is signed in, and with which role."""

import hashlib
import secrets
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import ForeignKey, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from devmode.cluster.clock import now
from devmode.cluster.database import Base, Database
from devmode.cluster.notices import Notices
from devmode.sessions.models import User

LOGIN = "login"
"""Topic: the login, or the token, of this id is over."""
LONGEST_NAME = 40


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

    def visitor(self, secret: str) -> Visitor | None:
        """Return who has this secret, None when the login is unknown or over."""
        return self.visitor_of(_login_id(secret))

    def visitor_of(self, login_id: str) -> Visitor | None:
        """Return whose login this is, None when it is over."""
        query = (
            select(User.id, User.name, Login.role)
            .join(User, User.id == Login.user_id)
            .where(Login.id == login_id, Login.expires_at > now())
        )
        with self._database.read() as session:
            row = session.execute(query).one_or_none()
        return Visitor(row.id, row.name, Role(row.role), login_id) if row else None

    def sign_out(self, visitor: Visitor) -> None:
        """End a login; its streams end with it."""
        with self._database.write() as session:
            session.execute(delete(Login).where(Login.id == visitor.login_id))
            self._notices.publish(session, LOGIN, visitor.login_id)


def is_name(name: str) -> bool:
    """Tell whether people can go by this name."""
    return name.isprintable() and 0 < len(name) <= LONGEST_NAME and name == " ".join(name.split())


def user_of(session: Session, name: str) -> int:
    """Return the number of the user of this name, making them if they are new."""
    user_id = session.scalar(select(User.id).where(User.name == name))
    if user_id is not None:
        return user_id
    user = User(name=name)
    session.add(user)
    session.flush()
    return user.id


def _login_id(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
