"""Signing in and out."""

import hmac

import gevent
from flask import Blueprint, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from devmode.errors import NotPermitted
from devmode.sessions.users import LONGEST_NAME, PROXY, Role, is_name
from devmode.web import devmode
from devmode.web.security import visitor

blueprint = Blueprint("accounts", __name__)

ROLES = (
    ("viewer", "Viewer", "sees everything, steers nothing"),
    ("operator", "Operator", "takes control of jobs"),
    ("administrator", "Administrator", "also takes control from others"),
)
WRONG_CODE_S = 1.0
"""How long a wrong start code costs, so that nobody guesses it."""


@blueprint.get("/sign-in")
def sign_in() -> Response | str:
    """Show the form, to whom nobody else keeps signed in."""
    known = g.get("visitor")
    if known is not None and known.signed_in_at is not None:
        return redirect(_safe_next(request.args.get("next", "")), 303)
    return _form()


@blueprint.post("/sign-in")
def enter() -> Response | tuple[str, int]:
    """Sign in with a name, a role and the code that the start printed."""
    name = " ".join(request.form.get("name", "").split())
    role = Role.named(request.form.get("role", ""))
    if not is_name(name):
        return _form(f"Give a name of up to {LONGEST_NAME} characters."), 422
    if role is None:
        return _form("Choose a role."), 422
    attempts, address = devmode().limits.sign_in, request.remote_addr or ""
    attempts.check(address)
    code = request.form.get("code", "").strip()
    if not hmac.compare_digest(code.encode(), devmode().settings.start_code.encode()):
        attempts.spend(address)
        gevent.sleep(WRONG_CODE_S)
        return _form("That is not the start code. devmode printed it when it was started."), 403
    session.clear()
    session["login"] = devmode().logins.sign_in(name, role)
    return redirect(_safe_next(request.form.get("next", "")), 303)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """Sign out; the streams of this login end with it."""
    at = visitor().signed_in_at
    if at is not None:
        whom = "by the proxy in front of devmode" if at == PROXY else "with openQA"
        raise NotPermitted(f"You are signed in {whom}. Sign out there, and you are here too.")
    devmode().logins.sign_out(visitor())
    session.clear()
    return redirect(url_for("accounts.sign_in"), 303)


def _form(error: str = "") -> str:
    return render_template(
        "sign_in.html",
        roles=ROLES,
        form=request.values,
        error=error,
        back=_safe_next(request.values.get("next", "")),
    )


def _safe_next(target: str) -> str:
    """Only a path of our own: `//host` and `/\\host` lead elsewhere."""
    local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if local and target.isprintable() else url_for("jobs.index")
