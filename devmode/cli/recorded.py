"""The commands that show what there is of a job beside its state: screen, texts, events, steps."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import click

from devmode import schemas
from devmode.cli import words
from devmode.cli.jobs import (
    RecordedModule,
    TextName,
    client,
    find,
    job_argument,
    json_option,
    no_such_module,
)
from devmode.cli.modules import named
from devmode.cli.showing import print_json, print_pieces

LOG = "log"
SERIAL = "serial0"
PICTURE = ".png"

file_argument = click.argument(
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
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
    _put(server.read(find(server, job).id, "screen"), file)


@click.command()
@job_argument
@click.option("--serial", is_flag=True, help="The serial output, serial0.")
@click.option("--text", type=TextName(), metavar="NAME", help="Another one that the job has.")
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


@click.command()
@job_argument
@click.argument("module", type=RecordedModule())
@json_option
def steps(job: str, module: str, *, as_json: bool) -> None:
    """Show what a module recorded: a line for each screenshot, screen check and text.

    Below a check that failed stand the needles that did not match. “devmode result” fetches the
    files that the lines end with.

    \b
    Examples:
      devmode steps 17 console-shutdown
      devmode steps 17 shutdown --json | jq '.steps[] | select(.result == "fail")'
    """
    server = client()
    found = find(server, job)
    meant = named(found, module)
    if not meant:
        raise no_such_module(found, module)
    told = server.steps(found.id, meant[0].name)
    if as_json:
        print_json(told)
        return
    if not told.steps:
        click.echo("The module has not told any steps yet.", err=True)
    for step in told.steps:
        click.echo(words.step(step))


@click.command()
@job_argument
@click.argument("name")
@file_argument
def result(job: str, name: str, file: Path | None) -> None:
    """Save a file NAME that a step recorded, or print it.

    \b
    Examples:
      devmode result 17 shutdown-3.png failed.png
      devmode result 17 shutdown-4.txt
    """
    if name.endswith(PICTURE):
        _keep_off_terminals(file)
    server = client()
    _put(server.read(find(server, job).id, "results", name), file)


def _put(pieces: Iterable[bytes], file: Path | None) -> None:
    if file is None:
        print_pieces(pieces)
    else:
        file.write_bytes(b"".join(pieces))


def _keep_off_terminals(file: Path | None) -> None:
    if file is None and sys.stdout.isatty():
        raise click.UsageError(
            "A terminal shows no pictures: name a FILE.png, or let a pipe or a file take it."
        )
