"""What script/audit makes of the answers of OSV, which a server on this machine gives here."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]


class Osv(BaseHTTPRequestHandler):
    """Knows one vulnerability, as https://google.github.io/osv.dev/post-v1-query/ has it."""

    vulnerable = ""
    asked: list[str]

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = question["package"]
        self.asked.append(package["name"])
        found = {"vulns": [{"id": "OSV-1", "affected": [{"package": package}]}]}
        body = json.dumps(found if package["name"] == self.vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def osv() -> Iterator[tuple[type[Osv], str]]:
    mine = type("Mine", (Osv,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), mine)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield mine, f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audit(url: str) -> tuple[int, str]:
    run = subprocess.run(
        [ROOT / "script/audit", url], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    return run.returncode, run.stdout


def test_releases_that_no_vulnerability_is_known_of_pass(osv: tuple[type[Osv], str]) -> None:
    server, url = osv
    assert audit(url) == (0, "")
    assert {"flask", "gevent", "psycopg", "pytest"} <= set(server.asked)


@pytest.mark.parametrize("package", ["werkzeug", "pytest"])
def test_a_known_vulnerability_fails_and_is_named(osv: tuple[type[Osv], str], package: str) -> None:
    server, url = osv
    server.vulnerable = package
    code, told = audit(url)
    assert code == 1
    assert package in told
    assert "OSV-1" in told


def test_what_nobody_answers_is_said_to_be_unknown() -> None:
    code, told = audit("http://127.0.0.1:9/v1/query")
    assert code == 0
    assert told.startswith("not audited, as OSV could not be asked: ")
