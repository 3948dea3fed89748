"""Which job is meant, by its number, its name, or its number in openQA; and which module of it."""

import os

import click
from click.shell_completion import CompletionItem

from devmode.cli.access import access_from
from devmode.cli.client import Client
from devmode.cli.exits import FAILED, JOB_NOT_FOUND, Failure, Refused
from devmode.cli.modules import full_name, has_result, has_told
from devmode.cli.words import plain
from devmode.digits import number_of
from devmode.errors import JobNotFound
from devmode.schemas import Job, Module

OPENQA = "openqa:"
COMPLETED_WITHIN_S = 1.0
"""Who presses Tab waits for it, and can't type meanwhile."""


def client() -> Client:
    """Return a client for the server that the environment or the file names."""
    return Client(access_from(os.environ))


def find(server: Client, text: str) -> Job:
    """Return the job that is meant; raise `Failure` when that is none, or not one alone.

    A number is devmode's own; only if there is no such job it is openQA's. Of several jobs with
    one name the one that runs is meant.
    """
    number = number_of(text)
    if number is not None:
        try:
            return server.job(number)
        except Refused as refusal:
            if refusal.code != JobNotFound.code:
                raise
    found = [job for job in server.jobs() if _is_meant(job, text)]
    running = [job for job in found if job.state == "running"]
    chosen = running or found[:1]
    if len(chosen) == 1:
        return server.job(chosen[0].id)
    if not chosen:
        raise Failure(f"There is no job {plain(text)}. See: devmode jobs", JOB_NOT_FOUND)
    numbers = ", ".join(str(job.id) for job in chosen)
    raise Failure(f"Several jobs are meant by {plain(text)}: {numbers}.", JOB_NOT_FOUND)


def no_such_module(job: Job, text: str) -> Failure:
    """Return what to tell of a module that is not in the schedule of a job."""
    told = f"This job has no test module “{plain(text)}”. See: devmode status {job.id}"
    return Failure(told, FAILED)


def _is_meant(job: Job, text: str) -> bool:
    number = job.origin.openqa_id and str(job.origin.openqa_id)
    if text.startswith(OPENQA):
        return text.removeprefix(OPENQA) == number
    return text in (job.name, number)


class JobName(click.ParamType[str]):
    """A job as people name it; the shell completes it with what runs."""

    name = "job"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """See `click.ParamType`."""
        try:
            jobs = client().within(COMPLETED_WITHIN_S).jobs()
        except click.ClickException:
            return []
        return [
            CompletionItem(name, help=plain(job.name))
            for job in jobs
            if job.state == "running"
            for name in (str(job.id), job.name)
            if name.startswith(incomplete)
        ]


class ModuleName(click.ParamType[str]):
    """A module as people name it; the shell completes it with those that are still to come."""

    name = "module"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """See `click.ParamType`."""
        return [
            CompletionItem(name) for name in modules_to_come(ctx) if name.startswith(incomplete)
        ]


class RecordedModule(click.ParamType[str]):
    """A module as people name it; the shell completes it with those that have told any."""

    name = "module"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """See `click.ParamType`."""
        names = (full_name(module) for module in _modules(ctx) if has_told(module))
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class TextName(click.ParamType[str]):
    """A text; the shell completes it with those that the job has."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """See `click.ParamType`."""
        try:
            server = client().within(COMPLETED_WITHIN_S)
            names = server.texts(find(server, _job_of(ctx)).id)
        except click.ClickException:
            return []
        return [CompletionItem(plain(name)) for name in names if name.startswith(incomplete)]


def modules_to_come(ctx: click.Context) -> list[str]:
    """Return the full names of the modules without a result, for a line that is being typed."""
    return [full_name(module) for module in _modules(ctx) if not has_result(module)]


def _modules(ctx: click.Context) -> tuple[Module, ...]:
    try:
        return find(client().within(COMPLETED_WITHIN_S), _job_of(ctx)).modules
    except click.ClickException:
        return ()


def _job_of(ctx: click.Context) -> str:
    """Return how the job is named in a line that is being typed."""
    # An option that has no value yet leaves the job where click has read it.
    return ctx.params.get("job") or "".join(ctx.args[:1])


job_argument = click.argument("job", type=JobName())
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
