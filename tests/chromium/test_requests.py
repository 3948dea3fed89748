"""Requests that no page of devmode would send, to a devmode served by gunicorn."""

import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.chromium.people import Person
from tests.chromium.server import Server
from tests.waiting import LIMIT_S


def status_of(url: str, data: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_foreign_host_name_is_refused(server: Server) -> None:
    assert status_of(f"{server.url}/sign-in", Host="evil.example") == 400


def test_a_form_from_another_site_is_refused(server: Server) -> None:
    assert status_of(f"{server.url}/sign-in", b"name=x", Origin="http://evil.example") == 400


def test_a_form_without_csrf_token_is_refused(server: Server) -> None:
    assert status_of(f"{server.url}/jobs/1/session", b"") == 400


def test_a_body_that_no_form_has_is_refused(server: Server) -> None:
    assert status_of(f"{server.url}/sign-in", b"x" * 200_000) == 413


def test_a_body_that_breaks_off_is_refused(server: Server) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=LIMIT_S) as connection:
        head = f"POST /sign-in HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 9\r\n\r\n"
        connection.sendall(f"{head}name".encode())
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 400")
    assert "broke off" in answer


def test_strangers_get_no_stream(server: Server) -> None:
    assert status_of(f"{server.url}/events?jobs=1") == 401


@pytest.mark.parametrize("path", ["/jobs/2147483647", "/jobs/99999999999999999999", "/jobs/0"])
def test_a_job_that_is_not_there_says_so(person: Person, path: str) -> None:
    answer = person("olivia").request.get(path)
    assert answer.status == 404
    assert "There is no job" in answer.text()
