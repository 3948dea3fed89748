"""What the commands that change something ask a server for, and what they refuse at once."""

from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import asdict

from devmode import schemas
from devmode.cli import steering
from devmode.cli.main import main
from tests.unit.cli.made import job


class Asked:
    """A client that notes what it is asked for."""

    def __init__(self) -> None:
        self.requests: list[tuple[Any, ...]] = []

    def job(self, _number: int) -> schemas.Job:
        return job()

    def do(self, *request: Any) -> schemas.Answer:
        self.requests.append(request)
        return schemas.Answer(**asdict(job()), message="Done.")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(steering, "client", lambda: asked)
    return asked


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ([], "then=continue"),
        (["--stay"], "then=stay"),
        (["--cancel"], "then=cancel"),
        (["--cancel", "--reason", "no use"], "then=cancel&reason=no+use"),
    ],
)
def test_there_are_three_ways_to_let_go(asked: Asked, options: list[str], query: str) -> None:
    assert run("release", "1", *options).exit_code == 0
    assert asked.requests == [("DELETE", 1, f"session?{query}", None)]


@pytest.mark.parametrize(
    "options",
    [["--stay", "--cancel"], ["--cancel", "--stay"], ["--reason", "x"], ["--stay", "--reason", ""]],
)
def test_a_job_is_not_let_go_in_two_ways_or_for_no_reason(asked: Asked, options: list[str]) -> None:
    assert run("release", "1", *options).exit_code == 2
    assert asked.requests == []
