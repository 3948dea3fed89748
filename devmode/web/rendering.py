"""Templates into pages, regions of pages, and answers to HTMX."""

from flask import Flask, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from devmode.live.feed import Regions
from devmode.live.view import Audience, JobLine, LiveView

JOB_REGIONS = ("status", "session", "actions", "settings", "release", "schedule", "timeline")

Messages = list[tuple[str, str]]


def job_regions(app: Flask, view: LiveView, audience: Audience) -> Regions:
    """Render every region of a job's page; nothing in it is personal."""
    rendered = {
        name: _fragment(app, f"jobs/_{name}.html", view=view, audience=audience)
        for name in JOB_REGIONS
    }
    return rendered | {"title": view.title}


def list_regions(app: Flask, jobs: list[JobLine]) -> Regions:
    """Render the list of jobs."""
    return {"jobs": _fragment(app, "jobs/_jobs.html", jobs=jobs)}


def _fragment(app: Flask, template: str, **context: object) -> str:
    """Render a template for nobody's request: the stream's, the same for all of an audience."""
    urls = app.url_map.bind("localhost")
    return app.jinja_env.get_template(template).render(
        url_for=lambda endpoint, **values: urls.build(endpoint, values), **context
    )


def is_htmx() -> bool:
    """Whether HTMX asks, which wants changed fragments instead of pages."""
    return request.headers.get("HX-Request") == "true"


def messages_answer(
    messages: Messages,
    status: int = 200,
    regions: Regions | None = None,
    marks: dict[str, str] | None = None,
) -> Response:
    """Answer HTMX with messages, the regions that may have changed and marks beside settings."""
    fragments = {
        name: Markup(html)  # noqa: S704 - rendered by our own templates, which escape
        for name, html in (regions or {}).items()
        if name != "title"
    }
    job_id = (request.view_args or {}).get("job_id")
    page = url_for("jobs.show", job_id=job_id) if job_id else None
    body = render_template(
        "jobs/_answer.html", messages=messages, regions=fragments, marks=marks or {}, page=page
    )
    return Response(body, status, mimetype="text/html")
