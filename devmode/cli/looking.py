"""The commands that only look: jobs, status, watch, wait, doctor."""

import sys
from itertools import chain

import click

from devmode import schemas
from devmode.cli import words
from devmode.cli.deadlines import Seconds
from devmode.cli.exits import COMMAND_SERVER, JOB_ENDED, Failure
from devmode.cli.jobs import client, find, job_argument, json_option
from devmode.cli.showing import Display, JsonLines, Lines, LiveLine, print_json
from devmode.cli.until import Condition, Until


@click.command()
@json_option
def jobs(*, as_json: bool) -> None:
    """List the jobs that run, and those that ended lately.

    Columns: number, progress through the schedule, name, state.

    \b
    Examples:
      devmode jobs
      devmode jobs --json | jq '.jobs[] | select(.execution.paused) | .name'
    """
    listed = client().jobs()
    if as_json:
        print_json(schemas.Jobs(jobs=listed))
        return
    for job in listed:
        click.echo(words.table_line(job))


@click.command()
@job_argument
@json_option
def status(job: str, *, as_json: bool) -> None:
    """Show a job: its state, its pause settings, its schedule.

    \b
    Examples:
      devmode status 17
      devmode status sle-textmode --json | jq .execution
    """
    found = find(client(), job)
    if as_json:
        print_json(found)
    else:
        click.echo(words.details(found))


@click.command()
@job_argument
@json_option
def watch(job: str, *, as_json: bool) -> None:
    """Follow a job until it ends.

    On a terminal the present state stays in one line. In a pipe each change is a line: the time
    and the state or, with --json, the whole job.

    \b
    Examples:
      devmode watch sle-textmode
      devmode watch 17 --json | jq .headline.title
    """
    server = client()
    found = find(server, job)
    display = _display(as_json=as_json)
    try:
        for snapshot in server.follow(found.id, display):
            display.show(snapshot)
            if snapshot.state == "ended":
                break
    finally:
        display.close()


@click.command()
@job_argument
@json_option
def doctor(job: str, *, as_json: bool) -> None:
    """Find out why a job can or can't be reached.

    Walks from devmode's server to the job's command server, and says of each step what was seen
    and what to change. Ends with 7 when the command server can't be reached.

    \b
    Example:
      devmode doctor 17
    """
    server = client()
    examination = server.examine(find(server, job).id)
    if as_json:
        print_json(examination)
    else:
        for finding in examination.findings:
            click.echo(words.finding(finding))
    if not examination.reachable:
        sys.exit(COMMAND_SERVER)


@click.command()
@job_argument
@click.option("--until", type=Until(), required=True, metavar=Until.name, help="What to wait for.")
@click.option("--timeout", type=Seconds(), metavar="S", help="Seconds to wait; 0 looks once.")
def wait(job: str, until: Condition, timeout: float | None) -> None:
    """Wait until a job is paused, has ended, or is in a module.

    Ends with 0 when it is so, with 1 when the job has no such module, with 4 when the job or the
    module ended first, with 9 when the time is up.

    \b
    Examples:
      devmode wait 17 --until paused --timeout 600 && devmode step 17
      devmode wait sle-textmode --until module=console-shutdown
    """
    server = client().within(timeout)
    found = find(server, job)
    for snapshot in chain([found], server.follow(found.id)):
        if until(snapshot):
            click.echo(words.coloured(snapshot, words.headline(snapshot)))
            return
        if snapshot.state == "ended":
            raise Failure(f"The job has ended: {snapshot.result}", JOB_ENDED)


def _display(*, as_json: bool) -> Display:
    if as_json:
        return JsonLines()
    return LiveLine() if sys.stdout.isatty() else Lines()
