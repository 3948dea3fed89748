"""Jobs as a terminal shows them.

Pure module: no sockets, no Flask, no database, no clock.
"""

import re

import click

from devmode.cli.modules import full_name, has_result
from devmode.schemas import HOOK, Event, Finding, Job, Step

_COLOURS = {
    "running": "green",
    "paused": "yellow",
    "trouble": "red",
    "stopping": "red",
    "connecting": "cyan",
    "ended": "bright_black",
}
_OUTCOMES = {
    "fine": ("ok  ", "green"),
    "failed": ("FAIL", "red"),
    "not_tried": ("-   ", "bright_black"),
}
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def plain(text: str) -> str:
    """Return a text of somebody else's without what a terminal would take for a command."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def harmless(text: str) -> str:
    """Return a text of many lines without what a terminal would take for a command."""
    without = _ESCAPES.sub("", text)
    return "".join(c for c in without if c.isprintable() or c in "\n\t")


def headline(job: Job) -> str:
    """Return the status line, without colours."""
    told = f"{job.headline.title}: {job.headline.detail}"
    return plain(told.removesuffix(": "))


def coloured(job: Job, text: str) -> str:
    """Colour a text by how the job is doing; colours say nothing that the text doesn't."""
    return click.style(text, fg=_COLOURS.get(job.headline.kind))


def table_line(job: Job) -> str:
    """Return a job as a line of the list."""
    running = (job.execution.module or "").removesuffix(HOOK)
    done = sum(has_result(module) and full_name(module) != running for module in job.modules)
    owner = f"  controlled by {plain(job.session.developer)}" if job.session else ""
    progress = f"{done}/{len(job.modules)}" if job.modules else "-"
    return f"{job.id:>6}  {progress:>7}  {plain(job.name)}  {coloured(job, _listed(job))}{owner}"


def _listed(job: Job) -> str:
    """Of a job that nobody watches the list knows no more than the module."""
    if job.state == "ended" or job.execution.known:
        return headline(job)
    return f"In {plain(job.execution.module)}" if job.execution.module else "Running"


def details(job: Job) -> str:
    """Return everything about a job, a line each."""
    state = job.execution
    lines = [
        f"{plain(job.name)} (job {job.id}{_openqa(job)})",
        coloured(job, headline(job)),
        f"controlled by: {_owner(job)}",
        *([f"ends at the latest: {job.deadline:%Y-%m-%d %H:%M} UTC"] if job.deadline else []),
        f"pause at: {plain(state.pause_at) if state.pause_at else 'nowhere'}",
        f"pause on mismatch: {_shown(state.pause_on_mismatch)}",
        f"pause on next command: {_shown(state.pause_on_next_command)}",
        f"pause on failure: {_shown(state.pause_on_failure)}",
    ]
    if not state.known:
        lines = [*lines[:-4], "pause settings: not known"]
    schedule = [f"  {module.result or '-':9} {plain(full_name(module))}" for module in job.modules]
    return "\n".join([*lines, *schedule])


def finding(found: Finding) -> str:
    """Return a step of an examination: how it went, what was seen and what to change."""
    mark, colour = _OUTCOMES[found.outcome]
    line = click.style(f"{mark} {found.step}", fg=colour)
    advice = f"\n    {plain(found.advice)}" if found.advice else ""
    return f"{line}: {plain(found.seen) or 'not tried'}{advice}"


def event(told: Event) -> str:
    """Return a line of the timeline, as the page words it."""
    who = f"{plain(told.who)}: " if told.who else ""
    kind = plain(told.kind.replace("_", " "))
    return f"{told.at:%Y-%m-%d %H:%M:%S} UTC  {kind:15}  {who}{plain(told.text)}"


def step(told: Step) -> str:
    """Return a step of a module, and below it the needles where none of them matched."""
    result = click.style(f"{plain(told.result):5}", fg="red" if told.result == "fail" else None)
    files = [plain(file) for file in (told.screenshot, told.text) if file]
    line = "  ".join([result, plain(told.caption), *files])
    missed = () if told.matched else told.candidates
    needles = [f"no match: {plain(needle.name)}, {needle.similarity} %" for needle in missed]
    return "\n       ".join([line, *needles])


def _openqa(job: Job) -> str:
    return f", openQA {job.origin.openqa_id}" if job.origin.openqa_id is not None else ""


def _owner(job: Job) -> str:
    if job.session is None:
        return "nobody"
    asking = job.session.requested_by
    asked = f", {plain(asking)} asks for control" if asking else ""
    return f"{plain(job.session.developer)}, {job.session.tabs} tabs{asked}"


def _shown(value: str | bool | None) -> str:  # noqa: FBT001 - a value, not a switch
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not known" if value is None else plain(value)
