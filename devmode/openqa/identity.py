"""Asks an openQA whose cookie a visitor has.

It is openQA that answers, with the visitor's own cookie: devmode needs neither its secrets nor its
database, and believes nothing that the browser says. The cookie goes to this openQA and nowhere
else; it is neither logged nor stored.
"""

import re
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from devmode.errors import OpenqaAway
from devmode.openqa.pages import name_on
from devmode.openqa.server import Answer, Server

COOKIE = "mojolicious"
"""The name of openQA's session cookie, Mojolicious' default."""
OPERATORS_ONLY = "/session/test"
ADMINISTRATORS_ONLY = "/admin/auditlog"
ANY_PAGE = "/search"
"""The lightest of the pages with a navigation bar."""
CONFIRMATION = "You can see this because you are "
"""What `/session/test` tells operators, before the name that openQA keeps them by."""
REDIRECTS = range(300, 400)
_COOKIE = re.compile(r"[!#-+\--:<-\[\]-~]{1,4096}")
"""What RFC 6265 lets a cookie be made of, so that no other header can follow it."""


class Standing(Enum):
    """What an openQA lets somebody do."""

    USER = "user"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Account:
    """Somebody who is signed in to an openQA, by the name that it shows."""

    name: str
    standing: Standing


def is_cookie(value: str) -> bool:
    """Tell whether a browser can have been given this cookie."""
    return _COOKIE.fullmatch(value) is not None


def account_of(server: Server, cookie: str) -> Account | None:
    """Return whose cookie this is; None when nobody is signed in with it.

    Raises `OpenqaAway`, also when something else answers than an openQA would.
    """
    test = _ask(server, OPERATORS_ONLY, cookie)
    if test.status in REDIRECTS:  # to the sign-in
        return None
    if test.status == HTTPStatus.FORBIDDEN:
        name = name_on(_ask(server, ANY_PAGE, cookie).text)
        if name is None:
            raise _misunderstood(server)
        return Account(name, Standing.USER)
    return _operator(server, cookie, _username(server, test))


def is_still(server: Server, cookie: str, account: Account) -> bool:
    """Tell whether the cookie is still good for as much, asking as little as that takes."""
    if account.standing is Standing.ADMINISTRATOR:
        return _ask(server, ADMINISTRATORS_ONLY, cookie).status == HTTPStatus.OK
    test = _ask(server, OPERATORS_ONLY, cookie)
    expected = HTTPStatus.FORBIDDEN if account.standing is Standing.USER else HTTPStatus.OK
    return test.status == expected


def _operator(server: Server, cookie: str, username: str) -> Account:
    page = _ask(server, ADMINISTRATORS_ONLY, cookie)
    if page.status == HTTPStatus.OK and (name := name_on(page.text)):
        return Account(name, Standing.ADMINISTRATOR)
    name = name_on(_ask(server, ANY_PAGE, cookie).text)
    # Where the page is not what it was: the name that openQA keeps them by, which is no nickname.
    return Account(name or username, Standing.OPERATOR)


def _username(server: Server, test: Answer) -> str:
    username = test.text.removeprefix(CONFIRMATION).strip()
    if test.status != HTTPStatus.OK or not username or username == test.text.strip():
        raise _misunderstood(server)
    return username


def _ask(server: Server, path: str, cookie: str) -> Answer:
    return server.get(path, {"Cookie": f"{COOKIE}={cookie}", "Accept": "text/html"})


def _misunderstood(server: Server) -> OpenqaAway:
    return OpenqaAway(
        f"What answers at {server.url} does not tell who is signed in as openQA does."
    )
