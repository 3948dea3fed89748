"""What the commands that show more than a state ask a server for, and how they show it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from devmode import schemas
from devmode.cli import exits, recorded
from devmode.cli.main import main
from devmode.errors import TextNotFound
from tests.unit.cli.made import event, job

PICTURE = b"\x89PNG\r\n\x1a\n\x00\xff"


class Asked:
    """A client that notes what it is asked for, and gives it in pieces."""

    def __init__(self) -> None:
        self.paths: list[tuple[str, ...]] = []
        self.pieces: list[bytes] = [PICTURE[:5], PICTURE[5:]]

    def job(self, _number: int) -> schemas.Job:
        return job()

    def timeline(self, _job_id: int, only: str | None) -> tuple[schemas.Event, ...]:
        self.paths.append(("timeline", only or "everything"))
        took = event("taken_over", "Took control\x1b[31m from oscar.", "olivia")
        return took, event("connection_lost", "The connection is lost.")

    def read(self, _job_id: int, *path: str) -> Iterator[bytes]:
        self.paths.append(path)
        if not self.pieces:
            raise exits.Refused(TextNotFound.code, "There is no picture of this job's screen.")
        yield from self.pieces


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(recorded, "client", lambda: asked)
    return asked


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_screen_goes_into_the_file_that_is_named(asked: Asked, tmp_path: Path) -> None:
    file = tmp_path / "now.png"
    assert run("screen", "1", file).stdout_bytes == b""
    assert file.read_bytes() == PICTURE


def test_a_screen_without_a_file_goes_into_the_pipe(asked: Asked) -> None:
    assert run("screen", "1").stdout_bytes == PICTURE


def test_a_screen_that_is_not_there_leaves_the_file_alone(asked: Asked, tmp_path: Path) -> None:
    asked.pieces = []
    file = tmp_path / "now.png"
    file.write_bytes(b"before")
    result = run("screen", "1", file)
    assert result.exit_code == exits.FAILED
    assert result.stderr == "Error: There is no picture of this job's screen.\n"
    assert file.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("options", "name"),
    [([], "log"), (["--serial"], "serial0"), (["--text", "virtio_console1"], "virtio_console1")],
)
def test_the_log_is_printed_unless_another_text_is_named(
    asked: Asked, options: list[str], name: str
) -> None:
    assert run("log", "1", *options).stdout_bytes == PICTURE, "byte by byte, in a pipe"
    assert asked.paths == [("texts", name)]


def test_two_texts_at_once_are_refused(asked: Asked) -> None:
    assert run("log", "1", "--serial", "--text", "virtio_console").exit_code == 2
    assert asked.paths == []


def test_an_event_is_a_line_in_the_words_of_the_page(asked: Asked) -> None:
    assert run("timeline", "1").stdout.splitlines() == [
        "2026-01-01 00:00:00 UTC  taken over       olivia: Took control [31m from oscar.",
        "2026-01-01 00:00:00 UTC  connection lost  The connection is lost.",
    ]


def test_an_event_is_a_line_of_json_where_that_is_asked_for(asked: Asked) -> None:
    told = [json.loads(line) for line in run("timeline", "1", "--json").stdout.splitlines()]
    assert [(event["who"], event["kind"]) for event in told] == [
        ("olivia", "taken_over"),
        (None, "connection_lost"),
    ]


def test_a_timeline_is_narrowed_to_what_there_is(asked: Asked) -> None:
    assert run("timeline", "1", "--only", "people").exit_code == 0
    assert run("timeline", "1", "--only", "nothing").exit_code == 2
    assert asked.paths == [("timeline", "people")]
