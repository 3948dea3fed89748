"""`devmode watch` and `devmode wait`, of a server that is played."""

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from devmode import schemas
from devmode.cli import exits, looking, showing
from devmode.cli.client import NOBODY, Onlooker
from devmode.cli.main import main
from tests.unit.cli.made import ended, paused, running

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
    live: Callable[..., showing.Display] = lambda **_: showing.LiveLine()  # noqa: E731
    monkeypatch.setattr(looking, "_display", live)


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
