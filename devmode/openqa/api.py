"""The API of one openQA: what devmode asks of it, as the user whose key it has."""

import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec

from devmode.errors import OpenqaAway, OpenqaRefused
from devmode.openqa.answers import JobFacts, Worker, jobs_of, lists, workers_of
from devmode.openqa.server import Server
from devmode.openqa.signing import Credentials, signature

LARGEST_LIST = 8 << 20
MOST_PAGES = 20
MOST_IDS = 200
"""Of one request: its URL has to stay short."""
LONGEST_REASON = 200
_NEXT = re.compile(r'[?&]offset=(\d{1,9})\b[^>]*>\s*;\s*rel="?next')


class Api:
    """Asks one openQA, and has it do things."""

    def __init__(self, server: Server, credentials: Credentials | None) -> None:
        """Sign with `credentials`; without any only what everybody may see can be asked."""
        self.url = server.url
        self._server = server
        self._credentials = credentials
        self._known: dict[str, tuple[str, bytes, Any, str]] = {}
        """The last answer to each path: its tag, its body, what it said and where it goes on."""

    @property
    def has_key(self) -> bool:
        """Whether openQA can be had to do things."""
        return self._credentials is not None

    def workers(self) -> tuple[Worker, ...]:
        """Return the workers that have a job; raise `OpenqaAway`."""
        return tuple(
            worker
            for page in self._pages("/api/v1/workers", "workers")
            for worker in workers_of(page)
        )

    def jobs(self, ids: Iterable[int]) -> dict[int, JobFacts]:
        """Return those of these jobs that there are; raise `OpenqaAway`."""
        wanted = sorted(ids)
        found: dict[int, JobFacts] = {}
        for start in range(0, len(wanted), MOST_IDS):
            some = ",".join(map(str, wanted[start : start + MOST_IDS]))
            found |= jobs_of(self._get(f"/api/v1/jobs?ids={some}", "jobs", remember=False)[0])
        return found

    def cancel(self, job_id: int, reason: str) -> None:
        """Have a job cancelled; raise `OpenqaAway` or `OpenqaRefused`."""
        self._post(f"/api/v1/jobs/{job_id}/cancel", reason=reason[:LONGEST_REASON])

    def restart(self, job_id: int) -> int:
        """Have a job run again, which ends it; return the number of the new one.

        Raises `OpenqaAway`, or `OpenqaRefused`, also where no number is told.
        """
        answer = self._post(f"/api/v1/jobs/{job_id}/restart")
        results = answer.get("result") if isinstance(answer, dict) else None
        for result in results if isinstance(results, list) else ():
            number = result.get(str(job_id)) if isinstance(result, dict) else None
            if isinstance(number, int):
                return number
        raise OpenqaRefused(f"openQA did not restart the job: {_sentence(answer)}")

    def comment(self, job_id: int, text: str) -> None:
        """Write a comment to a job; raise `OpenqaAway` or `OpenqaRefused`."""
        self._post(f"/api/v1/jobs/{job_id}/comments", text=text)

    def _pages(self, path: str, key: str) -> Iterable[Any]:
        page, link = self._get(path, key, remember=True)
        yield page
        for _number in range(MOST_PAGES - 1):
            following = _NEXT.search(link)
            if following is None:
                return
            # Only how far it goes on: where it goes on is not for openQA to say.
            page, link = self._get(f"{path}?offset={following[1]}", key, remember=False)
            yield page

    def _get(self, path: str, key: str, *, remember: bool) -> tuple[Any, str]:
        tag, body, content, link = self._known.get(path, ("", b"", None, ""))
        headers = self._headers(path) | ({"If-None-Match": tag} if tag else {})
        answer = self._server.get(path, headers, LARGEST_LIST)
        if tag and answer.status == HTTPStatus.NOT_MODIFIED:
            return content, link
        link = answer.headers.get("Link", "")
        if answer.status != HTTPStatus.OK:
            raise OpenqaAway(f"The openQA at {self.url} answered with HTTP status {answer.status}.")
        if not body or answer.body != body:
            content = _lenient(answer.body)
        if not lists(content, key):
            raise OpenqaAway(f"What answers at {self.url} is no API of openQA.")
        if remember:
            self._known[path] = answer.headers.get("ETag", ""), answer.body, content, link
        return content, link

    def _post(self, path: str, **form: str) -> Any:
        if self._credentials is None:
            raise OpenqaRefused(
                f"devmode has no API key for {self.url}: set DEVMODE_OPENQA_KEY and"
                " DEVMODE_OPENQA_SECRET, or write it into client.conf."
            )
        headers = self._headers(path) | {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._server.ask("POST", path, headers, urlencode(form).encode())
        if answer.status != HTTPStatus.OK:
            told = _sentence(_lenient(answer.body))
            raise OpenqaRefused(f"openQA refused (HTTP status {answer.status}): {told}")
        return _lenient(answer.body)

    def _headers(self, path: str) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._credentials is None:
            return headers
        return headers | signature(self._credentials, self._server.target(path), int(time.time()))


def _lenient(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _sentence(answer: Any) -> str:
    """Return what an answer says went wrong, as a text for people."""
    error = answer.get("error") or answer.get("errors") if isinstance(answer, dict) else None
    texts = error if isinstance(error, list) else [error]
    told = " ".join(text for text in texts if isinstance(text, str))
    return told[:LONGEST_REASON] or "it does not say why."
