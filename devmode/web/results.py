"""What the modules of a job recorded: their steps, screenshots and texts."""

from typing import Final

from flask import Blueprint, Response, render_template

from devmode.errors import HostAway, TextNotFound
from devmode.live.recorded import ShownStep
from devmode.web import devmode
from devmode.web.operations import PNG, TEXT
from devmode.web.rendering import is_htmx

blueprint = Blueprint("results", __name__, url_prefix="/jobs/<int:job_id>")

PICTURE_CACHED_S: Final = 3600


@blueprint.get("/modules/<module>")
def steps(job_id: int, module: str) -> str:
    """Show the steps of a module; HTMX gets them alone."""
    job = devmode().feed.view(job_id).job
    template = "jobs/_steps.html" if is_htmx() else "jobs/module.html"
    shown: list[ShownStep] = []
    problem = ""
    try:
        shown = devmode().recorded.steps(job_id, module)
    except (TextNotFound, HostAway) as error:
        problem = error.sentence
    return render_template(template, job=job, module=module, steps=shown, problem=problem)


@blueprint.get("/results/<name>")
def result(job_id: int, name: str) -> Response:
    """Give a screenshot, or the text of a step with the token masked."""
    content = devmode().recorded.content(job_id, name)
    if media_type_of(name) == PNG:
        return _picture(content)
    return Response(content, mimetype=TEXT)


@blueprint.get("/results/thumbnails/<name>")
def thumbnail(job_id: int, name: str) -> Response:
    """Give a small picture of a screenshot."""
    return _picture(devmode().recorded.thumbnail(job_id, name))


def media_type_of(name: str) -> str:
    """Tell what a result is, by its name."""
    return PNG if name.endswith(".png") else TEXT


def _picture(content: bytes) -> Response:
    headers = {"Cache-Control": f"private, max-age={PICTURE_CACHED_S}"}
    return Response(content, mimetype=PNG, headers=headers)
