"""A devmode in this process, people who use it over HTTP, and real jobs that it watches."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser
from werkzeug.test import TestResponse

from devmode.live.feed import Feed
from devmode.live.view import LiveView
from devmode.sessions.actions import SETTING_NAMES, shown_setting
from tests.apps import START_CODE, app_in, running
from tests.real.fixtures import StartJob, starting_jobs
from tests.real.job import RealJob
from tests.waiting import LIMIT_S, until

HTMX = {"HX-Request": "true"}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What somebody was told after a click: `kind` is done or error."""

    status: int
    kind: str
    sentence: str


class Watched:
    """A real job together with what devmode shows of it."""

    def __init__(self, real: RealJob, feed: Feed) -> None:
        self.real = real
        self.feed = feed
        self.name = str(real.job.variables["NAME"])
        self.id = until(self._number, "the job to appear")
        # Settings may only name modules that the registry has seen.
        until(lambda: self.view.job.modules, "the schedule")

    @property
    def view(self) -> LiveView:
        return self.feed.view(self.id)

    @property
    def pause(self) -> Any:
        return self.view.execution.pause

    @property
    def has_ended(self) -> bool:
        return self.view.headline.kind == "ended"

    @property
    def events(self) -> list[str]:
        """Kinds of the timeline's entries, oldest first."""
        return [event.kind for event in reversed(self.view.events)]

    def wait_for(self, condition: Callable[[LiveView], object], what: str) -> LiveView:
        """Waits until the live view fulfils a condition, and returns that view."""
        deadline = time.monotonic() + LIMIT_S
        while not condition(view := self.view):
            if time.monotonic() > deadline:
                raise AssertionError(f"{LIMIT_S} s were not enough for {what}:\n{view}")
            gevent.sleep(0.01)
        return view

    def wait_for_pause(self, after_turn: int = -1) -> LiveView:
        return self.wait_for(
            lambda view: view.execution.pause and view.execution.turn > after_turn, "a pause"
        )

    def wait_for_end(self) -> LiveView:
        return self.wait_for(lambda view: view.headline.kind == "ended", "the end")

    def _number(self) -> int | None:
        return next((job.id for job in self.feed.jobs() if job.name == self.name), None)


class Person:
    """Somebody with a browser, signed in through the form."""

    def __init__(self, app: Flask, name: str, role: str = "operator") -> None:
        self.name = name
        self.client = app.test_client()
        form = {"name": name, "role": role, "code": START_CODE}
        entered = self.client.post("/sign-in", data=form | self._token("/sign-in"))
        assert entered.status_code == 303, entered.text
        self.token = self._token("/")

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def post(self, path: str, *, htmx: bool = True, **form: str) -> TestResponse:
        return self.client.post(path, data=form | self.token, headers=HTMX if htmx else {})

    def click(
        self, job: Watched, action: str, *, revision: str | None = None, **form: str
    ) -> Answer:
        """Presses a button of the present page, or of one that showed `revision`."""
        shown = job.view.revision if revision is None else revision
        answer = self.post(f"/jobs/{job.id}/{action}", revision=shown, **form)
        message = LexborHTMLParser(answer.text).css_first(".message")
        assert message is not None, answer.text
        kind = (message.attributes["class"] or "").removeprefix("message ")
        return Answer(answer.status_code, kind, message.text(strip=True))

    def does(self, job: Watched, action: str, **form: str) -> str:
        """Presses a button that works, and returns what it says."""
        answer = self.click(job, action, **form)
        assert (answer.status, answer.kind) == (200, "done"), answer
        return answer.sentence

    def takes_control(self, job: Watched) -> None:
        assert self.does(job, "session") == "You control this job."

    def sets(self, job: Watched, **values: str) -> None:
        """Changes settings as their form does: with the values that it was made with."""
        shown = {name: shown_setting(job.view.execution, name) or "" for name in SETTING_NAMES}
        was = {f"was_{name}": value for name, value in shown.items()}
        assert self.does(job, "settings", **shown | was | values) == "Saved."

    def _token(self, path: str) -> dict[str, str]:
        field = LexborHTMLParser(self.get(path).text).css_first("input[name=csrf_token]")
        assert field is not None
        return {"csrf_token": field.attributes["value"] or ""}


SignIn = Callable[..., Person]
StartWatched = Callable[..., Watched]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the database is."""
    return tmp_path_factory.mktemp("devmode")


@pytest.fixture(scope="session")
def app(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A devmode that watches the pool directories of all tests of this run."""
    yield from serving(folder, tmp_path_factory)


def serving(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, **settings: Any
) -> Iterator[Flask]:
    """Serves a devmode with some settings of its own, on a database in `folder`."""
    app = app_in(
        folder,
        pool_directories=str(tmp_path_factory.getbasetemp() / "pool*"),
        needle_directories=str(tmp_path_factory.getbasetemp() / "pool*" / "needles"),
        kept_directory=str(folder / "kept"),
        **settings,
    )
    yield from running(app)


@pytest.fixture(scope="session")
def sign_in(app: Flask) -> SignIn:
    """Signs people in, each in a browser of their own."""
    return lambda name, role="operator": Person(app, name, role)


@pytest.fixture(scope="session")
def owner(sign_in: SignIn) -> Person:
    return sign_in("olivia")


@pytest.fixture(scope="session")
def oscar(sign_in: SignIn) -> Person:
    return sign_in("oscar")


@pytest.fixture(scope="session")
def victor(sign_in: SignIn) -> Person:
    return sign_in("victor", "viewer")


@pytest.fixture
def null(app: Flask, null_job: StartJob) -> StartWatched:
    """Starts jobs without a virtual machine, and waits until devmode has found them."""
    return _watching(app, null_job)


@pytest.fixture(scope="session")
def running_job(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    menu = "boot/menu_visible"
    with lasting_job(app, tmp_path_factory, menu, PAUSE_AT="boot-menu_visible") as job:
        yield job


@pytest.fixture
def shared_job(running_job: Watched) -> Watched:
    """A job that stays paused at its first module, for tests that leave it as it is."""
    running_job.feed.view_for_page(running_job.id)
    running_job.wait_for_pause()
    assert running_job.view.session is None, "an earlier test has kept control"
    return running_job


@pytest.fixture
def qemu(app: Flask, qemu_job: StartJob) -> StartWatched:
    """Starts jobs in QEMU, and waits until devmode has found them."""
    return _watching(app, qemu_job)


def unique_name() -> str:
    return f"job-{next(_numbers)}-of-this-run"


@contextmanager
def lasting_job(
    app: Flask, folders: pytest.TempPathFactory, *modules: str, **variables: str | int
) -> Iterator[Watched]:
    """A job without a virtual machine, for more than one test."""
    with starting_jobs("null", folders) as start_job:
        yield _watching(app, start_job)(*modules, **variables)


def _watching(app: Flask, start_job: StartJob) -> StartWatched:
    def start(*modules: str, **variables: str | int) -> Watched:
        real = start_job(*modules, **{"NAME": unique_name(), **variables})
        return Watched(real, app.extensions["devmode"].feed)

    return start
