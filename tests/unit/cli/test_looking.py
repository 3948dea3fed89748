"""`devmode watch` and `devmode wait`, of a server that is played."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from devmode import schemas
from devmode.cli import exits, looking, showing
from devmode.cli.client import NOBODY, Onlooker
from devmode.cli.main import main
from tests.unit.cli.made import ended, in_module, paused, running

LOST = "lost"
BACK = "back"


class Played:
    """A client that finds a job as it is first, and follows it from there."""

    def __init__(self) -> None:
        self.told: list[schemas.Job | str] = []
        self.seconds: float | None = None

    def within(self, seconds: float | None) -> "Played":
        self.seconds = seconds
        return self

    def job(self, _number: int) -> schemas.Job:
        return next(told for told in self.told if isinstance(told, schemas.Job))

    def follow(self, _job_id: int, onlooker: Onlooker = NOBODY) -> Iterator[schemas.Job]:
        for told in self.told:
            if isinstance(told, schemas.Job):
                yield told
            elif told == LOST:
                onlooker.lost()
            else:
                onlooker.back()
        raise exits.Failure("The time is up.", exits.TIMED_OUT)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    played = Played()
    monkeypatch.setattr(looking, "client", lambda: played)
    return played


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def screen(output: str) -> list[str]:
    """What stood in the line of a terminal, one after the other."""
    first, *lines = output.removesuffix("\n").split(showing.ERASE_LINE)
    assert first == ""
    return lines


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the output be one without colours, of 21 columns."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "21")
    monkeypatch.setattr(looking, "_display", lambda **_: showing.LiveLine())


def test_a_shorter_line_leaves_nothing_of_a_longer_one_without_colours_too(
    played: Played, terminal: None
) -> None:
    played.told = [running("a long command of a test"), running("b"), ended()]
    assert screen(run("watch", "1").stdout) == [
        "Running: a long comm",
        "Running: b",
        "Ended: passed",
    ]


def test_the_line_tells_that_devmode_is_away_and_then_what_is_still_true(
    played: Played, terminal: None
) -> None:
    played.told = [running("a"), LOST, BACK, ended()]
    told = ["Running: a", showing.AWAY[:20], "Running: a", "Ended: passed"]
    result = run("watch", "1")
    assert (screen(result.stdout), result.stderr) == (told, "")


def test_in_a_pipe_it_is_told_beside_the_lines(played: Played) -> None:
    played.told = [running("a"), LOST, BACK, running("a"), ended()]
    result = run("watch", "1")
    shown = [line.split(" ", 1)[1] for line in result.stdout.splitlines()]
    assert shown == ["Running: a", "Ended: passed"]
    assert result.stderr.splitlines() == [showing.AWAY, showing.BACK]


def test_json_stays_json_while_devmode_is_away(played: Played) -> None:
    played.told = [running("a"), LOST, BACK, ended()]
    result = run("watch", "1", "--json")
    told = [json.loads(line)["state"] for line in result.stdout.splitlines()]
    assert told == ["running", "ended"]
    assert result.stderr.splitlines() == [showing.AWAY, showing.BACK]


def test_what_is_true_already_is_not_waited_for(played: Played) -> None:
    played.told = [paused("console-shutdown")]
    result = run("wait", "1", "--until", "paused", "--timeout", "0")
    assert (result.exit_code, played.seconds) == (0, 0)
    assert result.stdout == "Paused at module console-shutdown\n"


@pytest.mark.parametrize("command", ["wait 1 --until paused", "step 1"])
@pytest.mark.parametrize("seconds", ["nan", "-1", "soon"])
def test_a_timeout_is_a_number_of_seconds(played: Played, command: str, seconds: str) -> None:
    assert run(*command.split(), "--timeout", seconds).exit_code == 2


def wait_for_module(name: str) -> Result:
    return run("wait", "1", "--until", f"module={name}")


@pytest.mark.parametrize("name", ["b", "console-b"])
def test_a_module_is_waited_for_from_before_its_schedule_is_known(
    played: Played, name: str
) -> None:
    played.told = [
        in_module(None),
        in_module("console-a", a="running", b="none"),
        in_module("console-b", a="ok", b="running"),
    ]
    assert wait_for_module(name).exit_code == 0


@pytest.mark.parametrize("name", ["c", "console-c", "other-b"])
def test_a_module_that_is_not_in_the_schedule_is_not_waited_for(played: Played, name: str) -> None:
    played.told = [in_module("console-a", a="running", b="")]
    refused = wait_for_module(name)
    assert refused.exit_code == exits.FAILED
    told = f"Error: This job has no test module “{name}”. See: devmode status 1\n"
    assert (refused.stdout, refused.stderr) == ("", told)


def test_a_module_that_is_over_is_not_waited_for(played: Played) -> None:
    played.told = [in_module("console-b", a="ok", b="running")]
    refused = wait_for_module("a")
    assert refused.exit_code == exits.JOB_ENDED
    assert refused.stderr == "Error: The module console-a is over: ok\n"


def test_a_module_that_ends_before_it_was_seen_is_not_waited_for_any_longer(
    played: Played,
) -> None:
    played.told = [
        in_module("console-a", a="running", b="none", c="none"),
        in_module("console-c", a="ok", b="ok", c="running"),
    ]
    assert wait_for_module("b").exit_code == exits.JOB_ENDED


def test_a_job_that_ends_before_the_module_is_told(played: Played) -> None:
    played.told = [in_module("console-a", a="running", b="none"), ended("failed")]
    result = wait_for_module("b")
    assert (result.exit_code, result.stderr) == (
        exits.JOB_ENDED,
        "Error: The job has ended: failed\n",
    )
