"""Templates into pages, regions of pages, and answers to HTMX."""

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from flask import Flask, render_template, request
from jinja2 import Template
from jinja2.defaults import DEFAULT_NAMESPACE
from markupsafe import Markup
from werkzeug.wrappers import Response

from devmode.live.audience import Audience
from devmode.live.dashboard import JobLine
from devmode.live.renderings import Shown
from devmode.live.schedule import Row, Schedule
from devmode.live.subscription import Regions
from devmode.live.view import LiveView
from devmode.web.snapshots import snapshot_regions
from devmode.web.told import told_regions

Messages = list[tuple[str, str]]

SHOWN: dict[str, Callable[[LiveView, Audience], object]] = {
    "status": lambda view, _audience: (
        view.headline,
        view.outcome,
        view.newer,
        view.pause_number,
    ),
    "session": lambda view, audience: (
        view.job.state,
        view.session,
        view.declined,
        view.revision,
        view.remembered,
        audience,
    ),
    "actions": lambda view, audience: (
        view.execution.pause,
        view.execution.tags is None,
        view.execution.supports_pausing,
        view.can_steer,
        view.needle_editor,
        view.job.is_out_of_sight,
        view.viewer_of_vnc,
        view.warnings,
        view.revision,
        audience,
    ),
    "settings": lambda view, audience: (
        view.execution.known,
        view.execution.supports_pausing,
        view.execution.settings,
        view.settings_editable(audience) and (view.scheduled_module, view.job.modules),
    ),
    "release": lambda view, audience: (
        view.job.state,
        view.revision,
        view.remembered,
        audience,
    ),
    "origin": lambda view, _audience: (
        view.job.page,
        view.job.openqa and (view.job.openqa.facts.group, view.job.openqa.facts.worker),
    ),
    "openqa": lambda view, audience: view.job.page is not None and audience is not Audience.VIEWER,
    "clock": lambda view, _audience: view.deadline,
    "screen": lambda view, _audience: view.screen,
    "schedule": lambda view, audience: view.schedule(audience),
    "timeline": lambda view, _audience: view.events,
}
"""The regions of a job's page, each with all that its html depends on."""


class Fragments:
    """Templates rendered for nobody's request: for the stream, the same for all of an audience."""

    def __init__(self, app: Flask) -> None:
        """Use the templates and routes of `app`, and nothing of Flask that knows who asks."""
        self._environment = app.jinja_env.overlay()
        self._environment.globals = DEFAULT_NAMESPACE | {"url_for": self._url_for}
        self._templates: dict[str, Template] = {}
        self._urls = app.url_map.bind("localhost")

    def render(self, template: str, **context: object) -> str:
        """Render one; nothing in it may be personal."""
        known = self._templates.get(template) or self._load(template)
        return known.render(context)

    def _load(self, name: str) -> Template:
        template = self._templates[name] = self._environment.get_template(name)
        # Each rendering copies them; from Jinja's chain of two that takes as long as most regions.
        template.globals = self._environment.globals
        return template

    def _url_for(self, endpoint: str, **values: object) -> str:
        return self._urls.build(endpoint, values)


def job_regions(
    fragments: Fragments, view: LiveView, audience: Audience, last: Shown
) -> tuple[Shown, Regions]:
    """Render the regions of a job's page that show something else than they did `last`."""
    if audience is Audience.PROGRAM:
        return snapshot_regions(view, last)
    if audience is Audience.LIVEHANDLER:
        return told_regions(view, last)
    if audience is Audience.SCREEN:
        return last, {}
    shown = {name: show(view, audience) for name, show in SHOWN.items()}
    regions: Regions = {}
    for name in SHOWN:
        if name not in last or last[name] != shown[name]:
            regions |= _region(fragments, view, audience, name, last.get(name), shown[name])
    if last.get("title") != view.title:
        regions["title"] = view.title
    return shown | {"title": view.title}, regions


def _region(
    fragments: Fragments, view: LiveView, audience: Audience, name: str, before: object, now: object
) -> Regions:
    """Render a region that depends on `now`, or only what changed of it, if that is less."""
    if isinstance(before, Schedule) and isinstance(now, Schedule):
        rows = now.changed_rows(before)
        if rows is not None:
            return _schedule_parts(fragments, view.job.id, before, now, rows)
    return {name: fragments.render(f"jobs/_{name}.html", view=view, audience=audience)}


def _schedule_parts(
    fragments: Fragments, job_id: int, before: Schedule, now: Schedule, rows: list[Row]
) -> Regions:
    parts = {
        f"schedule/module-{row.module.name}": fragments.render(
            "jobs/_row.html", row=row, job_id=job_id
        )
        for row in rows
    }
    if now.done != before.done:
        parts["schedule/schedule-progress"] = fragments.render(
            "jobs/_schedule_progress.html", schedule=now
        )
    # Space around an element would stay in the page, more with each.
    return {name: html.strip() for name, html in parts.items()}


def list_regions(fragments: Fragments, lines: list[JobLine], last: Shown) -> tuple[Shown, Regions]:
    """Render the lines of the list of jobs that changed since `last`, and in which order they are.

    Each line is a region of its own, so that a change costs the same however many jobs there are.
    """
    order = ",".join(str(line.id) for line in lines)
    shown: Shown = {f"job-{line.id}": line for line in lines}
    regions = {
        f"job-{line.id}": fragments.render("jobs/_line.html", line=line)
        for line in lines
        if last.get(f"job-{line.id}") != line
    }
    if last.get("order") != order:
        regions["order"] = order
    return shown | {"order": order}, regions


def is_htmx() -> bool:
    """Whether HTMX asks, which wants changed fragments instead of pages."""
    return request.headers.get("HX-Request") == "true"


def messages_answer(
    messages: Messages,
    status: int = 200,
    regions: Regions | None = None,
    marks: dict[str, str] | None = None,
    emptied: tuple[str, ...] = (),
) -> Response:
    """Answer HTMX with messages, the regions that may have changed and marks beside fields.

    A field that is `emptied` gives its place to a fresh one.
    """
    fragments = {
        name: Markup(html)  # noqa: S704 - rendered by our own templates, which escape
        for name, html in (regions or {}).items()
        if name != "title"
    }
    body = render_template(
        "jobs/_answer.html",
        messages=messages,
        regions=fragments,
        marks=marks or {},
        emptied=emptied,
        page=_page(),
    )
    return Response(body, status, mimetype="text/html")


def _page() -> str:
    """Return the page from which HTMX asks; the sign-in leads back to none but our own."""
    with suppress(ValueError):
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
        return urlunsplit(("", "", shown.path, shown.query, ""))
    return ""
