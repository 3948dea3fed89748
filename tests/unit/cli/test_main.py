"""How every command ends, whatever it does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from devmode import errors
from devmode.cli import exits, looking, steering
from devmode.cli.main import main
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[3]
DEVMODE = [sys.executable, "-c", "from devmode.cli.main import main; main()"]


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What happens when a command asks for its server."""
    happens: list[BaseException] = []

    def client() -> None:
        raise happens[0]

    for module in (looking, steering):
        monkeypatch.setattr(module, "client", client)
    return happens


@pytest.mark.parametrize(
    "command", ["jobs", "watch 17", "wait 17 --until paused", "step 17 -n 3", "release 17"]
)
def test_every_command_ends_with_130_at_ctrl_c(raised: list[BaseException], command: str) -> None:
    raised.append(KeyboardInterrupt())
    result = CliRunner().invoke(main, command.split())
    assert (result.exit_code, result.output) == (exits.INTERRUPTED, "\n")


def test_an_error_of_this_machine_is_a_sentence_with_its_exit_code(
    raised: list[BaseException],
) -> None:
    raised.append(errors.DatabaseAway("The database can't be reached just now."))
    result = CliRunner().invoke(main, ["jobs"])
    assert result.exit_code == exits.UNREACHABLE
    assert result.stderr == "Error: The database can't be reached just now.\n"


def write_to(output: Any, *arguments: str) -> tuple[int, str]:
    """Runs the command with this output; returns its exit code and what it complains of."""
    result = subprocess.run(
        [*DEVMODE, *arguments],
        cwd=ROOT,
        stdout=output,
        stderr=subprocess.PIPE,
        timeout=LIMIT_S,
        check=False,
    )
    return result.returncode, result.stderr.decode()


@pytest.mark.parametrize("arguments", [("completion", "bash"), ("--version",), ("set", "--help")])
def test_a_full_disk_is_a_sentence(arguments: tuple[str, ...]) -> None:
    sentence = "Error: The operating system refused: [Errno 28] No space left on device\n"
    with Path("/dev/full").open("wb") as full:
        assert write_to(full, *arguments) == (exits.FAILED, sentence)


@pytest.mark.parametrize("arguments", [("completion", "bash"), ("--version",)])
def test_an_output_that_nobody_reads_any_more_ends_it_quietly(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert write_to(writing, *arguments) == (exits.UNREAD, "")
    finally:
        os.close(writing)


def test_a_pool_directory_that_can_not_be_made_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The output is that of all tests here.
    monkeypatch.setattr("devmode.cli.main._drop_output", lambda: None)
    result = CliRunner().invoke(main, ["simulate", "--pool", "/proc/no-pool"])
    assert result.exit_code == exits.FAILED
    assert result.stderr.startswith("Error: The operating system refused: ")
    assert result.stderr.endswith(": '/proc/no-pool'\n")


def test_a_pool_directory_that_can_not_be_written_is_a_sentence() -> None:
    result = CliRunner().invoke(main, ["simulate", "--pool", "/proc/sys"])
    assert result.exit_code == 2
    assert "Directory '/proc/sys' is not writable." in result.stderr
