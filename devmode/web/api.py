"""The API: what the pages do, for programs with a token."""

import msgspec
from flask import Blueprint, request
from msgspec import UNSET
from werkzeug.wrappers import Response

from devmode import errors, schemas
from devmode.jobs.needles import Needle
from devmode.live.audience import Audience
from devmode.live.subscription import News
from devmode.sessions.service import After
from devmode.web import devmode
from devmode.web.operations import EVENTS, PNG, TEXT, Operation, operation
from devmode.web.results import media_type_of
from devmode.web.screen import latest_picture
from devmode.web.security import visitor
from devmode.web.snapshots import REGION, answer_of, event_id, snapshot_of
from devmode.web.stream import follow
from devmode.web.texts import whole_text
from devmode.web.timeline import told_events

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

CONTROLLED = (errors.NotPermitted, errors.JobNotFound, errors.JobNotRunning)
OWNED = (*CONTROLLED, errors.NotSessionOwner, errors.StateChanged)
STEERED = (
    *OWNED,
    errors.InvalidCommand,
    errors.CommandServerUnreachable,
    errors.CommandNotConfirmed,
    errors.OutcomeUnknown,
)
ERRAND = (errors.OpenqaAway, errors.OpenqaRefused)
ASKED = (errors.NotPermitted, errors.JobNotFound, *ERRAND)
READ = (errors.JobNotFound, errors.TextNotFound, errors.HostAway)
ACT = Operation(schemas.Answer, body=schemas.Act, refusals=STEERED)


@blueprint.get("/jobs")
@operation(Operation(schemas.Jobs))
def jobs() -> schemas.Jobs:
    """List the jobs, those that run first."""
    return schemas.Jobs(jobs=tuple(snapshot_of(view) for view in devmode().feed.views()))


@blueprint.get("/jobs/<int:job_id>")
@operation(Operation(schemas.Job, refusals=(errors.JobNotFound,)))
def job(job_id: int) -> schemas.Job:
    """Show one job."""
    return snapshot_of(devmode().feed.view_for_page(job_id))


@blueprint.get("/jobs/<int:job_id>/doctor")
@operation(Operation(schemas.Examination, refusals=(errors.JobNotFound,)))
def doctor(job_id: int) -> schemas.Examination:
    """Examine, step by step, why the command server of a job can or can't be reached."""
    examination = devmode().doctor.examine(job_id)
    return schemas.Examination(
        job_id=job_id,
        reachable=examination.is_reachable,
        findings=tuple(
            schemas.Finding(
                step=finding.step,
                outcome=finding.outcome.value,
                seen=finding.seen,
                advice=finding.advice,
            )
            for finding in examination.findings
        ),
    )


@blueprint.get("/jobs/<int:job_id>/events")
@operation(
    Operation(schemas.Job, media_types=(EVENTS,), refusals=(errors.JobNotFound, errors.Overloaded))
)
def events(job_id: int) -> Response:
    """Stream the job as server-sent events, whole at each change.

    A client that comes back with `Last-Event-ID` is told only what is new to it. An event named
    `signed-out` means that the token is not valid any more, one named `farewell` to come back.
    """
    # So that the first snapshot tells what is known, and that there is such a job at all.
    devmode().feed.view_for_page(job_id)
    last = request.headers.get("Last-Event-ID")

    def encode(news: News) -> bytes:
        nonlocal last
        snapshot = news.regions[REGION]
        if event_id(snapshot) == last:
            return b""
        last = event_id(snapshot)
        return f"id: {last}\ndata: {snapshot}\n\n".encode()

    return follow(visitor(), [job_id], encode, Audience.PROGRAM)


@blueprint.get("/jobs/<int:job_id>/screen")
@operation(Operation(None, media_types=(PNG,), refusals=(errors.JobNotFound, errors.TextNotFound)))
def screen(job_id: int) -> Response:
    """Give the latest picture of a job's screen.

    Pictures are written while somebody looks, whenever the screen changes: who asks looks for some
    seconds, and may ask again. `Last-Modified` is when it was written.
    """
    devmode().feed.glance(job_id)
    picture = latest_picture(job_id)
    response = Response(picture.data, mimetype=PNG)
    response.last_modified = picture.written_at
    return response


@blueprint.get("/jobs/<int:job_id>/texts")
@operation(Operation(schemas.Texts, refusals=(errors.JobNotFound,)))
def texts(job_id: int) -> schemas.Texts:
    """List the texts of a job: its log, and what the SUT wrote to serial lines."""
    return schemas.Texts(names=tuple(devmode().texts.names(job_id)))


@blueprint.get("/jobs/<int:job_id>/texts/<name>")
@operation(Operation(None, media_types=(TEXT,), refusals=READ))
def text(job_id: int, name: str) -> Response:
    """Give a whole text by its name.

    The job token is masked, and what the test typed for all but the owner and administrators.
    """
    return Response(whole_text(job_id, name), mimetype=TEXT)


@blueprint.get("/jobs/<int:job_id>/timeline")
@operation(Operation(schemas.Timeline, query=schemas.Narrowing, refusals=(errors.JobNotFound,)))
def timeline(job_id: int, query: schemas.Narrowing) -> schemas.Timeline:
    """Tell what happened in a job, the oldest first."""
    return schemas.Timeline(events=told_events(job_id, query.only or ""))


@blueprint.get("/jobs/<int:job_id>/modules/<module>")
@operation(Operation(schemas.Steps, refusals=READ))
def steps(job_id: int, module: str) -> schemas.Steps:
    """Tell what a module recorded, by its name without the category."""
    recorded = [shown.step for shown in devmode().recorded.steps(job_id, module)]
    return msgspec.convert({"steps": recorded}, schemas.Steps, from_attributes=True)


@blueprint.get("/jobs/<int:job_id>/results/<name>")
@operation(Operation(None, media_types=(PNG, TEXT), refusals=READ))
def result(job_id: int, name: str) -> Response:
    """Give a screenshot or a text that a step names."""
    content = devmode().recorded.content(job_id, name)
    return Response(content, mimetype=media_type_of(name))


@blueprint.put("/jobs/<int:job_id>/session")
@operation(
    Operation(
        schemas.Answer,
        refusals=(
            *CONTROLLED,
            errors.SessionLocked,
            errors.CommandServerUnreachable,
            errors.IncompatibleCommandServer,
            errors.OutcomeUnknown,
        ),
    )
)
def control(job_id: int) -> schemas.Answer:
    """Take control of a job; once more does no harm."""
    devmode().sessions.start(job_id, visitor())
    return _answer(job_id, "You control this job.")


@blueprint.delete("/jobs/<int:job_id>/session")
@operation(
    Operation(
        schemas.Answer,
        query=schemas.Release,
        refusals=(*STEERED, *ERRAND, errors.HostAway),
    )
)
def release(job_id: int, query: schemas.Release) -> schemas.Answer:
    """Let go of a job: the test continues, stays as it is, or is cancelled."""
    after = After(query.then)
    return _answer(job_id, devmode().sessions.release(job_id, visitor(), after, query.reason))


@blueprint.post("/jobs/<int:job_id>/session/request")
@operation(Operation(schemas.Answer, refusals=(*CONTROLLED, errors.StateChanged)))
def request_control(job_id: int) -> schemas.Answer:
    """Ask the owner of a job for control."""
    return _answer(job_id, devmode().sessions.request_control(job_id, visitor()))


@blueprint.post("/jobs/<int:job_id>/session/withdraw")
@operation(Operation(schemas.Answer, refusals=(*CONTROLLED, errors.StateChanged)))
def withdraw_request(job_id: int) -> schemas.Answer:
    """Ask the owner of a job for control no more."""
    return _answer(job_id, devmode().sessions.withdraw_request(job_id, visitor()))


@blueprint.post("/jobs/<int:job_id>/session/decline")
@operation(Operation(schemas.Answer, body=schemas.Decline, refusals=OWNED))
def decline_request(job_id: int, body: schemas.Decline) -> schemas.Answer:
    """Keep control from the developer who asks for it."""
    return _answer(job_id, devmode().sessions.decline_request(job_id, visitor(), body.who))


@blueprint.post("/jobs/<int:job_id>/session/hand-over")
@operation(Operation(schemas.Answer, body=schemas.HandOver, refusals=OWNED))
def hand_over(job_id: int, body: schemas.HandOver) -> schemas.Answer:
    """Give control to the developer who asks for it."""
    return _answer(job_id, devmode().sessions.hand_over(job_id, visitor(), body.to))


@blueprint.post("/jobs/<int:job_id>/session/take-over")
@operation(Operation(schemas.Answer, refusals=(*CONTROLLED, errors.StateChanged)))
def take_over(job_id: int) -> schemas.Answer:
    """Take control from its owner: administrators, or any operator when the owner is away."""
    return _answer(job_id, devmode().sessions.take_over(job_id, visitor()))


@blueprint.post("/jobs/<int:job_id>/openqa/restart")
@operation(Operation(schemas.Answer, body=schemas.Restart, refusals=(*ASKED, errors.SessionLocked)))
def restart(job_id: int, body: schemas.Restart) -> schemas.Answer:
    """Have the job's openQA run it again from its beginning, which ends it."""
    return _answer(job_id, devmode().errands.restart(job_id, visitor(), body.reason))


@blueprint.post("/jobs/<int:job_id>/openqa/comment")
@operation(Operation(schemas.Answer, body=schemas.Comment, refusals=ASKED))
def comment(job_id: int, body: schemas.Comment) -> schemas.Answer:
    """Leave a comment at the job in its openQA."""
    return _answer(job_id, devmode().errands.comment(job_id, visitor(), body.text))


@blueprint.patch("/jobs/<int:job_id>/settings")
@operation(Operation(schemas.Answer, body=schemas.SettingsChange, refusals=STEERED))
def settings(job_id: int, body: schemas.SettingsChange) -> schemas.Answer:
    """Change where the test pauses; done when the command server has confirmed it."""
    changed = {
        name: _as_in_a_form(value)
        for name, value in msgspec.structs.asdict(body).items()
        if value is not UNSET
    }
    return _act(job_id, "settings", None, **changed)


@blueprint.post("/jobs/<int:job_id>/pause")
@operation(ACT)
def pause(job_id: int, body: schemas.Act) -> schemas.Answer:
    """Pause the test before its next command."""
    return _act(job_id, "pause", body.revision)


@blueprint.post("/jobs/<int:job_id>/resume")
@operation(Operation(schemas.Answer, body=schemas.Resume, refusals=STEERED))
def resume(job_id: int, body: schemas.Resume) -> schemas.Answer:
    """Let the paused test go on."""
    return _act(job_id, "resume", body.revision, ignore_failure=body.ignore_failure)


@blueprint.post("/jobs/<int:job_id>/step")
@operation(ACT)
def step(job_id: int, body: schemas.Act) -> schemas.Answer:
    """Execute the next command and pause before the one after it."""
    return _act(job_id, "step", body.revision)


@blueprint.post("/jobs/<int:job_id>/skip-timeout")
@operation(ACT)
def skip_timeout(job_id: int, body: schemas.Act) -> schemas.Answer:
    """Let the screen check in progress time out."""
    return _act(job_id, "skip_timeout", body.revision)


@blueprint.post("/jobs/<int:job_id>/give-up")
@operation(ACT)
def give_up(job_id: int, body: schemas.Act) -> schemas.Answer:
    """Let the screen check that the test is paused at fail."""
    return _act(job_id, "give_up", body.revision)


@blueprint.post("/jobs/<int:job_id>/needles")
@operation(
    Operation(
        schemas.Answer,
        body=schemas.NewNeedle,
        refusals=(
            *OWNED,
            errors.TextNotFound,
            errors.NeedleNotSaved,
            errors.HostAway,
        ),
    )
)
def make_needle(job_id: int, body: schemas.NewNeedle) -> schemas.Answer:
    """Save a needle, which isotovideo loads when a screen mismatch is resumed."""
    # Whoever does not control the job is told that first, not what the test does.
    devmode().sessions.controlled(job_id, visitor())
    view = devmode().feed.view_for_page(job_id)
    screenshot = body.screenshot or devmode().drafts.mismatch(view).screenshot
    needle = msgspec.convert(body, Needle, from_attributes=True)
    saved = devmode().needles.save(job_id, visitor(), needle, screenshot)
    return _answer(job_id, f"{saved} {view.needle_use}")


def _act(job_id: int, action: str, revision: str | None, **arguments: object) -> schemas.Answer:
    sessions = devmode().sessions
    return _answer(job_id, sessions.act(job_id, visitor(), action, arguments, revision))


def _answer(job_id: int, message: str) -> schemas.Answer:
    return answer_of(devmode().feed.view(job_id), message)


def _as_in_a_form(value: str | bool | None) -> str:  # noqa: FBT001 - a value, not a switch
    if isinstance(value, bool):
        return "1" if value else "0"
    return value or ""
