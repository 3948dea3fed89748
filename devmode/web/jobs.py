"""The pages: the list of jobs and the live view of one."""

import time

from flask import Blueprint, render_template, request

from devmode.digits import LARGEST
from devmode.live.dashboard import Filter, Page
from devmode.web import devmode
from devmode.web.security import visitor
from devmode.web.texts import panel

blueprint = Blueprint("jobs", __name__)


@blueprint.get("/")
def index() -> str:
    """Show every job, or those that a filter admits."""
    chosen = Filter(*(request.args.get(name, "")[:200] for name in ("text", "kind", "owner")))
    lines = devmode().feed.jobs()
    return render_template(
        "jobs/index.html",
        lines=lines,
        chosen=chosen,
        admitted={line.id for line in lines if chosen.admits(line, visitor().name)},
        now=time.time(),
        refresh_off=_still(),
    )


@blueprint.get("/ended")
def ended() -> str:
    """Show the jobs that ended, a page of them at a time."""
    before = request.args.get("before", type=int)
    # No database takes a NUL.
    text = request.args.get("text", "")[:200].replace("\0", "")
    page = Page(before and min(max(before, 0), LARGEST), text)
    lines, older = devmode().feed.dashboard.ended(page)
    days = devmode().settings.kept_days
    return render_template("jobs/ended.html", lines=lines, page=page, older=older, days=days)


@blueprint.get("/jobs/<int:job_id>")
def show(job_id: int) -> str:
    """Show the live view of one job."""
    feed = devmode().feed
    view = feed.view_for_page(job_id)
    devmode().sessions.looks(job_id, visitor())
    audience = feed.audience_of(visitor(), job_id, view.declined)
    return render_template(
        "jobs/show.html",
        view=view,
        picture=feed.picture_of(job_id),
        audience=audience,
        panel=panel(job_id, audience),
        now=time.time(),
        refresh_off=_still(),
    )


@blueprint.get("/jobs/<int:job_id>/doctor")
def doctor(job_id: int) -> str:
    """Show what is found on the way to a job's command server."""
    return render_template("jobs/doctor.html", examination=devmode().doctor.examine(job_id))


def _still() -> bool:
    """Whether the page should not refresh itself where there is no JavaScript."""
    return request.args.get("refresh") == "off"
