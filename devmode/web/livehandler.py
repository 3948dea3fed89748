"""The routes of openQA's livehandler, which openQA's own page and its workers use unchanged.

A page opens a websocket: one to watch, or one to control, which takes control of the job. Who asks
for what has to be permitted as everywhere in devmode; only the words are openQA's
(`devmode/live/livehandler.py`).
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from flask import Blueprint, Response, abort, g, request
from msgspec import Struct
from werkzeug.wrappers import Response as AnyResponse

from devmode.background import in_background
from devmode.errors import DevmodeError, JobNotFound, JobNotRunning
from devmode.jobs.job import Job, JobState
from devmode.live.audience import Audience
from devmode.live.frame import Frame
from devmode.live.livehandler import (
    FAILED,
    GOING_AWAY,
    NORMAL,
    POLICY,
    USER_NOT_FOUND,
    Message,
    Told,
    complaint,
    encoded_news,
    farewell,
    greeting,
    personal,
    refusal,
    whole,
)
from devmode.live.livehandler_commands import Asked, asked
from devmode.live.subscription import News, Subscription
from devmode.sessions.service import After
from devmode.sessions.users import Role, Visitor
from devmode.web import Devmode, admission, devmode, guests
from devmode.web.apikeys import is_signed
from devmode.web.eventstream import AUTHORISED_FOR_S
from devmode.web.security import require_our_page, visitor
from devmode.web.stream import event_stream, follow
from devmode.web.told import REGION, told_of
from devmode.web.websocket import Gone, Taken, Websocket, websocket_of

blueprint = Blueprint("livehandler", __name__, url_prefix="/liveviewhandler")

UNKNOWN_MS = 2000
"""When to ask again for the pictures of a job that devmode does not know, or not yet."""

REFLEX_S = 2.0
"""So long after a page has quit, what it heard before may have it ask for control (running.js)."""


class UploadProgress(Struct, omit_defaults=True):
    """What a worker tells of its uploads."""

    upload_up_to: str | None = None
    upload_up_to_current_module: bool | int | None = None
    outstanding_files: int | None = None
    outstanding_images: int | None = None


@blueprint.route("/tests/<int:openqa_id>/developer/ws-proxy/status", websocket=True)
def watch(openqa_id: int) -> AnyResponse:
    """Tell how a job is doing; what the page says is ignored."""
    require_our_page()
    websocket = websocket_of(request)
    watcher: Visitor | None = g.visitor
    with suppress(Gone):
        websocket.accept()
        if watcher is None:
            return _turned_away(websocket, USER_NOT_FOUND)
        try:
            job = _job(openqa_id)
            if job.state is JobState.ENDED:
                raise JobNotRunning("The job has ended.")
            admission.admit(devmode(), watcher.login_id)
            tab = _Tab(devmode(), websocket, watcher, job.id)
            tab.open("")
        except DevmodeError as error:
            return _turned_away(websocket, refusal(error))
        tab.serve()
    return Taken()


@blueprint.route("/tests/<int:openqa_id>/developer/ws-proxy", websocket=True)
def control(openqa_id: int) -> AnyResponse:
    """Take control of a job, tell how it is doing, and do what the page says."""
    require_our_page()
    if visitor().role < Role.OPERATOR:
        return Response("Forbidden", 403, mimetype="text/plain")
    websocket = websocket_of(request)
    with suppress(Gone):
        websocket.accept()
        try:
            job = _job(openqa_id)
            if devmode().sessions.has_let_go(job.id, visitor(), within_s=REFLEX_S):
                # The page goes on as one that watches.
                websocket.close(NORMAL)
                return Taken()
            tab = _taken_control(websocket, job)
        except DevmodeError as error:
            return _turned_away(websocket, refusal(error))
        tab.serve()
    return Taken()


@blueprint.get("/tests/<int:openqa_id>/streaming")
def streaming(openqa_id: int) -> Response:
    """Stream the pictures of a job's screen; a browser asks again for those of an unknown job."""
    try:
        job = _job(openqa_id)
    except JobNotFound:
        # openQA knows of a job a moment earlier, and its page asks but once when that is refused.
        return event_stream([b"retry: %d\n\n" % UNKNOWN_MS])
    if job.state is JobState.ENDED:
        abort(404, description="The job has ended: there are no pictures of it any more.")
    return follow(visitor(), [job.id], _nothing, Audience.SCREEN, show=_picture)


@blueprint.post("/api/v1/jobs/<int:openqa_id>/upload_progress")
def upload_progress(openqa_id: int) -> Response:
    """Note how far the uploads of a job are, as its worker tells."""
    target = request.environ.get("RAW_URI") or request.full_path.rstrip("?")
    if not is_signed(devmode().settings.worker_keys, request.headers, target, time.time()):
        return _json({"error": "Not authorized"}, 403)
    try:
        told = msgspec.json.decode(request.get_data(), type=UploadProgress)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = UploadProgress()
    progress = msgspec.to_builtins(told)
    if not progress:
        return _json({"error": "No progress information provided"}, 400)
    try:
        job = _job(openqa_id)
    except JobNotFound:
        job = None
    if job is None or job.state is JobState.ENDED:
        return _json({"error": "The job ID does not refer to a running job"}, 400)
    devmode().uploads.note(job.id, progress)
    return _json({"broadcast_count": devmode().feed.pages_of_openqa(job.id)}, 200)


def _job(openqa_id: int) -> Job:
    """Return the job that the openQA of this site gave this number; raise `JobNotFound`."""
    server = guests.openqa_here()
    return devmode().feed.job_of_openqa(openqa_id, server.url if server else None)


def _taken_control(websocket: Websocket, job: Job) -> "_Tab":
    """Begin with the words that an opening session begins with, while it opens."""
    parts = devmode()
    # Who is refused here is not to have control all the same.
    admission.admit(parts, visitor().login_id)
    before = msgspec.structs.replace(told_of(parts.feed.view(job.id)), status={})
    if not before.ended:
        for message in greeting(before):
            websocket.send(message.encode())
    parts.sessions.start(job.id, visitor())
    tab = _Controlling(parts, websocket, visitor(), job.id)
    tab.open(msgspec.json.encode(before).decode())
    parts.workers.session_started(job)
    return tab


@dataclass(repr=False)
class _Tab:
    """One websocket of openQA's page, that watches."""

    parts: Devmode
    websocket: Websocket
    visitor: Visitor
    job_id: int
    told: str = ""
    """What it was told last, as JSON."""
    subscription: Subscription = field(init=False)

    def open(self, told: str) -> None:
        """Begin to hear of the job, after having been `told`; raise `JobNotFound`."""
        self.told = told
        self.subscription = self.parts.feed.subscribe(
            self.visitor, [self.job_id], Audience.LIVEHANDLER
        )
        admission.enter(self.subscription)

    def serve(self) -> None:
        """Tell and listen until either side has enough."""
        untold = "a page of openQA is no longer told anything"
        telling = in_background(untold, self._tell, job=self.job_id)
        try:
            for text in self.websocket.messages():
                self.take(text)
        finally:
            telling.kill(block=False)
            admission.leave(self.subscription)
            self.parts.feed.unsubscribe(self.subscription)
            self.websocket.cut()

    def take(self, text: str) -> None:
        """Ignore what a page says that only watches, as livehandler does."""

    def say(self, message: Message) -> None:
        """Tell this page alone."""
        self.websocket.send(message.encode())

    def _tell(self) -> None:
        try:
            self.websocket.close(self._tell_until_over())
        except Gone:
            return
        finally:
            # Whoever reads is told so.
            self.websocket.cut()

    def _tell_until_over(self) -> int:
        """Tell what is new; return the code to close with."""
        subscription, authorised_at = self.subscription, time.monotonic()
        while not admission.draining.is_set():
            subscription.ready.wait(AUTHORISED_FOR_S / 3)
            if time.monotonic() - authorised_at > AUTHORISED_FOR_S:
                authorised_at = time.monotonic()
                subscription.signed_out |= admission.is_over(self.parts, self.visitor)
            if subscription.signed_out:
                return POLICY
            for news in subscription.take():
                code = self._tell_news(news.regions[REGION])
                if code is not None:
                    return code
        return GOING_AWAY

    def _tell_news(self, now: str) -> int | None:
        before, self.told = self.told, now
        told = msgspec.json.decode(now, type=Told)
        is_owner = told.session["developer_name"] == self.visitor.name
        for frame in encoded_news(before, now, is_owner=is_owner):
            self.websocket.send(frame)
        goodbye = farewell(told)
        if goodbye is not None:
            self.say(goodbye)
            return FAILED
        return self.enough(is_owner=is_owner)

    def enough(self, *, is_owner: bool) -> int | None:
        """Return the code to close with when there is nothing to do here any more."""
        return None


class _Controlling(_Tab):
    """One websocket of openQA's page, whose developer controls the job."""

    _quitting = False

    def take(self, text: str) -> None:
        """Do what the page asks for; what went wrong is told to it alone."""
        meant = asked(text)
        if isinstance(meant, Message):
            self.say(meant)
            return
        try:
            self._do(meant)
        except DevmodeError as error:
            self.say(complaint(error))

    def _do(self, meant: Asked) -> None:
        sessions = self.parts.sessions
        match meant:
            case Asked("status"):
                for message in whole(told_of(self.parts.feed.view(self.job_id))):
                    self.say(personal(message, is_owner=True))
            case Asked("quit"):
                cancels = self.parts.settings.openqa_quit == "cancel"
                after = After.CANCEL if cancels else After.CONTINUE
                self._quitting = True
                try:
                    sessions.release(self.job_id, self.visitor, after)
                finally:
                    self._quitting = False
                self.websocket.close(NORMAL)
            case Asked(action, arguments):
                sessions.act(self.job_id, self.visitor, action, arguments, None)

    def _tell_news(self, now: str) -> int | None:
        # A page that quits and hears that the session is its own begins it again (running.js).
        return None if self._quitting else super()._tell_news(now)

    def enough(self, *, is_owner: bool) -> int | None:
        """A session that was let go, or taken over, leaves nothing to control."""
        return None if is_owner else NORMAL


def _turned_away(websocket: Websocket, message: Message) -> Taken:
    websocket.send(message.encode())
    websocket.close(FAILED)
    return Taken()


def _nothing(_news: News) -> bytes:
    return b""


def _picture(frame: Frame) -> bytes:
    return b"data: %b\n\n" % frame.url


def _json(content: dict[str, object], status: int) -> Response:
    return Response(msgspec.json.encode(content), status, mimetype="application/json")
