"""What the modules of a job recorded: their steps, screenshots and texts."""

from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, render_template

from devmode.errors import TextNotFound
from devmode.jobs.results import Results
from devmode.jobs.steps import Step
from devmode.live.lines import Line, Lines
from devmode.web import devmode
from devmode.web.rendering import is_htmx

blueprint = Blueprint("results", __name__, url_prefix="/jobs/<int:job_id>")

LONGEST_TEXT: Final = 16 << 10
"""As much of a step's text is shown among the steps; all of it has a page of its own."""
MOST_TEXT: Final = 512 << 10
PICTURE_CACHED_S: Final = 3600


@dataclass(frozen=True)
class ShownStep:
    """A step with what is needed to show it."""

    step: Step
    width: int
    height: int
    lines: list[Line]
    is_cut: bool
    """Whether its text goes on."""


@blueprint.get("/modules/<module>")
def steps(job_id: int, module: str) -> str:
    """Show the steps of a module; HTMX gets them alone."""
    job = devmode().feed.view(job_id).job
    template = "jobs/_steps.html" if is_htmx() else "jobs/module.html"
    try:
        shown = _shown_steps(job_id, module)
        problem = ""
    except TextNotFound as error:
        shown, problem = [], error.sentence
    return render_template(template, job=job, module=module, steps=shown, problem=problem)


@blueprint.get("/results/<name>")
def result(job_id: int, name: str) -> Response:
    """Give a screenshot, or the text of a step with the token masked."""
    results = devmode().texts.results(job_id)
    if name.endswith(".png"):
        return _picture(results.picture(name))
    text = devmode().texts.masked(job_id, results.text(name))
    return Response(text, mimetype="text/plain")


@blueprint.get("/results/thumbnails/<name>")
def thumbnail(job_id: int, name: str) -> Response:
    """Give a small picture of a screenshot."""
    return _picture(devmode().texts.results(job_id).thumbnail(name))


def _shown_steps(job_id: int, module: str) -> list[ShownStep]:
    results = devmode().texts.results(job_id)
    shown: list[ShownStep] = []
    left = MOST_TEXT
    for step in results.steps(module):
        text = _text(results, step)
        size = results.size(step.screenshot) if step.screenshot else (0, 0)
        part = devmode().texts.masked(job_id, text)[: min(LONGEST_TEXT, left)]
        left -= len(part)
        shown.append(ShownStep(step, *size, _lines(part), len(part) < len(text)))
    return shown


def _text(results: Results, step: Step) -> bytes:
    try:
        return results.text(step.text) if step.text else b""
    except TextNotFound:
        return b"(its text is not there)"


def _lines(text: bytes) -> list[Line]:
    cutter = Lines(0)
    lines = cutter.feed(text)
    unfinished = cutter.unfinished()
    return [*lines, unfinished] if unfinished else lines


def _picture(content: bytes) -> Response:
    headers = {"Cache-Control": f"private, max-age={PICTURE_CACHED_S}"}
    return Response(content, mimetype="image/png", headers=headers)
