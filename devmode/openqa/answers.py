"""What openQA's API says of workers and jobs, believed only as far as it makes sense.

An entry that can't be used is left out, and a value of a wrong type is as good as none: the rest
stays true. Texts are cut to what a page can show and a database keep, but are texts all the same:
they may hold markup.

Pure module: no sockets, no Flask, no database.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from devmode.commandserver.address import JobToken
from devmode.digits import integer_of

MOST_MODULES = 5000
LONGEST = 255
DEFAULT_TIME_LIMIT_S = 7200
"""What an openQA worker takes when MAX_JOB_TIME is not set (Constants.pm)."""
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True)
class CommandServer:
    """Where a worker says the command server of its job is; nobody has checked it yet."""

    host: str
    port: int
    token: JobToken


@dataclass(frozen=True)
class Worker:
    """A worker that has a job."""

    name: str
    job_id: int
    command_server: CommandServer | None
    obstacle: str | None
    """Why there is no command server to talk to, as a sentence."""
    id: int | None = None
    """The worker's number in openQA."""
    token: JobToken | None = None
    """Of the job: known from its assignment on, before there is a command server."""


@dataclass(frozen=True)
class ModuleFacts:
    """One test module of the schedule, as openQA knows it."""

    name: str
    category: str
    result: str


@dataclass(frozen=True)
class JobFacts:
    """A job of an openQA."""

    id: int
    name: str
    group: str | None
    is_running: bool
    started_at: float | None
    """Seconds since 1970; setting up assets is part of it."""
    time_limit_s: int
    modules: tuple[ModuleFacts, ...]


def lists(answer: Any, key: str) -> bool:
    """Tell whether an answer lists anything at all under `key`: no list is no empty list."""
    return isinstance(answer, dict) and isinstance(answer.get(key), list)


def workers_of(answer: Any) -> tuple[Worker, ...]:
    """Return the workers that have a job, from an answer of `/api/v1/workers`."""
    return tuple(filter(None, map(_worker, _entries(answer, "workers"))))


def jobs_of(answer: Any) -> dict[int, JobFacts]:
    """Return jobs by their number, from an answer of `/api/v1/jobs`."""
    jobs = filter(None, map(_job, _entries(answer, "jobs")))
    return {job.id: job for job in jobs}


def _entries(answer: Any, key: str) -> list[dict[str, Any]]:
    entries = answer.get(key) if isinstance(answer, dict) else None
    listed = entries if isinstance(entries, list) else []
    return [entry for entry in listed if isinstance(entry, dict)]


def _worker(entry: dict[str, Any]) -> Worker | None:
    job_id = _number(entry.get("jobid"))
    if job_id is None:
        return None
    properties = entry.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    name = f"{_text(entry.get('host')) or 'worker'}:{_number(entry.get('instance')) or '?'}"
    host = properties.get("WORKER_HOSTNAME") or entry.get("host")
    number, token = _number(entry.get("id")), _token(properties.get("JOBTOKEN"))
    try:
        server = _command_server(host, properties, token)
    except ValueError as error:
        return Worker(name, job_id, None, str(error), number, token)
    return Worker(name, job_id, server, None, number, token)


def _token(value: Any) -> JobToken | None:
    try:
        return JobToken(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _command_server(host: Any, properties: dict[str, Any], token: JobToken | None) -> CommandServer:
    """Tell by openQA's own rule: the worker's host, the port of the URL, the token of the job."""
    url = properties.get("CMD_SRV_URL")
    if not isinstance(url, str) or not url:
        raise ValueError(
            "The worker has not told openQA of a command server yet: while it prepares the job"
            " there is none."
        )
    if token is None:
        raise ValueError("openQA does not tell the job token, without which nobody can talk to it.")
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise ValueError("The worker's host name, WORKER_HOSTNAME, is none.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Python's own words quote the URL, in which the token is.
        raise ValueError("The URL of the command server can't be understood.") from None
    if parts.path.strip("/") != token.reveal():
        raise ValueError("What the worker tells is still the command server of its last job.")
    if not port:
        raise ValueError("The URL of the command server names no port.")
    return CommandServer(host, port, token)


def _job(entry: dict[str, Any]) -> JobFacts | None:
    job_id = _number(entry.get("id"))
    if job_id is None:
        return None
    settings = entry.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    modules = entry.get("modules")
    told = filter(None, map(_module, modules[:MOST_MODULES] if isinstance(modules, list) else ()))
    return JobFacts(
        id=job_id,
        name=_text(settings.get("NAME")) or _text(entry.get("name")) or f"openQA job {job_id}",
        group=_text(entry.get("group")),
        is_running=entry.get("state") == "running",
        started_at=_moment(entry.get("t_started")),
        time_limit_s=_number(settings.get("MAX_JOB_TIME")) or DEFAULT_TIME_LIMIT_S,
        modules=tuple(told),
    )


def _module(entry: Any) -> ModuleFacts | None:
    if not isinstance(entry, dict):
        return None
    name, category = _text(entry.get("name")), _text(entry.get("category"))
    if name is None or "/" in name:
        return None
    return ModuleFacts(name, category or "", _result(entry.get("result")))


def _result(value: Any) -> str:
    """Return a result by the word that isotovideo has for it."""
    words = {"passed": "ok", "softfailed": "softfail", "failed": "fail", "skipped": "skip"}
    return words.get(value, "") if isinstance(value, str) else ""


def _moment(value: Any) -> float | None:
    """Return seconds since 1970 for a time in UTC without a zone, as openQA writes them."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _text(value: Any) -> str | None:
    # No database keeps a NUL, and no UTF-8 half a surrogate.
    text = (
        value.replace("\0", "").encode(errors="ignore").decode() if isinstance(value, str) else ""
    )
    return text[:LONGEST] or None


def _number(value: Any) -> int | None:
    # 0 is the number of nothing.
    return integer_of(value) or None
