"""Recognises visitors by the cookie of the openQA on the same site."""

from urllib.parse import urlsplit

from flask import g, request

from devmode.errors import DevmodeError, OpenqaAway, TooMany
from devmode.openqa.identity import COOKIE
from devmode.openqa.server import Server
from devmode.sessions.users import Visitor
from devmode.web import devmode


def visitor() -> Visitor | None:
    """Return who is signed in to openQA; `trouble` tells when that can't be known."""
    server = openqa_here()
    cookie = request.cookies.get(COOKIE)
    if server is None or cookie is None:
        return None
    try:
        return _asked(server, cookie)
    except (OpenqaAway, TooMany) as error:
        g.trouble_with_openqa = error
        return None


def trouble() -> DevmodeError | None:
    """Return what kept `visitor` from telling who asks."""
    found: DevmodeError | None = g.get("trouble_with_openqa")
    return found


def address() -> str | None:
    """Return where this browser finds the openQA of this site, if there is one."""
    server = openqa_here()
    if server is None:
        return None
    if server.hostname == _hostname():
        return server.url
    return f"{request.scheme}://{_hostname()}"


def openqa_here() -> Server | None:
    """Return the openQA of this site, if there is one."""
    return devmode().guests.server_of(_hostname())


def _asked(server: Server, cookie: str) -> Visitor | None:
    guests, strange = devmode().guests, devmode().limits.strange_cookie
    client = request.remote_addr or ""
    is_new = not guests.knows(cookie)
    if is_new:
        strange.check(client)
    found = guests.visitor(server, cookie)
    if found is None and is_new:
        strange.spend(client)
    return found


def _hostname() -> str:
    return urlsplit(f"//{request.host}").hostname or ""
