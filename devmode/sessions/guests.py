"""Visitors who are signed in to the openQA on the same site, and therefore here.

openQA keeps them signed in by a cookie, so this process remembers what openQA said of each for a
short while, in its memory alone. Who signs out there comes with another cookie, or none.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import structlog
from gevent.lock import RLock
from sqlalchemy import select

from devmode.cluster.database import Database
from devmode.errors import OpenqaAway
from devmode.openqa.identity import Account, Standing, account_of, is_cookie, is_still
from devmode.openqa.server import Server
from devmode.sessions.models import User
from devmode.sessions.users import Role, Visitor, usable_name, user_of

BELIEVED_S = 30.0
"""How long an answer of openQA is good for."""
NAMED_S = 300.0
"""How long a name is good for, and that somebody is no administrator: they cost more to ask."""
MISSED_S = 600.0
"""How long somebody stays signed in while openQA can't be asked."""
MOST_REMEMBERED = 10_000
LOOPBACK = ("localhost", "127.0.0.1", "::1")

ROLES = {
    Standing.USER: Role.VIEWER,
    Standing.OPERATOR: Role.OPERATOR,
    Standing.ADMINISTRATOR: Role.ADMINISTRATOR,
}

log = structlog.stdlib.get_logger(__name__)


@dataclass
class _Guest:
    """What openQA said of one cookie, and when; times of the monotonic clock."""

    server: Server
    cookie: str = field(repr=False)
    visitor: Visitor | None = None
    account: Account | None = None
    told_at: float = float("-inf")
    asked_at: float = float("-inf")
    """Later than `told_at` when openQA could not tell."""
    named_at: float = float("-inf")
    asking: RLock = field(default_factory=RLock)

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.asked_at < BELIEVED_S


class Guests:
    """Recognises those whom an openQA knows."""

    def __init__(self, database: Database, servers: tuple[Server, ...]) -> None:
        """Believe these servers; remember nobody yet."""
        self._database = database
        self._servers = servers
        self._guests: OrderedDict[str, _Guest] = OrderedDict()

    def server_of(self, hostname: str) -> Server | None:
        """Return the openQA whose cookies browsers send to this host name, if there is one."""
        by_name = {server.hostname: server for server in reversed(self._servers)}
        # One on this machine may go by any name, through a proxy.
        own = next((by_name[name] for name in LOOPBACK if name in by_name), None)
        return by_name.get(hostname, own)

    def knows(self, cookie: str) -> bool:
        """Tell whether this cookie can be judged without asking openQA."""
        guest = self._guests.get(_login_id(cookie))
        return guest is not None and guest.is_fresh

    def visitor(self, server: Server, cookie: str) -> Visitor | None:
        """Return whom this server keeps signed in by this cookie; raise `OpenqaAway`."""
        if not is_cookie(cookie):
            return None
        login_id = _login_id(cookie)
        guest = self._guests.setdefault(login_id, _Guest(server, cookie))
        self._guests.move_to_end(login_id)
        if len(self._guests) > MOST_REMEMBERED:
            self._guests.popitem(last=False)
        return self._judged(login_id, guest)

    def visitor_of(self, login_id: str) -> Visitor | None:
        """Return whose login this is, None when it is over, or was never told to this process."""
        guest = self._guests.get(login_id)
        if guest is None:
            return None
        self._guests.move_to_end(login_id)
        try:
            return self._judged(login_id, guest)
        except OpenqaAway:
            return None

    def _judged(self, login_id: str, guest: _Guest) -> Visitor | None:
        """Ask openQA if that is due, once for all who want to know at the same time."""
        with guest.asking:
            if guest.is_fresh:
                return guest.visitor
            try:
                self._ask(login_id, guest)
            except OpenqaAway as error:
                if guest.visitor is None or time.monotonic() - guest.told_at > MISSED_S:
                    raise
                guest.asked_at = time.monotonic()
                log.warning("openQA can't be asked about a visitor", trouble=error.sentence)
            return guest.visitor

    def _ask(self, login_id: str, guest: _Guest) -> None:
        account = guest.account
        is_named = time.monotonic() - guest.named_at < NAMED_S
        if not (account and is_named and is_still(guest.server, guest.cookie, account)):
            account = account_of(guest.server, guest.cookie)
            guest.named_at = time.monotonic()
        if account != guest.account or guest.visitor is None:
            guest.visitor = self._enter(login_id, account, guest.server) if account else None
            # Only now: if that fails, the next answer still has to differ from this.
            guest.account = account
        guest.told_at = guest.asked_at = time.monotonic()

    def _enter(self, login_id: str, account: Account, server: Server) -> Visitor:
        name = usable_name(self._full_name(account, server))
        role = ROLES[account.standing]
        return Visitor(self._user_id(name), name, role, login_id, signed_in_at=server.url)

    def _full_name(self, account: Account, server: Server) -> str:
        """Two people of two openQAs may go by one name; a host name holds no `@`."""
        return account.name if len(self._servers) == 1 else f"{account.name}@{server.hostname}"

    def _user_id(self, name: str) -> int:
        with self._database.read() as connection:
            known = connection.scalar(select(User.id).where(User.name == name))
        if known is not None:
            return known
        with self._database.write() as session:
            return user_of(session, name)


def _login_id(cookie: str) -> str:
    return hashlib.sha256(f"openqa {cookie}".encode()).hexdigest()
