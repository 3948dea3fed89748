"""How jobs come to the screen: as JSON, as lines, as one line that stays."""

import codecs
import shutil
import sys
import time
from collections.abc import Iterable

import click
import msgspec

from devmode import schemas
from devmode.cli import words
from devmode.cli.client import Onlooker

ERASE_LINE = "\r\x1b[2K"
AWAY = "devmode is away, trying again"
BACK = "devmode is back"


def print_json(thing: msgspec.Struct) -> None:
    """Print something as the API tells it, in a line."""
    click.echo(msgspec.json.encode(thing))


def print_pieces(pieces: Iterable[bytes]) -> None:
    """Print a file as it is, but on a terminal nothing that commands it."""
    if not sys.stdout.isatty():
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    for text in codecs.iterdecode(pieces, "utf-8", "replace"):
        click.echo(words.harmless(text), nl=False)


class Display(Onlooker):
    """Shows a job as it changes; what is none of its states goes to standard error."""

    def show(self, job: schemas.Job) -> None:
        """Show a job."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave the screen to what comes next."""

    def lost(self) -> None:
        """See `Onlooker`."""
        click.echo(AWAY, err=True)

    def back(self) -> None:
        """See `Onlooker`."""
        click.echo(BACK, err=True)


class JsonLines(Display):
    """Prints the whole job as a line of JSON."""

    def show(self, job: schemas.Job) -> None:
        """See `Display`."""
        print_json(job)


class Lines(Display):
    """Prints each new status line, with the time."""

    def __init__(self) -> None:
        """Begin with a line, whatever it says."""
        self._last = ""

    def show(self, job: schemas.Job) -> None:
        """See `Display`."""
        line = words.headline(job)
        if line == self._last:
            return
        self._last = line
        click.echo(f"{time.strftime('%H:%M:%S')} {line}")


class LiveLine(Display):
    """Keeps the present state in one line of a terminal."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._job: schemas.Job | None = None

    def show(self, job: schemas.Job) -> None:
        """See `Display`."""
        self._job = job
        self._write(words.coloured(job, _fitting(words.headline(job))))

    def close(self) -> None:
        """See `Display`."""
        click.echo()

    def lost(self) -> None:
        """See `Onlooker`."""
        self._write(_fitting(AWAY))

    def back(self) -> None:
        """See `Onlooker`: what was last may still be true, so that nothing else would be said."""
        if self._job is not None:
            self.show(self._job)

    def _write(self, line: str) -> None:
        # Not by click, which takes it for a colour and leaves it out where there are none.
        sys.stdout.write(ERASE_LINE)
        click.echo(line, nl=False)


def _fitting(line: str) -> str:
    return line[: shutil.get_terminal_size().columns - 1]
