"""The commands that change something: sessions, settings, and the test itself."""

from typing import Any
from urllib.parse import urlencode

import click

from devmode.cli.client import Client
from devmode.cli.deadlines import Seconds
from devmode.cli.exits import JOB_ENDED, Failure
from devmode.cli.jobs import ModuleName, client, find, job_argument
from devmode.cli.modules import full_name, named
from devmode.schemas import Job

STEP_S = 60.0


@click.command()
@job_argument
def control(job: str) -> None:
    """Take control of a job.

    \b
    Example:
      devmode control 17
    """
    _do(job, "PUT", "session")


@click.command()
@job_argument
@click.option("--stay", is_flag=True, help="Leave settings and pause as they are.")
@click.option("--cancel", is_flag=True, help="Cancel the job.")
@click.option("--reason", metavar="TEXT", help="Why it is cancelled.")
def release(job: str, *, stay: bool, cancel: bool, reason: str | None) -> None:
    """Let go of a job.

    Without an option, every pause setting is cleared and the test continues.

    \b
    Examples:
      devmode release 17
      devmode release 17 --cancel --reason "wrong image"
    """
    if stay and cancel:
        raise click.UsageError("--stay and --cancel contradict each other.")
    if reason is not None and not cancel:
        raise click.UsageError("--reason says why a job is cancelled: it needs --cancel.")
    query = {"then": "cancel" if cancel else "stay" if stay else "continue"}
    if reason:
        query["reason"] = reason
    _do(job, "DELETE", f"session?{urlencode(query)}")


@click.command()
@job_argument
@click.option("--reason", default="", metavar="TEXT", help="Why it is run again.")
def restart(job: str, reason: str) -> None:
    """Have openQA run a job again from its beginning, which ends it.

    \b
    Example:
      devmode restart 17 --reason "the mirror is back"
    """
    _do(job, "POST", "openqa/restart", {"reason": reason})


@click.command()
@job_argument
@click.argument("text")
def comment(job: str, text: str) -> None:
    """Leave a comment, TEXT, at a job in openQA.

    \b
    Example:
      devmode comment 17 "poo#12345: the mirror was away"
    """
    _do(job, "POST", "openqa/comment", {"text": text})


@click.command()
@job_argument
def ask(job: str) -> None:
    """Ask the owner of a job for control.

    \b
    Example:
      devmode ask 17
    """
    _do(job, "POST", "session/request")


@click.command()
@job_argument
def withdraw(job: str) -> None:
    """Ask the owner of a job for control no more.

    \b
    Example:
      devmode withdraw 17
    """
    _do(job, "POST", "session/withdraw")


@click.command()
@job_argument
@click.argument("developer")
def decline(job: str, developer: str) -> None:
    """Keep control from the DEVELOPER who asks for it.

    \b
    Example:
      devmode decline 17 oscar
    """
    _do(job, "POST", "session/decline", {"who": developer})


@click.command("hand-over")
@job_argument
@click.argument("developer")
def hand_over(job: str, developer: str) -> None:
    """Give control to the DEVELOPER who asks for it.

    \b
    Example:
      devmode hand-over 17 olivia
    """
    _do(job, "POST", "session/hand-over", {"to": developer})


@click.command("take-over")
@job_argument
def take_over(job: str) -> None:
    """Take control from the owner of a job.

    For administrators, and for operators when the owner is away.

    \b
    Example:
      devmode take-over 17
    """
    _do(job, "POST", "session/take-over")


@click.command()
@job_argument
def pause(job: str) -> None:
    """Pause the test before its next command.

    \b
    Example:
      devmode pause 17 && devmode wait 17 --until paused
    """
    _do(job, "POST", "pause")


@click.command()
@job_argument
@click.option("--ignore-failure", is_flag=True, help="As if the test had not failed.")
def resume(job: str, *, ignore_failure: bool) -> None:
    """Let the paused test go on.

    \b
    Examples:
      devmode resume 17
      devmode resume 17 --ignore-failure
    """
    _do(job, "POST", "resume", {"ignore_failure": ignore_failure})


@click.command()
@job_argument
@click.option("-n", "steps", type=click.IntRange(1, 10_000), default=1, help="How many steps.")
@click.option(
    "--timeout",
    type=Seconds(),
    default=STEP_S,
    show_default=True,
    metavar="S",
    help="Seconds that the test may take to come to the next pause.",
)
def step(job: str, steps: int, timeout: float) -> None:
    """Execute the next command of the test.

    The test pauses before the one after it. With -n, wait for each pause and step on from there.

    \b
    Examples:
      devmode step 17
      devmode step 17 -n 5 --timeout 300
    """
    server = client()
    found = find(server, job)
    for number in range(steps):
        answer = server.do("POST", found.id, "step", {"revision": found.revision})
        click.echo(answer.message)
        if number < steps - 1:
            found = _next_pause(server.within(timeout), found)


@click.command("set")
@job_argument
@click.option(
    "--pause-at", type=ModuleName(), metavar="MODULE", help="Pause when this module is reached."
)
@click.option("--no-pause-at", is_flag=True, help="Pause at no module.")
@click.option(
    "--pause-on-mismatch",
    type=click.Choice(["off", "assert_screen", "check_screen"]),
    help="Pause when a screen check times out; check_screen means both kinds.",
)
@click.option(
    "--pause-on-next-command/--no-pause-on-next-command",
    default=None,
    help="Pause before the next command, or go on.",
)
@click.option(
    "--pause-on-failure/--no-pause-on-failure",
    default=None,
    help="Pause when a module fails, or go on to what follows.",
)
def change(job: str, *, no_pause_at: bool, pause_at: str | None, **chosen: Any) -> None:
    """Change where the test pauses.

    What is not given stays as it is.

    \b
    Examples:
      devmode set 17 --pause-at console-shutdown
      devmode set 17 --no-pause-at --pause-on-mismatch assert_screen
    """
    settings = {name: value for name, value in chosen.items() if value is not None}
    if pause_at is not None and no_pause_at:
        raise click.UsageError("--pause-at and --no-pause-at contradict each other.")
    if not (settings or no_pause_at or pause_at):
        raise click.UsageError("Say what to set: see devmode set --help.")
    server = client()
    found = find(server, job)
    if pause_at is not None or no_pause_at:
        settings["pause_at"] = None if pause_at is None else _full_name(found, pause_at)
    click.echo(server.do("PATCH", found.id, "settings", settings).message)


@click.command("skip-timeout")
@job_argument
def skip_timeout(job: str) -> None:
    """Let the screen check in progress time out.

    On an os-autoinst from before August 2026 this can end the whole job, if a needle matches in
    the very same moment.

    \b
    Example:
      devmode skip-timeout 17
    """
    _do(job, "POST", "skip-timeout")


@click.command("give-up")
@job_argument
def give_up(job: str) -> None:
    """Let the screen check that the test is paused at fail.

    \b
    Example:
      devmode give-up 17
    """
    _do(job, "POST", "give-up")


def _do(job: str, method: str, path: str, body: dict[str, Any] | None = None) -> None:
    server = client()
    click.echo(server.do(method, find(server, job).id, path, body).message)


def _next_pause(server: Client, before: Job) -> Job:
    """Wait for the pause after the one that `before` is in."""
    for snapshot in server.follow(before.id):
        if snapshot.execution.paused and snapshot.revision != before.revision:
            return snapshot
        if snapshot.state == "ended":
            break
    raise Failure("The job has ended.", JOB_ENDED)


def _full_name(job: Job, module: str) -> str:
    """Return the full name of a module that is named without its category, if it is one alone."""
    meant = named(job, module)
    return full_name(meant[0]) if len(meant) == 1 else module
