"""The page on which a needle is made of a screenshot."""

import io
import zipfile
from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from devmode.errors import DevmodeError, StateChanged
from devmode.jobs.needles import TYPES, Needle, check
from devmode.live.drafts import Draft, Source
from devmode.live.view import LiveView
from devmode.web import devmode
from devmode.web.errors import status_of
from devmode.web.needleform import NeedleForm, Refusal, drafted, filled_in
from devmode.web.rendering import is_htmx, messages_answer
from devmode.web.security import visitor

NOW = "now"
"""Instead of the name of a screenshot: the screen as it is."""

blueprint = Blueprint("needles", __name__, url_prefix="/jobs/<int:job_id>")


@blueprint.get("/needle")
def edit(job_id: int) -> Response:
    """Show what a needle of a screenshot begins with.

    Without a screenshot it is that of the screen mismatch that the test is paused at, or else the
    screen as it is now, held so that it can be looked at in peace.
    """
    view = devmode().feed.view_for_page(job_id)
    if request.args.get("screenshot", NOW) == NOW:
        source = _first_source(view)
        page = url_for(".edit", job_id=job_id, module=source.module, screenshot=source.screenshot)
        return redirect(page, 303)
    draft = devmode().drafts.of(view, _source())
    return _page(view, draft, drafted(draft, f"{datetime.now(UTC):%Y%m%d}"))


@blueprint.post("/needle")
def make(job_id: int) -> Response:
    """Save a needle, pack it for a download, or change how many areas the form has."""
    view = devmode().feed.view(job_id)
    draft = devmode().drafts.of(view, _source())
    form = filled_in(request.form)
    what, _dash, number = request.form.get("do", "save").partition("-")
    if what == "add":
        return _page(view, draft, form.with_row(draft))
    if what == "remove":
        return _page(view, draft, form.without_row(number))
    try:
        return _pack(view, draft, form) if what == "download" else _save(view, draft, form)
    except DevmodeError as error:
        return _refuse(view, draft, form, error)


def _source() -> Source:
    return Source(request.args.get("screenshot", ""), request.args.get("module", ""))


def _first_source(view: LiveView) -> Source:
    if "screenshot" in request.args:
        return _present(view)
    try:
        return devmode().drafts.mismatch(view)
    except StateChanged:
        return _present(view)


def _present(view: LiveView) -> Source:
    """Hold the screen for who controls the job: others would crowd out what they draw on."""
    devmode().sessions.controlled(view.job.id, visitor())
    return devmode().drafts.present(view)


def _refuse(view: LiveView, draft: Draft, form: NeedleForm, error: DevmodeError) -> Response:
    """Say what is wrong in a message, and once more beside the field that it is about."""
    status = status_of(error)
    if is_htmx():
        marks = {error.field: error.sentence} if error.field else {}
        return messages_answer([("error", error.sentence)], status, marks=marks)
    return _page(view, draft, form, Refusal(error.sentence, error.field), status)


def _save(view: LiveView, draft: Draft, form: NeedleForm) -> Response:
    needle, screenshot = _usable(form, draft), draft.source.screenshot
    saved = devmode().needles.save(view.job.id, visitor(), needle, screenshot)
    flash(f"{saved} {view.needle_use}", "done")
    page = url_for("jobs.show", job_id=view.job.id)
    return Response(headers={"HX-Redirect": page}) if is_htmx() else redirect(page, 303)


def _pack(view: LiveView, draft: Draft, form: NeedleForm) -> Response:
    needle = _usable(form, draft)
    picture = devmode().recorded.content(view.job.id, draft.source.screenshot)
    headers = {"Content-Disposition": f'attachment; filename="{needle.name}.zip"'}
    return Response(_packed(needle, picture), mimetype="application/zip", headers=headers)


def _usable(form: NeedleForm, draft: Draft) -> Needle:
    """Return the needle that is meant; raise `InvalidCommand` where it is none."""
    needle = form.needle()
    check(needle, draft.width, draft.height)
    return needle


def _packed(needle: Needle, picture: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr(f"{needle.name}.png", picture)
        files.writestr(f"{needle.name}.json", needle.json)
    return packed.getvalue()


def _page(
    view: LiveView,
    draft: Draft,
    form: NeedleForm,
    refusal: Refusal | None = None,
    status: int = 200,
) -> Response:
    page = render_template(
        "jobs/needle.html",
        view=view,
        draft=draft,
        form=form,
        types=TYPES,
        audience=devmode().feed.audience_of(visitor(), view.job.id),
        refusal=refusal,
        obstacle=devmode().needles.obstacle(view.job.id, visitor()),
        now=NOW,
    )
    return Response(page, status, mimetype="text/html")
