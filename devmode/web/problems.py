"""Errors as programs read them: RFC 9457."""

from http import HTTPStatus

import msgspec
from flask import request
from werkzeug.wrappers import Response

from devmode.schemas import Problem

MEDIA_TYPE = "application/problem+json"


def is_api() -> bool:
    """Whether a program asks, by the address."""
    return request.path.startswith("/api/")


def problem_answer(status: int, code: str, sentence: str, kind: str = "about:blank") -> Response:
    """Tell a program what went wrong; `kind` says where that is described."""
    problem = Problem(
        type=kind, title=HTTPStatus(status).phrase, status=status, detail=sentence, code=code
    )
    answer = Response(msgspec.json.encode(problem), status, mimetype=MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="devmode"'
    return answer
