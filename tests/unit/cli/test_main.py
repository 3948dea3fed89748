"""How every command ends, whatever it does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from devmode import errors
from devmode.cli import exits, looking, steering
from devmode.cli.main import main

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from devmode.cli.main import main; main()", "completion", "bash"]
LIMIT_S = 30


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


def test_a_full_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            COMMAND, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False
        )
    assert result.returncode == exits.FAILED
    sentence = "Error: This machine did not do it: [Errno 28] No space left on device\n"
    assert result.stderr.decode() == sentence


def test_an_output_that_nobody_reads_any_more_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        COMMAND, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (exits.UNREAD, b"")
