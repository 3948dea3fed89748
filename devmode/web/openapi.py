"""The OpenAPI 3.1 document, made from the routes and the types that they validate with."""

import inspect
import re
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.routing import Rule

from devmode import errors
from devmode.errors import DevmodeError
from devmode.schemas import Problem
from devmode.web.errors import STATUSES
from devmode.web.operations import EVENTS, JSON, PNG, TEXT, Operation, operation_of
from devmode.web.problems import MEDIA_TYPE
from devmode.web.security import SAFE

blueprint = Blueprint("openapi", __name__)

REF = "#/components/schemas/{name}"
EVERYWHERE = (
    errors.NotSignedIn,
    errors.ForeignHost,
    errors.CutShort,
    errors.TooSlow,
    errors.InvalidCommand,
    errors.TooMany,
    errors.DatabaseAway,
)
"""What every operation can end in."""
CHANGING = (errors.FormExpired, errors.ChangeUnknown)
"""What every operation that changes something can end in, too."""
WITH_BODY = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than anything that devmode asks for.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON.",
}
SUCCESS = "200"

Document = dict[str, Any]

NUMBER: Document = {"type": "integer", "minimum": 0}
WORD: Document = {"type": "string", "minLength": 1}
NO_JSON: dict[str, Document] = {
    # A schema describes a whole body; this one has no end. Each event's data is a job.
    EVENTS: {"type": "string", "description": "Server-sent events, the data of each a Job."},
    PNG: {"description": "A picture."},
    TEXT: {"type": "string"},
}
"""What stands for a schema where an answer is no JSON."""

_IN_PATH = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
"""A parameter in a rule of ours; one without a kind is a word."""


@blueprint.get("/api/v1/openapi.json")
def document() -> Response:
    """Describe the API to programs."""
    return Response(msgspec.json.encode(_document(request.root_path)), mimetype=JSON)


@blueprint.get("/api")
def page() -> str:
    """Describe the API to people."""
    return render_template("api.html", document=_document(request.root_path), errors=_errors())


@lru_cache(maxsize=4)
def _document(root_path: str) -> Document:
    """Make the document once for each path that devmode is reached by: any stranger may ask."""
    offered = list(_operations())
    named = (kind for _rule, operation in offered for kind in (operation.gives, operation.body))
    # In the order of the operations, so that all processes tell the same.
    types = dict.fromkeys([*filter(None, named), Problem])
    _schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    paths: Document = {}
    for rule, operation in offered:
        path = paths.setdefault(_path(rule), {})
        for method in _methods(rule):
            path[method] = _operation(rule, method, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "devmode",
            "version": version("devmode"),
            "description": "Look at running os-autoinst jobs, take control of them, steer them.",
        },
        "servers": [{"url": root_path or "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Made by `devmode token create`.",
                }
            },
        },
    }


def _operations() -> Iterable[tuple[Rule, Operation]]:
    """Walk the routes: what is served is what is described."""
    for rule in current_app.url_map.iter_rules():
        operation = operation_of(current_app.view_functions[rule.endpoint])
        if operation is not None:
            yield rule, operation


def _path(rule: Rule) -> str:
    return _IN_PATH.sub(r"{\g<name>}", rule.rule)


def _methods(rule: Rule) -> list[str]:
    return sorted(method.lower() for method in (rule.methods or set()) - {"HEAD", "OPTIONS"})


def _operation(rule: Rule, method: str, operation: Operation) -> Document:
    view = current_app.view_functions[rule.endpoint]
    summary, _, description = inspect.cleandoc(view.__doc__ or "").partition("\n")
    described: Document = {
        "operationId": rule.endpoint.removeprefix("api."),
        "summary": summary.removesuffix("."),
        "description": description.strip() or summary,
        "parameters": _parameters(rule, operation),
        "responses": _responses(method, operation),
    }
    if operation.body is not None:
        required = any(field.required for field in msgspec.structs.fields(operation.body))
        described["requestBody"] = {
            "required": required,
            "content": {JSON: {"schema": _ref(operation.body)}},
        }
    return described


def _parameters(rule: Rule, operation: Operation) -> list[Document]:
    parameters: list[Document] = [
        {"name": found["name"], "in": "path", "required": True}
        | {"schema": NUMBER if found["kind"] == "int" else WORD}
        for found in _IN_PATH.finditer(rule.rule)
    ]
    if operation.query is not None:
        (_schema,), components = msgspec.json.schema_components([operation.query], ref_template=REF)
        query = components[operation.query.__name__]
        parameters += [
            {"name": name, "in": "query", "required": False, "schema": schema}
            | {"description": query["description"]}
            for name, schema in query["properties"].items()
        ]
    if EVENTS in operation.media_types:
        parameters.append(
            {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}
            | {"description": "The id of the last event that was received."}
        )
    return parameters


def _responses(method: str, operation: Operation) -> Document:
    content = {kind: {"schema": _schema(operation, kind)} for kind in operation.media_types}
    described: Document = {SUCCESS: {"description": "Done.", "content": content}}
    by_status: dict[int, list[str]] = {}
    refusals: list[type[DevmodeError]] = [*operation.refusals, *EVERYWHERE]
    if method.upper() not in SAFE:
        refusals += CHANGING
    for error in refusals:
        sentence = f"`{error.code}`: {inspect.getdoc(error)}"
        if sentence not in by_status.setdefault(STATUSES[error], []):
            by_status[STATUSES[error]].append(sentence)
    if operation.body is not None:
        by_status |= {status.value: [sentence] for status, sentence in WITH_BODY.items()}
    for status, sentences in sorted(by_status.items()):
        described[str(status)] = {
            "description": "\n\n".join(sentences),
            "content": {MEDIA_TYPE: {"schema": _ref(Problem)}},
        }
    return described


def _schema(operation: Operation, media_type: str) -> Document:
    if media_type == JSON and operation.gives is not None:
        return _ref(operation.gives)
    return NO_JSON[media_type]


def _ref(kind: type[msgspec.Struct]) -> Document:
    return {"$ref": REF.format(name=kind.__name__)}


def _errors() -> list[tuple[int, str, str]]:
    """Return every error that an answer can carry: status, code, what it means."""
    told = [(status, error.code, inspect.getdoc(error) or "") for error, status in STATUSES.items()]
    return sorted(told)
