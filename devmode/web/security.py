"""Who asks, from where, and what every answer carries."""

from urllib.parse import urlsplit

from flask import Flask, g, request, session
from werkzeug.exceptions import SecurityError
from werkzeug.wrappers import Response

from devmode.errors import FormExpired, NotSignedIn
from devmode.sessions.users import Visitor
from devmode.web import devmode

SAFE = ("GET", "HEAD", "OPTIONS")
OPEN_ENDPOINTS = ("accounts.sign_in", "accounts.enter", "static")
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
    app.before_request(_check_host)
    app.before_request(_check_origin)
    app.before_request(_know_visitor)
    app.after_request(_add_headers)
    app.context_processor(lambda: {"user": g.get("visitor")})


def visitor() -> Visitor:
    """Return who asks; raise `NotSignedIn`."""
    found: Visitor | None = g.get("visitor")
    if found is None:
        raise NotSignedIn("Sign in first. Your sign-in may have expired.")
    return found


def _check_host() -> None:
    """Refuse host names that are not ours before anything builds a link: DNS rebinding."""
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception


def _check_origin() -> None:
    origin = request.headers.get("Origin")
    if request.method in SAFE or origin is None:
        return
    if urlsplit(origin).netloc != request.host:
        raise FormExpired("This form was sent from another site. Nothing was changed.")


def _know_visitor() -> None:
    secret = session.get("login")
    g.visitor = devmode().logins.visitor(secret) if isinstance(secret, str) else None
    if g.visitor is None and request.endpoint not in OPEN_ENDPOINTS:
        visitor()


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
