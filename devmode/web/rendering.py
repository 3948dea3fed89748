"""Templates into pages, regions of pages, and answers to HTMX."""

from flask import Flask, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from devmode.live.feed import Regions
from devmode.live.view import Audience, JobLine, LiveView

JOB_REGIONS = ("status", "actions", "settings", "session", "schedule", "timeline")

Messages = list[tuple[str, str]]


def job_regions(app: Flask, view: LiveView, audience: Audience) -> Regions:
    """Render every region of a job's page; nothing in it is personal."""
    with app.app_context():
        environment = app.jinja_env
        rendered = {
            name: environment.get_template(f"jobs/_{name}.html").render(
                view=view, audience=audience
            )
            for name in JOB_REGIONS
        }
    return rendered | {"title": view.title}


def list_regions(app: Flask, jobs: list[JobLine]) -> Regions:
    """Render the list of jobs."""
    with app.app_context():
        return {"jobs": app.jinja_env.get_template("jobs/_jobs.html").render(jobs=jobs)}


def is_htmx() -> bool:
    """Whether HTMX asks, which wants changed fragments instead of pages."""
    return request.headers.get("HX-Request") == "true"


def messages_answer(
    messages: Messages, status: int = 200, regions: Regions | None = None
) -> Response:
    """Answer HTMX with messages and the regions that may have changed."""
    fragments = {
        name: Markup(html)  # noqa: S704 - rendered by our own templates, which escape
        for name, html in (regions or {}).items()
        if name != "title"
    }
    body = render_template("jobs/_answer.html", messages=messages, regions=fragments)
    return Response(body, status, mimetype="text/html")
