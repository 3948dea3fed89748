"""Errors as people see them: a page, or a message on the page they are on."""

import logging

from flask import Flask, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, SecurityError
from werkzeug.wrappers import Response

from devmode import errors
from devmode.errors import DevmodeError, FormExpired, TooLarge
from devmode.web.rendering import is_htmx, messages_answer

STATUSES: dict[type[DevmodeError], int] = {
    errors.NotSignedIn: 401,
    errors.NotPermitted: 403,
    errors.NotSessionOwner: 403,
    errors.FormExpired: 400,
    errors.TooLarge: 413,
    errors.TooMany: 429,
    errors.JobNotFound: 404,
    errors.JobNotRunning: 409,
    errors.SessionLocked: 409,
    errors.StateChanged: 409,
    errors.InvalidCommand: 422,
    errors.CommandServerUnreachable: 502,
    errors.IncompatibleCommandServer: 502,
    errors.CommandNotConfirmed: 504,
    errors.OutcomeUnknown: 504,
    errors.DatabaseAway: 503,
}
"""The one place where errors and HTTP statuses meet."""

RETRY_AFTER_S = "3"

log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Render every error that a request can end in."""
    app.register_error_handler(DevmodeError, answer)
    app.register_error_handler(CSRFError, _form_expired)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(SecurityError, _foreign_host)
    app.register_error_handler(HTTPException, _other)


def answer(error: DevmodeError) -> Response:
    """Tell an error: as a message to HTMX, else as a page; strangers go to the sign-in."""
    response = _told(error, STATUSES[type(error)])
    if response.status_code in (429, 503):
        response.headers["Retry-After"] = RETRY_AFTER_S
    return response


def _told(error: DevmodeError, status: int) -> Response:
    if is_htmx():
        return messages_answer([("error", error.sentence)], status)
    if isinstance(error, errors.NotSignedIn) and request.method == "GET":
        if request.endpoint == "stream.events":
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


def _foreign_host(_error: SecurityError) -> Response:
    """Without a host that can be trusted no page can be made: its links would lead there."""
    sentence = (
        "devmode does not answer to this host name. DEVMODE_ALLOWED_HOSTS names those it does."
    )
    return Response(sentence, 400, mimetype="text/plain")


def _other(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 500:
        log.error("a request failed", exc_info=error)
    page = render_template(
        "error.html", status=status, error={"code": error.name, "sentence": error.description}
    )
    return Response(page, status, mimetype="text/html")
