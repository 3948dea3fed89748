"""Recognises visitors whom the proxy in front of devmode has signed in.

It names them with every request, wherever it knows them from (OpenID Connect, Kerberos, LDAP). Its
secret tells its requests from those of anybody else on the same machine.
"""

import hmac

from flask import request

from devmode.sessions.users import Role, Visitor, usable_name
from devmode.web import devmode

SECRET = "X-Devmode-Proxy-Secret"  # noqa: S105 - the name of a header
USER = "X-Devmode-User"
ROLE = "X-Devmode-Role"
NOBODY = ("", "(null)")
"""What stands for the name of nobody; the latter is Apache's."""


def visitor() -> Visitor | None:
    """Return whom the proxy names; whose role it does not, or not rightly, is a viewer."""
    secret = devmode().settings.proxy_secret
    if not secret:
        return None
    name = _told(USER)
    if name in NOBODY or not hmac.compare_digest(_told(SECRET).encode(), secret.encode()):
        return None
    role = Role.named(_told(ROLE)) or Role.VIEWER
    return devmode().logins.vouched(usable_name(name), role)


def _told(header: str) -> str:
    """Return a header as the proxies write it: WSGI takes UTF-8 for Latin-1, which it may be too.

    Nothing is replaced: two names would become one.
    """
    value = request.headers.get(header, "").strip()
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
