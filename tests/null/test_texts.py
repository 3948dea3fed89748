"""The log and the serial output of real jobs: as a page, as a stream, to be saved; masked."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser

from tests.null.fixtures import Person, SignIn, StartWatched, Watched, lasting_job
from tests.waiting import LIMIT_S

TYPED = "Hello, tester"
STARTING = "||| starting menu_visible"


@pytest.fixture
def job(null: StartWatched) -> Watched:
    """A job that is paused at its first module."""
    job = null("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    job.feed.view_for_page(job.id)
    job.wait_for_pause()
    return job


@pytest.fixture(scope="module")
def typed(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A job that has typed something and is left as it is."""
    modules = ("shell/command_line", "shell/small_steps")
    variables = {"PAUSE_AT": "shell-small_steps", "TYPING_LIMIT": 100}
    with lasting_job(app, tmp_path_factory, *modules, **variables) as job:
        yield job


class Stream:
    """Somebody's stream of one text, read event by event."""

    def __init__(self, person: Person, job: Watched, text: str, last_id: str = "") -> None:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        path = f"/events?jobs={job.id}&texts={job.id}:{text}"
        self._answer = person.client.get(path, headers=headers)
        assert self._answer.status_code == 200, self._answer.text
        self._is_closed = False
        self.id = ""
        self.lines: dict[int, str] = {}
        self.problem = ""

    def read(self) -> None:
        """Takes the next piece of the stream, be it a heartbeat."""
        for event in next(self._answer.response).decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in event.splitlines() if ": " in line)
            if fields.get("event") == "text":
                self._take(fields["id"], json.loads(fields["data"])["news"])

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with gevent.Timeout(LIMIT_S):
            while not condition():
                self.read()

    def wait_for_text(self, text: str) -> None:
        self.wait_for(lambda: text in self.text)

    @property
    def text(self) -> str:
        return "\n".join(self.lines[start] for start in sorted(self.lines))

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._answer.close()

    def _take(self, event_id: str, news: dict[str, Any]) -> None:
        self.id, self.problem = event_id, news["problem"]
        for start, spans, omitted in news["lines"]:
            self.lines[start] = "".join(text for text, _ in spans) or f"({omitted} omitted)"


OpenStream = Callable[..., Stream]


@pytest.fixture
def stream() -> Iterator[OpenStream]:
    streams: list[Stream] = []

    def open_stream(person: Person, job: Watched, text: str = "log", last_id: str = "") -> Stream:
        streams.append(Stream(person, job, text, last_id))
        return streams[-1]

    yield open_stream
    for one in streams:
        one.close()


def log_of(job: Watched) -> Path:
    return job.real.pool / "autoinst-log.txt"


def append(job: Watched, text: bytes) -> None:
    with log_of(job).open("ab") as log:
        log.write(text)


def shown(page: str) -> str:
    return "\n".join(line.text() for line in LexborHTMLParser(page).css("#text .line"))


def test_the_page_shows_the_end_of_the_log_and_of_the_serial_output(
    typed: Watched, owner: Person
) -> None:
    typed.real.wait_for(lambda: "|| starting small_steps" in typed.real.log, "the typing")
    log = shown(owner.get(f"/jobs/{typed.id}").text)
    assert "||| starting command_line" in log
    assert "\x1b" not in log
    assert "grub> " in shown(owner.get(f"/jobs/{typed.id}?panel=serial0").text)
    assert "<html" not in owner.get(f"/jobs/{typed.id}/panel?panel=serial0").text


def test_only_the_owner_and_administrators_see_what_was_typed(
    typed: Watched, owner: Person, oscar: Person, victor: Person, sign_in: SignIn
) -> None:
    owner.takes_control(typed)
    typed.real.wait_for(lambda: "|| starting small_steps" in typed.real.log, "the typing")
    assert TYPED in typed.real.log, "else this test proves nothing"
    sees = {
        person.name: [
            f'type_string(string="echo {TYPED}' in owner_text
            for owner_text in (
                shown(person.get(f"/jobs/{typed.id}").text),
                shown(person.get(f"/jobs/{typed.id}?panel=log&at=2000").text),
                person.get(f"/jobs/{typed.id}/log").text,
            )
        ]
        for person in (owner, sign_in("ada", "administrator"), oscar, victor)
    }
    assert sees == {
        "olivia": [True] * 3,
        "ada": [True] * 3,
        "oscar": [False] * 3,
        "victor": [False] * 3,
    }
    owner.does(typed, "session/release", then="stay")


def test_who_lets_go_sees_no_longer_what_is_typed(
    job: Watched, owner: Person, stream: OpenStream
) -> None:
    owner.takes_control(job)
    mine = stream(owner, job)
    append(job, b'<<< testapi::type_string(string="sooner", timeout=30)\n')
    mine.wait_for_text("sooner")
    owner.does(job, "session/release", then="stay")
    append(job, b'<<< testapi::type_string(string="later", timeout=30)\n')
    mine.wait_for_text('type_string(string="*****"')
    assert "later" not in mine.text


def test_the_token_is_masked_in_every_text_for_everyone(
    job: Watched, owner: Person, stream: OpenStream
) -> None:
    token = job.real.token
    assert token in job.real.log
    with (job.real.pool / "serial0").open("a") as serial:
        serial.write(f"\ncurl http://10.0.2.2:20003/{token}/data\n")
    mine = stream(owner, job)
    mine.wait_for_text("daemon reachable under")
    paths = ("", "?panel=serial0", "?panel=log&at=1", "/log", "/serial", "/texts/log")
    answers = [owner.get(f"/jobs/{job.id}{path}").text for path in paths]
    assert all(token not in text for text in [*answers, mine.text])
    saved = owner.get(f"/jobs/{job.id}/log").data
    assert len(saved) == log_of(job).stat().st_size
    assert b"/" + b"*" * len(token) + b"/" in saved


def test_what_is_written_is_streamed_to_who_shows_it_and_to_nobody_else(
    job: Watched, owner: Person, victor: Person, stream: OpenStream
) -> None:
    mine, serial = stream(victor, job), stream(owner, job, "serial0")
    append(job, "\x1b[1;31mTäst <b>line</b>\x1b[0m\n".encode())
    mine.wait_for_text("Täst <b>line</b>")
    (job.real.pool / "serial0").write_text("from the SUT\n")
    serial.wait_for_text("from the SUT")
    assert "Täst" not in serial.text


def test_who_comes_back_goes_on_where_the_stream_broke(
    job: Watched, victor: Person, stream: OpenStream
) -> None:
    first = stream(victor, job)
    first.wait_for_text(STARTING)
    append(job, b"told before the break\n")
    first.wait_for_text("told before the break")
    first.close()
    append(job, b"told after it\n")
    again = stream(victor, job, last_id=first.id)
    again.wait_for_text("told after it")
    assert again.text == "told after it"


def test_a_log_that_is_cut_off_or_replaced_is_told_anew(
    job: Watched, victor: Person, stream: OpenStream
) -> None:
    mine = stream(victor, job)
    mine.wait_for_text(STARTING)
    os.truncate(log_of(job), 0)
    append(job, b"after the cut\n")
    mine.wait_for(lambda: mine.lines.get(0) == "after the cut")
    log_of(job).rename(job.real.pool / "rotated")
    append(job, b"after the rotation\n")
    mine.wait_for(lambda: mine.lines.get(0) == "after the rotation")


def test_a_pool_directory_that_disappears_is_said_and_what_was_shown_stays(
    job: Watched, victor: Person, stream: OpenStream
) -> None:
    mine = stream(victor, job)
    mine.wait_for_text(STARTING)
    job.real.stop()
    shutil.rmtree(job.real.pool)
    mine.wait_for(lambda: "no such file" in mine.problem or "another job" in mine.problem)
    assert STARTING in mine.text
    job.wait_for_end()
    page = victor.get(f"/jobs/{job.id}")
    assert page.status_code == 200
    assert "no such file" in page.text or "another job" in page.text
    assert victor.get(f"/jobs/{job.id}/log").status_code == 404


def test_of_a_job_that_has_ended_the_ends_of_the_texts_are_kept(
    job: Watched, sign_in: SignIn
) -> None:
    # isotovideo does not append: what it still writes goes over the beginning of this.
    append(job, b"\n" * 900 + b"x" * 9000 + b'\n<<< testapi::type_string(string="secret")\n')
    job.real.terminate()
    job.wait_for_end()
    ada = sign_in("ada", "administrator")
    page = ada.get(f"/jobs/{job.id}").text
    assert STARTING in shown(page)
    assert "isotovideo" in ada.get(f"/jobs/{job.id}/log").text
    shutil.rmtree(job.real.pool)
    page = ada.get(f"/jobs/{job.id}").text
    assert STARTING in shown(page)
    assert "This is all that was kept of it." in page
    assert 'data-cursor=""' in page, "there is nothing to stream"
    assert ">Follow</button>" not in page
    assert 'type_string(string="******")' in shown(page)
    assert job.real.token not in page


@pytest.mark.parametrize(
    "path",
    [
        "/texts/vars.json",
        "/texts/..",
        "?panel=vars",
        "/panel?panel=../log",
        "/texts/virtio_console",
    ],
)
def test_there_is_no_way_to_other_files(shared_job: Watched, owner: Person, path: str) -> None:
    assert owner.get(f"/jobs/{shared_job.id}{path}").status_code == 404


@pytest.mark.parametrize(
    "texts",
    [
        "x", "{job}", "{job}:log:x", "{job}:log:1.1-1:2", "999999:log", "{job}:vars",
        "{job}:log,{job}:log", "{job}:log,0{job}:log:1.1-1",
    ],
)  # fmt: skip
def test_a_stream_of_what_is_no_text_is_refused(
    shared_job: Watched, owner: Person, texts: str
) -> None:
    query = texts.format(job=shared_job.id)
    answer = owner.get(f"/events?jobs={shared_job.id}&texts={query}")
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize("at", ["-1", "x", "9" * 15, "99999999999999999999", "0"])
def test_any_offset_leads_to_a_page(shared_job: Watched, owner: Person, at: str) -> None:
    assert owner.get(f"/jobs/{shared_job.id}?panel=log&at={at}").status_code == 200
