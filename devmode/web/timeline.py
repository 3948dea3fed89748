"""The timeline of a job, whole: as a page, and for programs."""

import msgspec
from flask import Blueprint, Response, render_template, request

from devmode.live.timeline import GROUPS, TimelineEntry, entries
from devmode.web import devmode

blueprint = Blueprint("timeline", __name__, url_prefix="/jobs/<int:job_id>")


@blueprint.get("/timeline")
def show(job_id: int) -> str:
    """Show every event, or those that `only` names."""
    return render_template(
        "jobs/timeline.html",
        job=devmode().feed.view(job_id).job,
        entries=_entries(job_id),
        groups=GROUPS,
        only=request.args.get("only", ""),
    )


@blueprint.get("/timeline.jsonl")
def export(job_id: int) -> Response:
    """Give the same as JSON Lines, the oldest first."""
    lines = [
        {
            "at": entry.at.isoformat(),
            "who": entry.who,
            "kind": entry.kind,
            "group": entry.group,
            "text": entry.text,
        }
        for entry in reversed(_entries(job_id))
    ]
    headers = {"Content-Disposition": f'attachment; filename="job-{job_id}-timeline.jsonl"'}
    body = msgspec.json.Encoder().encode_lines(lines)
    return Response(body, mimetype="application/jsonl", headers=headers)


def _entries(job_id: int) -> list[TimelineEntry]:
    only = request.args.get("only", "")
    whole = entries(devmode().sessions.timeline(job_id))
    return [entry for entry in whole if only in ("", entry.group)]
