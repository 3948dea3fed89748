"""Who asks, from where, and what every answer carries."""

from contextlib import suppress
from urllib.parse import urlsplit

from flask import Flask, g, request, session
from werkzeug.exceptions import RequestEntityTooLarge, RequestURITooLarge
from werkzeug.wrappers import Response

from devmode.digits import LARGEST
from devmode.errors import (
    DevmodeError,
    ForeignHost,
    FormExpired,
    NotPermitted,
    NotSignedIn,
)
from devmode.jobs.rows import no_such_job
from devmode.sessions.users import Visitor
from devmode.web import devmode, guests, proxied
from devmode.web.patience import TROUBLE
from devmode.web.problems import is_api

SAFE = ("GET", "HEAD", "OPTIONS")
LONGEST_URL = 4000
"""Gunicorn lets lines of 4094 pass, with the method and the version."""
OPENQA_PORTS = 2
"""How far the port of openQA's livehandler is above that of its web UI."""
FOR_ANYBODY = ("static", "health.healthz", "health.readyz", "health.tell_metrics")
"""The same whoever asks: nobody has to be known, so no database either."""
OPEN_ENDPOINTS = (
    "accounts.sign_in",
    "accounts.enter",
    "openapi.document",
    "openapi.page",
    # Tells a stranger nothing, in the words that openQA's page shows them.
    "livehandler.watch",
    # Its caller is a worker, known by a key.
    "livehandler.upload_progress",
)
WHO_ASKS = (
    "This needs a valid token: send “Authorization: Bearer TOKEN”. `devmode token create` makes"
    " one; the one that was sent may have expired or been revoked."
)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def register(app: Flask) -> None:
    """Check every request and complete every answer."""
    # Even before the CSRF token is looked for, which half a body may lack.
    app.url_value_preprocessor(lambda _endpoint, _arguments: _check_arrival())
    app.before_request(_check_size)
    app.before_request(_check_origin)
    app.before_request(_know_visitor)
    app.before_request(_check_job)
    app.after_request(_add_headers)
    app.context_processor(lambda: {"user": g.get("visitor"), "openqa": guests.address()})


def visitor() -> Visitor:
    """Return who asks; raise `NotSignedIn`, or why that can't be told just now."""
    found: Visitor | None = g.get("visitor")
    if found is None:
        if (trouble := guests.trouble()) is not None:
            raise trouble
        raise NotSignedIn(WHO_ASKS if is_api() else "Sign in first. Your sign-in may have expired.")
    return found


def require_our_page() -> None:
    """Refuse websockets of other sites' pages, which a browser would open with our cookie.

    openQA's page, when there is no proxy, comes from the port two below (`makeWsUrlAbsolute` in
    openqa.js): that origin may open them too. Programs send no origin. Raises `NotPermitted`.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return
    own = urlsplit(f"//{request.host}")
    with suppress(ValueError):
        asking = urlsplit(origin)
        if asking.netloc == own.netloc:
            return
        if own.port and (asking.hostname, asking.port) == (own.hostname, own.port - OPENQA_PORTS):
            return
    raise NotPermitted("This websocket was opened by another site.")


def _check_arrival() -> None:
    """Refuse host names that are not ours before anything builds a link: DNS rebinding.

    And what did not come whole, or not in time.
    """
    if not devmode().settings.trusts(request.host):
        raise ForeignHost(
            "devmode does not answer to this host name. DEVMODE_ALLOWED_HOSTS names those it does."
        )
    trouble: DevmodeError | None = request.environ.get(TROUBLE)
    if trouble is not None:
        raise trouble


def _check_size() -> None:
    """Refuse what is too large before anything looks at it, also where nothing would read it."""
    if len(request.full_path) > LONGEST_URL:
        raise RequestURITooLarge("The address is longer than any of devmode's.")
    if (request.content_length or 0) > (request.max_content_length or 0):
        raise RequestEntityTooLarge


def _check_origin() -> None:
    origin = request.headers.get("Origin")
    if request.method in SAFE or origin is None:
        return
    if origin.partition("://")[2] != request.host:
        raise FormExpired("This form was sent from another site. Nothing was changed.")


def _know_visitor() -> None:
    """A program is known by its token alone: its cookie, if it has one, opens nothing."""
    if request.endpoint in FOR_ANYBODY:
        return
    g.visitor = _by_token() if is_api() else _by_cookie()
    if g.visitor is None and request.endpoint not in OPEN_ENDPOINTS:
        visitor()


def _check_job() -> None:
    """No database takes a larger number, whichever route would ask one about it."""
    job_id = (request.view_args or {}).get("job_id", 0)
    if job_id > LARGEST:
        raise no_such_job(job_id)


def _by_cookie() -> Visitor | None:
    secret = session.get("login")
    found = devmode().logins.visitor(secret) if isinstance(secret, str) else None
    return proxied.visitor() or found or guests.visitor()


def _by_token() -> Visitor | None:
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        return None
    limits = devmode().limits
    found = devmode().tokens.visitor(given.token)
    if found is None:
        limits.wrong_token.spend(request.remote_addr or "")
        return None
    limits.token.spend(found.login_id)
    return found


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
