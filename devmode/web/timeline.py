"""The timeline of a job, whole: as a page, and as JSON Lines to be kept."""

import msgspec
from flask import Blueprint, Response, render_template, request

from devmode import schemas
from devmode.live.timeline import GROUPS, TimelineEntry, by_day, entries
from devmode.web import devmode

blueprint = Blueprint("timeline", __name__, url_prefix="/jobs/<int:job_id>")


@blueprint.get("/timeline")
def show(job_id: int) -> str:
    """Show every event, or those that `only` names."""
    return render_template(
        "jobs/timeline.html",
        job=devmode().feed.view(job_id).job,
        days=by_day(_entries(job_id, _only())),
        groups=GROUPS,
        only=_only(),
    )


@blueprint.get("/timeline.jsonl")
def export(job_id: int) -> Response:
    """Give the same as JSON Lines, the oldest first."""
    headers = {"Content-Disposition": f'attachment; filename="job-{job_id}-timeline.jsonl"'}
    body = msgspec.json.Encoder().encode_lines(told_events(job_id, _only()))
    return Response(body, mimetype="application/jsonl", headers=headers)


def told_events(job_id: int, only: str) -> tuple[schemas.Event, ...]:
    """Return the events of a group, or all, as programs read them; raise `JobNotFound`."""
    told = _entries(job_id, only)[::-1]
    return msgspec.convert(told, tuple[schemas.Event, ...], from_attributes=True)


def _only() -> str:
    return request.args.get("only", "")


def _entries(job_id: int, only: str) -> list[TimelineEntry]:
    whole = entries(devmode().sessions.timeline(job_id))
    return [entry for entry in whole if only in ("", entry.group)]
