"""The document, the page and the routes tell of the same operations and errors."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser

from devmode.web.errors import STATUSES
from tests.apps import app_in

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "api.md"


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return app_in(tmp_path)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def document(client: FlaskClient) -> Any:
    answer = client.get("/api/v1/openapi.json")
    assert answer.mimetype == "application/json"
    return answer.json


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and rule.endpoint != "openapi.document":
            path = re.sub(r"<(?:int:)?(\w+)>", r"{\1}", rule.rule)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield path, method.lower()


def operations(document: Any) -> dict[tuple[str, str], Any]:
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_is_openapi_3_1(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_every_route_is_described_and_every_description_is_a_route(
    app: Flask, document: Any
) -> None:
    assert sorted(operations(document)) == sorted(routes(app))


def test_every_operation_says_what_it_does_and_what_can_go_wrong(document: Any) -> None:
    for operation in operations(document).values():
        assert operation["summary"]
        assert {"200", "401", "429"} <= operation["responses"].keys()


def test_every_reference_leads_somewhere(document: Any) -> None:
    known = document["components"]["schemas"]
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= known.keys()
    assert {"Job", "Answer", "Problem", "SettingsChange"} <= references


def test_types_stand_in_the_order_of_the_operations_whichever_process_tells(document: Any) -> None:
    answers = str([operation["responses"]["200"] for operation in operations(document).values()])
    given = list(dict.fromkeys(re.findall(r"#/components/schemas/(\w+)", answers)))
    assert [name for name in document["components"]["schemas"] if name in given] == given


def test_the_page_tells_of_every_operation_type_and_error(
    client: FlaskClient, document: Any
) -> None:
    page = LexborHTMLParser(client.get("/api").text)
    anchors = {node.attributes["id"] for node in page.css("[id]")}
    assert {operation["operationId"] for operation in operations(document).values()} <= anchors
    assert set(document["components"]["schemas"]) <= anchors
    assert {error.code for error in STATUSES} <= anchors
    links = {node.attributes["href"] or "" for node in page.css("main a[href^='#']")}
    assert {link.removeprefix("#") for link in links} <= anchors


def test_the_documentation_names_every_operation_and_error(document: Any) -> None:
    text = DOCUMENTATION.read_text()
    for path, method in operations(document):
        assert f"`{method.upper()} {path.removeprefix('/api/v1')}`" in text
    for error, status in STATUSES.items():
        assert f"| `{error.code}` | {status} |" in text
