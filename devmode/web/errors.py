"""Errors as people see them, a page or a message on the page they are on, and as programs do."""

import structlog
from flask import Flask, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    RequestEntityTooLarge,
)
from werkzeug.wrappers import Response

from devmode import errors
from devmode.errors import DevmodeError, ForeignHost, FormExpired, TooLarge
from devmode.web.problems import is_api, problem_answer
from devmode.web.rendering import is_htmx, messages_answer

STATUSES: dict[type[DevmodeError], int] = {
    errors.NotSignedIn: 401,
    errors.NotPermitted: 403,
    errors.NotSessionOwner: 403,
    errors.FormExpired: 400,
    errors.ForeignHost: 400,
    errors.CutShort: 400,
    errors.TooSlow: 408,
    errors.TooLarge: 413,
    errors.TooMany: 429,
    errors.JobNotFound: 404,
    errors.TextNotFound: 404,
    errors.JobNotRunning: 409,
    errors.SessionLocked: 409,
    errors.StateChanged: 409,
    errors.InvalidCommand: 422,
    errors.NeedleNotSaved: 507,
    errors.CommandServerUnreachable: 502,
    errors.IncompatibleCommandServer: 502,
    errors.CommandNotConfirmed: 504,
    errors.OutcomeUnknown: 504,
    errors.HostAway: 502,
    errors.DatabaseAway: 503,
    errors.ChangeUnknown: 504,
    errors.OpenqaAway: 503,
    errors.OpenqaRefused: 502,
    errors.Overloaded: 503,
}
"""The one place where errors and HTTP statuses meet."""

STREAMS = ("stream.events", "livehandler.streaming")
"""Nobody would see a page of theirs."""

log = structlog.stdlib.get_logger(__name__)


def register(app: Flask) -> None:
    """Render every error that a request can end in."""
    app.register_error_handler(DevmodeError, answer)
    app.register_error_handler(CSRFError, _form_expired)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(ForeignHost, _foreign_host)
    app.register_error_handler(HTTPException, _other)


def status_of(error: DevmodeError) -> int:
    """Return the status of an error; 502 where a process of another version has a new kind."""
    return STATUSES.get(type(error), 502)


def answer(error: DevmodeError) -> Response:
    """Tell an error, and when it is worth another try."""
    response = _face(error, status_of(error))
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _face(error: DevmodeError, status: int) -> Response:
    """A problem to programs, a message to HTMX, else a page; strangers go to the sign-in."""
    if is_api():
        described = url_for("openapi.page", _anchor=error.code)
        return problem_answer(status, error.code, error.sentence, described)
    if is_htmx():
        return messages_answer([("error", error.sentence)], status)
    if isinstance(error, errors.NotSignedIn) and request.method == "GET":
        if request.endpoint in STREAMS:
            return Response(status=status)
        return redirect(url_for("accounts.sign_in", next=request.full_path.rstrip("?")), 303)
    page = render_template("error.html", status=status, error=error)
    return Response(page, status, mimetype="text/html")


def _form_expired(_error: CSRFError) -> Response:
    return answer(
        FormExpired(
            "This form has expired: you signed in or out since it was made. Nothing was changed."
            " Load the page again and repeat."
        )
    )


def _too_large(_error: RequestEntityTooLarge) -> Response:
    return answer(TooLarge("That is more than devmode takes. Nothing was changed."))


def _foreign_host(error: ForeignHost) -> Response:
    """Without a host that can be trusted no page can be made: its links would lead there."""
    if is_api():
        return answer(error)
    return Response(error.sentence, STATUSES[ForeignHost], mimetype="text/plain")


def _other(error: HTTPException) -> Response:
    """What is no rule of ours: no such route, another method, a defect."""
    status = error.code or 500
    if status == 500:
        _log_defect(error)
    sentence = error.description or error.name
    if is_api():
        response = problem_answer(status, error.name.lower().replace(" ", "_"), sentence)
    elif is_htmx():
        response = messages_answer([("error", sentence)], status)
    else:
        told = {"code": error.name, "sentence": sentence}
        page = render_template("error.html", status=status, error=told)
        response = Response(page, status, mimetype="text/html")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _log_defect(error: HTTPException) -> None:
    """Log where it is; what the address asks for may be private."""
    job_id = (request.view_args or {}).get("job_id")
    where = {"method": request.method, "path": request.path, "job": job_id}
    defect = getattr(error, "original_exception", error)
    log.error("a request failed", **where, exc_info=defect)
