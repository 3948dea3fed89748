"""What the shells offer for a line that is being typed."""

import pytest
from click.testing import CliRunner

from devmode import schemas
from devmode.cli import jobs
from devmode.cli.exits import Unreachable
from devmode.cli.main import main
from tests.unit.cli.made import in_module

JOB = in_module("console-b", a="ok", b="running", c="none", d="")


class Found:
    def within(self, seconds: float | None) -> "Found":
        assert seconds is not None
        assert seconds < 2
        return self

    def job(self, _number: int) -> schemas.Job:
        return JOB

    def texts(self, _number: int) -> tuple[str, ...]:
        return ("log", "serial0", "virtio_console")

    def jobs(self) -> tuple[schemas.Job, ...]:
        return (JOB,)


class Away(Found):
    def job(self, _number: int) -> schemas.Job:
        raise Unreachable("It is away.")


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "client", Found)


def offered(*words: str) -> list[str]:
    """What bash is told at the last word, as it cuts the line into words."""
    environment = {
        "_DEVMODE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("devmode", *words)),
        "COMP_CWORD": str(len(words)),
    }
    told = CliRunner().invoke(main, env=environment, prog_name="devmode").stdout
    return [line.removeprefix("plain,") for line in told.splitlines() if line]


def test_where_to_pause_is_a_module_that_is_still_to_come() -> None:
    to_come = ["console-b", "console-c", "console-d"]
    assert offered("set", "17", "--pause-at", "") == to_come
    assert offered("set", "17", "--pause-at", "console-c") == ["console-c"]
    assert offered("set", "a-job", "--pause-at", "=", "con") == to_come


def test_what_to_wait_for_is_a_state_or_a_module_that_is_still_to_come() -> None:
    modules = ["module=console-b", "module=console-c", "module=console-d"]
    assert offered("wait", "17", "--until", "") == ["paused", "ended", *modules]
    assert offered("wait", "17", "--until", "mod") == modules
    assert offered("wait", "17", "--until", "=", "mod") == modules


def test_what_recorded_steps_is_a_module_that_has_a_result() -> None:
    assert offered("steps", "17", "") == ["console-a"]
    assert offered("steps", "17", "console-b") == []


def test_what_to_print_is_a_text_that_the_job_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("log", "17", "--text", "") == ["log", "serial0", "virtio_console"]
    assert offered("log", "17", "--text", "vir") == ["virtio_console"]
    monkeypatch.setattr(jobs, "client", Away)
    assert offered("log", "17", "--text", "") == []


@pytest.mark.parametrize("option", [["--until"], ["--until", "="]])
def test_bash_is_told_what_comes_after_the_equals_sign(option: list[str]) -> None:
    modules = ["console-b", "console-c", "console-d"]
    assert offered("wait", "17", *option, "module", "=") == modules
    assert offered("wait", "17", *option, "module", "=", "console-d") == ["console-d"]


def test_without_a_job_or_a_server_there_is_no_module_to_offer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert offered("wait", "--until", "") == ["paused", "ended"]
    monkeypatch.setattr(jobs, "client", Away)
    assert offered("wait", "17", "--until", "") == ["paused", "ended"]
    assert offered("set", "17", "--pause-at", "") == []
