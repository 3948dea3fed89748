"""Tells an openQA worker what people do on openQA's page with its job.

That a developer controls it: only then it tells how far its uploads are, which openQA's page waits
for before it offers the needle editor. It is not told before openQA's page has found devmode, since
it looks for devmode at the same place, and tries for minutes where nobody answers.

That somebody watches its screen: it then uploads results every second instead of every ten, as it
does for openQA's own stream of pictures (OpenQA::WebAPI::Controller::Running).

openQA's websocket server passes the word on, and takes it from its own host alone
(OpenQA::WebSockets::Controller::API), without a key.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus

import gevent
import msgspec

from devmode.errors import OpenqaAway
from devmode.jobs.job import Job
from devmode.openqa.server import Server

SESSION_STARTED, WATCHED, LEFT = "developer_session_start", "livelog_start", "livelog_stop"

log = logging.getLogger(__name__)


class WorkerNotice:
    """Speaks to openQA's websocket server, if there is one, in the background.

    Nothing waits for it, nor needs it.
    """

    def __init__(self, url: str) -> None:
        """Use the websocket server at `url`; an empty one is none."""
        self._server = Server(url) if url else None

    def session_started(self, job: Job) -> None:
        """Let the worker know that somebody controls its job."""
        self._tell(job, SESSION_STARTED)

    def watched(self, job: Job) -> Callable[[], None]:
        """Let the worker know that one more watches, and return what to call when they leave."""
        told = self._tell(job, WATCHED)
        return lambda: self._leave(job, told)

    def _leave(self, job: Job, told: "gevent.Greenlet[..., None] | None") -> None:
        """Say so after what was said before: the worker counts who watches."""
        if told is not None:
            told.link(lambda _told: self._tell(job, LEFT))

    def _tell(self, job: Job, message: str) -> "gevent.Greenlet[..., None] | None":
        if self._server is None or job.worker_id is None or job.openqa_id is None:
            return None
        return gevent.spawn(_tell, self._server, job.worker_id, job.openqa_id, message)


def _tell(server: Server, worker_id: int, openqa_id: int, message: str) -> None:
    said = {"worker_id": worker_id, "msg": message, "job_id": openqa_id}
    headers = {"Content-Type": "application/json"}
    try:
        answer = server.ask("POST", "/api/send_msg", headers, msgspec.json.encode(said))
    except OpenqaAway as error:
        outcome = error.sentence
    else:
        outcome = "told" if answer.status == HTTPStatus.OK else f"HTTP status {answer.status}"
    log.info("the worker of openQA's job %s, %s: %s", openqa_id, message, outcome)
