"""Live views as the API tells them: nothing personal, the same bytes for every program."""

import hashlib

import msgspec

from devmode import schemas
from devmode.commandserver.execution import ExecutionState
from devmode.commandserver.link import LinkState
from devmode.jobs.job import NOWHERE
from devmode.live.renderings import Shown
from devmode.live.subscription import Regions
from devmode.live.view import LiveView
from devmode.moment import moment
from devmode.sessions.actions import shown_setting

REGION = "snapshot"

_LINKS = {
    LinkState.CONNECTING: "connecting",
    LinkState.CONNECTED: "connected",
    LinkState.RECONNECTING: "reconnecting",
    LinkState.UNRESPONSIVE: "reconnecting",
    LinkState.CLOSED: "closed",
}


def snapshot_of(view: LiveView) -> schemas.Job:
    """Tell a job."""
    return msgspec.convert(_facts(view), schemas.Job, from_attributes=True)


def answer_of(view: LiveView, message: str) -> schemas.Answer:
    """Tell what was done, and the job."""
    told = _facts(view) | {"message": message}
    return msgspec.convert(told, schemas.Answer, from_attributes=True)


def snapshot_regions(view: LiveView, last: Shown) -> tuple[Shown, Regions]:
    """Render a job for the streams of the API, unless it is as it was `last`."""
    snapshot = snapshot_of(view)
    if last.get(REGION) == snapshot:
        return last, {}
    return {REGION: snapshot}, {REGION: msgspec.json.encode(snapshot).decode()}


def event_id(snapshot: str) -> str:
    """Name a snapshot by its content, so that every process names it alike."""
    return hashlib.sha256(snapshot.encode()).hexdigest()[:24]


def _facts(view: LiveView) -> dict[str, object]:
    job = view.job
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state.value,
        "origin": {
            "kind": "openqa" if job.pool_directory == NOWHERE else "pool_directory",
            "openqa_id": job.openqa_id,
            "openqa_page": job.page,
        },
        "started_at": moment(job.started_at),
        "ended_at": None if job.ended_at is None else moment(job.ended_at),
        "deadline": view.deadline,
        "result": job.result,
        "modules": job.modules,
        "execution": _execution(view.execution, view.current_module),
        "link": _LINKS[view.link],
        "session": view.control,
        "headline": view.headline,
        "revision": view.revision,
    }


def _execution(state: ExecutionState, module: str | None) -> dict[str, object]:
    flags = {"1": True, "0": False}
    return {
        "known": state.known,
        "module": module,
        "api_function": state.api_function,
        "paused": state.pause is not None,
        "pause_reason": state.pause.reason if state.pause else None,
        "pause_at": shown_setting(state, "pause_at") or None,
        "pause_on_mismatch": shown_setting(state, "pause_on_mismatch"),
        "pause_on_next_command": flags.get(shown_setting(state, "pause_on_next_command") or ""),
        "pause_on_failure": flags.get(shown_setting(state, "pause_on_failure") or ""),
    }
