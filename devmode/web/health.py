"""What those who run devmode ask: does it live, is it ready, how is it doing."""

import hmac

from flask import Blueprint, Response, request

from devmode import metrics
from devmode.errors import NotPermitted
from devmode.web import devmode

blueprint = Blueprint("health", __name__)

LOOPBACK = ("127.0.0.1", "::1")
FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-Ip")


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer: so much of this process lives."""
    return Response("alive\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Tell whether this process may be sent people: it reaches the database and isn't ending."""
    problem = devmode().problem()
    return Response(f"{problem or 'ready'}\n", 503 if problem else 200, mimetype="text/plain")


@blueprint.get("/metrics")
def tell_metrics() -> Response:
    """Tell Prometheus: from this machine, or with the token."""
    if not (_has_token() or _is_local()):
        raise NotPermitted("Metrics are told to this machine alone, or to who has their token.")
    return Response(metrics.text(), mimetype="text/plain; version=0.0.4")


def _has_token() -> bool:
    token = devmode().settings.metrics_token
    given = request.headers.get("Authorization", "")
    return bool(token) and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def _is_local() -> bool:
    """A proxy is local too, but says for whom it asks."""
    forwarded = any(header in request.headers for header in FORWARDED)
    return request.remote_addr in LOOPBACK and not forwarded
