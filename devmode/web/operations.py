"""What an operation of the API takes and gives: checked, answered and documented from one place."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import msgspec
from flask import request
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.wrappers import Response

from devmode.errors import DevmodeError, InvalidCommand

JSON = "application/json"
EVENTS = "text/event-stream"
PNG = "image/png"
TEXT = "text/plain"

View = Callable[..., Any]
Checked = Callable[..., Response]


@dataclass(frozen=True)
class Operation:
    """The types of one operation, and the errors of its own that it can end in.

    One that gives a file, and so None, says of which media types it may be.
    """

    gives: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    refusals: tuple[type[DevmodeError], ...] = ()
    media_types: tuple[str, ...] = (JSON,)


def operation(offered: Operation) -> Callable[[View], Checked]:
    """Let a route take and give what is `offered`: it gets the body and the query as arguments.

    A route that gives a response of its own has it passed on as it is.
    """

    def decorate(view: View) -> Checked:
        @wraps(view)
        def checked(**arguments: Any) -> Response:
            if offered.query is not None or request.args:
                arguments |= _query(offered.query)
            if offered.body is not None or request.get_data():
                arguments |= _body(offered.body)
            given = view(**arguments)
            if isinstance(given, Response):
                return given
            return Response(msgspec.json.encode(given), mimetype=JSON)

        checked.operation = offered  # type: ignore[attr-defined] # read by `operation_of`
        return checked

    return decorate


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return what a route offers, None where it is no operation of the API."""
    return getattr(view, "operation", None)


def _query(kind: type[msgspec.Struct] | None) -> dict[str, object]:
    if kind is None:
        raise InvalidCommand("There are no parameters to this request.")
    if any(len(values) > 1 for values in request.args.listvalues()):
        raise InvalidCommand("A parameter is given more than once.")
    try:
        return {"query": msgspec.convert(request.args.to_dict(), kind, strict=False)}
    except msgspec.ValidationError as error:
        raise InvalidCommand(f"The parameters can't be understood: {error}.") from error


def _body(kind: type[msgspec.Struct] | None) -> dict[str, object]:
    body = request.get_data()
    if kind is None:
        raise InvalidCommand("This request takes no body.")
    if body and request.mimetype != JSON:
        raise UnsupportedMediaType(f"The body has to be {JSON}.")
    try:
        decoded = msgspec.json.decode(body or b"{}", type=kind)
        json.loads(body or b"{}", object_pairs_hook=_without_repetition)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidCommand(f"The body can't be understood: {error}.") from error
    return {"body": decoded}


def _without_repetition(pairs: list[tuple[str, Any]]) -> None:
    """Programs that disagree on which of two values counts can be played off against each other."""
    if len(dict(pairs)) < len(pairs):
        raise InvalidCommand("The body names a field more than once.")
