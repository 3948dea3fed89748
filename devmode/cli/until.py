"""What `wait` waits for."""

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

from devmode.cli.exits import JOB_ENDED, Failure
from devmode.cli.jobs import modules_to_come, no_such_module
from devmode.cli.modules import full_name, has_result, named
from devmode.cli.words import plain
from devmode.schemas import Job

Condition = Callable[[Job], bool]
"""Tells whether it is so; raises `Failure` where it never will be."""

IN_MODULE = "module="
CONDITIONS: dict[str, Condition] = {
    "paused": lambda job: job.execution.paused,
    "ended": lambda job: job.state == "ended",
}


class Until(click.ParamType[Condition]):
    """What is waited for; the shell completes it with the modules that are still to come."""

    name = "paused|ended|module=MODULE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Condition:
        """Return the condition; see `click.ParamType`."""
        text = str(value)
        module = text.removeprefix(IN_MODULE)
        if text.startswith(IN_MODULE) and module:
            return lambda job: _is_in(job, module)
        if text in CONDITIONS:
            return CONDITIONS[text]
        return self.fail("it is one of: paused, ended, module=MODULE", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """See `click.ParamType`."""
        modules = (f"{IN_MODULE}{name}" for name in modules_to_come(ctx))
        offered = (*CONDITIONS, *modules)
        return [CompletionItem(text) for text in offered if text.startswith(incomplete)]


def _is_in(job: Job, module: str) -> bool:
    """Tell whether a job is in a module; raise `Failure` where it never will be."""
    meant = named(job, module)
    if job.execution.module in (module, *map(full_name, meant)):
        return True
    if not job.modules:
        return False
    if not meant:
        raise no_such_module(job, module)
    if all(map(has_result, meant)):
        last = meant[-1]
        raise Failure(f"The module {plain(full_name(last))} is over: {last.result}", JOB_ENDED)
    return False
