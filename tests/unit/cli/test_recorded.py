"""What the commands that show a screen or a text ask a server for, and where it goes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from devmode import schemas
from devmode.cli import exits, recorded
from devmode.cli.main import main
from devmode.errors import TextNotFound
from tests.unit.cli.made import job

PICTURE = b"\x89PNG\r\n\x1a\n\x00\xff"


class Asked:
    """A client that notes what it is asked for, and gives it in pieces."""

    def __init__(self) -> None:
        self.paths: list[tuple[str, ...]] = []
        self.pieces: list[bytes] = [PICTURE[:5], PICTURE[5:]]

    def job(self, _number: int) -> schemas.Job:
        return job()

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
