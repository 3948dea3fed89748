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
from tests.unit.cli.made import event, in_module, step

PICTURE = b"\x89PNG\r\n\x1a\n\x00\xff"


class Asked:
    """A client that notes what it is asked for, and gives it in pieces."""

    def __init__(self) -> None:
        self.paths: list[tuple[str, ...]] = []
        self.pieces: list[bytes] = [PICTURE[:5], PICTURE[5:]]
        self.recorded: tuple[schemas.Step, ...] = ()

    def job(self, _number: int) -> schemas.Job:
        return in_module(None, a="fail")

    def timeline(self, _job_id: int, only: str | None) -> tuple[schemas.Event, ...]:
        self.paths.append(("timeline", only or "everything"))
        took = event("taken_over", "Took control\x1b[31m from oscar.", "olivia")
        return took, event("connection_lost", "The connection is lost.")

    def steps(self, _job_id: int, module: str) -> schemas.Steps:
        self.paths.append(("modules", module))
        return schemas.Steps(steps=self.recorded)

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


def needle(name: str, similarity: int) -> schemas.ComparedNeedle:
    return schemas.ComparedNeedle(name=name, similarity=similarity)


def test_a_step_is_a_line_and_a_check_that_failed_tells_what_did_not_match(asked: Asked) -> None:
    missed = (needle("login-new", 93), needle("login-old\x1b[31m", 12))
    asked.recorded = (
        step("menu 99 %", screenshot="a-1.png", matched=needle("menu", 99), candidates=missed),
        step("login", "fail", screenshot="a-2.png", candidates=missed),
        step("wait_serial", text="a-3.txt"),
    )
    assert run("steps", "1", "a").stdout.splitlines() == [
        "ok     menu 99 %  a-1.png",
        "fail   login  a-2.png",
        "       no match: login-new, 93 %",
        "       no match: login-old [31m, 12 %",
        "ok     wait_serial  a-3.txt",
    ]
    assert len(json.loads(run("steps", "1", "a", "--json").stdout)["steps"]) == 3


def test_a_module_goes_by_either_name(asked: Asked) -> None:
    for name in ("a", "console-a"):
        result = run("steps", "1", name)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "The module has not told any steps yet.\n"
    assert asked.paths == [("modules", "a")] * 2


def test_a_module_that_is_not_in_the_schedule_is_not_asked_about(asked: Asked) -> None:
    result = run("steps", "1", "b")
    assert result.exit_code == exits.FAILED
    assert result.stderr.startswith("Error: This job has no test module “b”.")
    assert asked.paths == []


def test_a_result_goes_into_the_file_or_the_pipe(asked: Asked, tmp_path: Path) -> None:
    assert run("result", "1", "a-1.png", tmp_path / "a.png").exit_code == 0
    assert (tmp_path / "a.png").read_bytes() == PICTURE
    assert run("result", "1", "a-3.txt").stdout_bytes == PICTURE
    assert asked.paths == [("results", "a-1.png"), ("results", "a-3.txt")]
