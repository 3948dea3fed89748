"""Tells an openQA worker that its job is controlled by a developer.

Only then it tells how far its uploads are, which openQA's page waits for before it offers the
needle editor. It is not told before openQA's page has found devmode, since it looks for devmode at
the same place, and tries for minutes where nobody answers. openQA's websocket server passes the
word on, and takes it from its own host alone (OpenQA::WebSockets::Controller::API), without a key.

It is not told who watches, as openQA tells it (`livelog_start`): each word of that begins an
upload, and of two at once the timer of one outlives the job, and ends the worker's next one
(docs/openqa.md).
"""

from http import HTTPStatus

import msgspec
import structlog

from devmode.background import in_background
from devmode.errors import OpenqaAway
from devmode.jobs.job import Job
from devmode.openqa.server import Server

log = structlog.stdlib.get_logger(__name__)


class WorkerNotice:
    """Speaks to openQA's websocket server, if there is one."""

    def __init__(self, url: str) -> None:
        """Use the websocket server at `url`; an empty one is none."""
        self._server = Server(url) if url else None

    def session_started(self, job: Job) -> None:
        """Let the worker know, in the background: a session does not wait for it, nor needs it."""
        if self._server and job.worker_id is not None and job.openqa_id is not None:
            untold = "a worker does not know of the developer of its job"
            of_job = self._server, job.worker_id, job.openqa_id
            in_background(untold, self._tell, *of_job, job=job.id)

    @staticmethod
    def _tell(server: Server, worker_id: int, openqa_id: int) -> None:
        message = {"worker_id": worker_id, "msg": "developer_session_start", "job_id": openqa_id}
        headers = {"Content-Type": "application/json"}
        try:
            answer = server.ask("POST", "/api/send_msg", headers, msgspec.json.encode(message))
        except OpenqaAway as error:
            outcome = error.sentence
        else:
            outcome = "told" if answer.status == HTTPStatus.OK else f"HTTP status {answer.status}"
        log.info("a worker is told of a developer", openqa_job=openqa_id, outcome=outcome)
