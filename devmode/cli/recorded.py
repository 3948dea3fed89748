"""The commands that show what there is of a job beside its state: screen, texts, timeline."""

import sys
from pathlib import Path
from typing import get_args

import click

from devmode import schemas
from devmode.cli import words
from devmode.cli.jobs import client, find, job_argument, json_option
from devmode.cli.showing import print_json, print_pieces

LOG = "log"
SERIAL = "serial0"

file_argument = click.argument(
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="[FILE.png]",
    required=False,
)


@click.command()
@job_argument
@file_argument
def screen(job: str, file: Path | None) -> None:
    """Save the latest picture of a job's screen, or print it into a pipe.

    Pictures are written while somebody looks, whenever the screen changes. Who asks looks for some
    seconds: the first picture may be older than what is on the screen.

    \b
    Examples:
      devmode screen 17 now.png
      devmode screen sle-textmode | display
    """
    _keep_off_terminals(file)
    server = client()
    picture = b"".join(server.read(find(server, job).id, "screen"))
    if file is None:
        print_pieces([picture])
    else:
        file.write_bytes(picture)


@click.command()
@job_argument
@click.option("--serial", is_flag=True, help="The serial output, serial0.")
@click.option("--text", metavar="NAME", help="Another one that the job has: virtio_console, say.")
def log(job: str, *, serial: bool, text: str | None) -> None:
    """Print the whole log of a job, or another of its texts.

    The job token is masked in it, and what the test typed for all but the owner and administrators.
    On a terminal it is shown without colours.

    \b
    Examples:
      devmode log 17 | grep -c "no candidate needle"
      devmode log 17 --serial | tail -n 20
      devmode log 17 --text virtio_console
    """
    if serial and text is not None:
        raise click.UsageError("--serial and --text contradict each other.")
    server = client()
    name = SERIAL if serial else text or LOG
    print_pieces(server.read(find(server, job).id, "texts", name))


@click.command()
@job_argument
@click.option("--only", type=click.Choice(get_args(schemas.Group)), help="What it is about.")
@json_option
def timeline(job: str, only: str | None, *, as_json: bool) -> None:
    """Show what happened in a job, the oldest first: a line for each event.

    With --json, a line of JSON for each.

    \b
    Examples:
      devmode timeline 17
      devmode timeline 17 --only people
      devmode timeline 17 --json | jq -r 'select(.kind == "paused") | .text'
    """
    server = client()
    for event in server.timeline(find(server, job).id, only):
        if as_json:
            print_json(event)
        else:
            click.echo(words.event(event))


def _keep_off_terminals(file: Path | None) -> None:
    if file is None and sys.stdout.isatty():
        raise click.UsageError(
            "A terminal shows no pictures: name a FILE.png, or let a pipe or a file take it."
        )
