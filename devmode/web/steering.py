"""Everything that a developer does to a session or to the test."""

from flask import Blueprint, flash, g, redirect, request, url_for
from werkzeug.wrappers import Response

from devmode.errors import DatabaseAway, DevmodeError, InvalidCommand, JobNotFound
from devmode.live.subscription import Regions
from devmode.sessions.actions import SETTING_NAMES, shown_setting
from devmode.sessions.service import After
from devmode.web import devmode
from devmode.web.errors import answer, status_of
from devmode.web.rendering import is_htmx, messages_answer
from devmode.web.security import visitor

NOT_CONFIRMED = "not confirmed"
STREAM_HEADER = "Devmode-Stream"
"""By which a page says that its stream is open, or about to open (static/live.js)."""

blueprint = Blueprint("steering", __name__, url_prefix="/jobs/<int:job_id>")


@blueprint.post("/session")
def start(job_id: int) -> Response:
    """Take control."""
    devmode().sessions.start(job_id, visitor())
    return _answer(job_id, "You control this job.")


@blueprint.post("/session/release")
def release(job_id: int) -> Response:
    """Let go."""
    then = request.values.get("then", After.CONTINUE.value)
    if then not in {after.value for after in After}:
        raise InvalidCommand("“then” is one of continue, stay, cancel.")
    reason = request.values.get("reason", "")
    return _answer(job_id, devmode().sessions.release(job_id, visitor(), After(then), reason))


@blueprint.post("/session/request")
def request_control(job_id: int) -> Response:
    """Ask the owner for control."""
    return _answer(job_id, devmode().sessions.request_control(job_id, visitor()))


@blueprint.post("/session/withdraw")
def withdraw_request(job_id: int) -> Response:
    """Ask the owner no more."""
    return _answer(job_id, devmode().sessions.withdraw_request(job_id, visitor()))


@blueprint.post("/session/decline")
def decline_request(job_id: int) -> Response:
    """Keep control from who asks for it."""
    who = request.values.get("who", "")
    return _answer(job_id, devmode().sessions.decline_request(job_id, visitor(), who))


@blueprint.post("/session/hand-over")
def hand_over(job_id: int) -> Response:
    """Give control to who asks for it."""
    to = request.values.get("to", "")
    return _answer(job_id, devmode().sessions.hand_over(job_id, visitor(), to))


@blueprint.post("/session/take-over")
def take_over(job_id: int) -> Response:
    """Take control from its owner."""
    return _answer(job_id, devmode().sessions.take_over(job_id, visitor()))


@blueprint.post("/openqa/restart")
def restart(job_id: int) -> Response:
    """Have openQA run the job again."""
    reason = request.values.get("reason", "")
    return _answer(job_id, devmode().errands.restart(job_id, visitor(), reason))


@blueprint.post("/openqa/comment")
def comment(job_id: int) -> Response:
    """Leave a comment in openQA."""
    text = request.values.get("comment", "")
    told = devmode().errands.comment(job_id, visitor(), text)
    # What still stands in the field would be left a second time.
    return _answer(job_id, told, emptied=("comment",))


@blueprint.post("/settings")
def settings(job_id: int) -> Response:
    """Save the pause settings that differ from what the form was made with."""
    changed = _changed_settings()
    if not changed:
        return _answer(job_id, "Nothing was changed.")
    return _answer(job_id, devmode().sessions.act(job_id, visitor(), "settings", changed, None))


@blueprint.post("/pause")
def pause(job_id: int) -> Response:
    """Pause before the next command."""
    return _act(job_id, "pause")


@blueprint.post("/resume")
def resume(job_id: int) -> Response:
    """Let the paused test go on."""
    ignore = request.values.get("ignore_failure", "0") == "1"
    return _act(job_id, "resume", ignore_failure=ignore)


@blueprint.post("/step")
def step(job_id: int) -> Response:
    """Execute the next command."""
    return _act(job_id, "step")


@blueprint.post("/skip-timeout")
def skip_timeout(job_id: int) -> Response:
    """Let the screen check in progress time out."""
    return _act(job_id, "skip_timeout")


@blueprint.post("/give-up")
def give_up(job_id: int) -> Response:
    """Let the screen check that the test is paused at fail."""
    return _act(job_id, "give_up")


@blueprint.errorhandler(DevmodeError)
def tell(error: DevmodeError) -> Response:
    """Tell an error on the page of the job, with what is true now."""
    job_id = (request.view_args or {}).get("job_id")
    is_stranger = g.get("visitor") is None
    if isinstance(error, JobNotFound | DatabaseAway) or is_stranger or job_id is None:
        return answer(error)
    if is_htmx():
        messages = [("error", error.sentence)]
        return messages_answer(messages, status_of(error), *_what_is_true(job_id))
    flash(error.sentence, "error")
    return redirect(url_for("jobs.show", job_id=job_id), 303)


def _changed_settings() -> dict[str, str]:
    return {
        name: request.form.getlist(name)[-1]
        for name in SETTING_NAMES
        if name in request.form
        and request.form.getlist(name)[-1] != request.form.get(f"was_{name}")
    }


def _what_is_true(job_id: int) -> tuple[Regions, dict[str, str]]:
    """Render what the page doesn't know, and mark what is not confirmed.

    What became of a command is told also where the database went away meanwhile.
    """
    try:
        return _untold_regions(job_id), _marks(job_id)
    except DatabaseAway:
        return {}, {}


def _marks(job_id: int) -> dict[str, str]:
    """Mark each setting that was to be changed and has another value still."""
    changed = _changed_settings()
    if not changed:
        return {}
    execution = devmode().feed.view(job_id).execution
    return {
        name: "" if shown_setting(execution, name) == value else NOT_CONFIRMED
        for name, value in changed.items()
    }


def _untold_regions(job_id: int) -> Regions:
    """Render the page's regions for a page without a stream.

    Where there is one it tells what changes, and may do so before this answer arrives: what was
    true when that was made would replace what is true now, and stay.
    """
    if request.headers.get(STREAM_HEADER) == "open":
        return {}
    return devmode().feed.regions_for(visitor(), job_id)


def _act(job_id: int, action: str, **arguments: object) -> Response:
    revision = request.values.get("revision")
    return _answer(job_id, devmode().sessions.act(job_id, visitor(), action, arguments, revision))


def _answer(job_id: int, sentence: str, emptied: tuple[str, ...] = ()) -> Response:
    if is_htmx():
        regions, marks = _what_is_true(job_id)
        return messages_answer([("done", sentence)], regions=regions, marks=marks, emptied=emptied)
    flash(sentence, "done")
    return redirect(url_for("jobs.show", job_id=job_id), 303)
