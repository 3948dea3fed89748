"""Two hosts, and jobs on one of them: the other one shows and steers them all the same."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from devmode.cluster.seals import Seals
from devmode.jobs.elsewhere import FollowJobs, encode
from devmode.live.questions import EndOfText, Excerpt, Result, Steps, Thumbnail, WholeText
from devmode.live.sight import Sight
from tests.databases import PostgresqlServer
from tests.processes.hosts import INTERNAL_PORT, HostsGunicorn, HostsJob, HostsWorld, hosts_world
from tests.processes.people import Person
from tests.processes.world import ROOT
from tests.waiting import until

A, B = 0, 1
AWAY = "schedule, screen and texts are what was known last"
NEEDLES = ROOT / "demo" / "distribution" / "needles"


@pytest.fixture(scope="module")
def running_world(
    postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostsWorld]:
    folder = tmp_path_factory.mktemp("hosts")
    with hosts_world(folder, postgresql.new_database(), link_linger_s="0.5") as world:
        yield world


@pytest.fixture
def world(running_world: HostsWorld) -> HostsWorld:
    running_world.wait_until_complete()
    return running_world


@pytest.fixture
def job(world: HostsWorld) -> Iterator[HostsJob]:
    """A job on host “a”, known to both."""
    job = world.start_job_on(world.a)
    olaf = Person(world, "olaf")
    until(lambda: job.name in olaf.ask(world.gunicorns[B], "GET", "/").text, "the job to be told")
    yield job
    job.stop()


@pytest.fixture
def olivia(world: HostsWorld) -> Person:
    return Person(world, "olivia")


def page(person: Person, job: HostsJob, *, at: int = B) -> str:
    return person.ask(
        person.world.gunicorns[at], "GET", f"/jobs/{person.world.number_of(job)}"
    ).text


def streams_between(world: HostsWorld) -> int:
    """How many connections host “b” has to the internal address of host “a”."""
    inside = ["ip", "netns", "exec", world.b.namespace, "cat", "/proc/net/tcp"]
    table = subprocess.run(inside, check=True, capture_output=True, text=True).stdout
    return sum(f":{INTERNAL_PORT:04X} 01" in line for line in table.splitlines())


def test_pictures_and_texts_of_a_job_elsewhere_are_seen_as_they_happen(
    world: HostsWorld, job: HostsJob, olivia: Person
) -> None:
    job.log("the first line\n")
    watching = olivia.watches(job, "log", at=B)
    watching.until_data(lambda told: "the first line" in json.dumps(told.get("news", "")))
    until(lambda: job.is_asked_for_pictures, "the request for pictures")
    for number, name in enumerate(("grub-menu", "firmware-named")):
        job.show(NEEDLES / f"{name}.png", number)
        watching.until_data(lambda told: told.get("picture"))
    job.log("the second line\n")
    watching.until_data(lambda told: "the second line" in json.dumps(told.get("news", "")))
    number = world.number_of(job)
    assert olivia.ask(world.gunicorns[B], "HEAD", f"/jobs/{number}/screen.png").status == 200
    text = olivia.ask(world.gunicorns[B], "GET", f"/jobs/{number}/log").text
    assert text == "the first line\nthe second line\n"
    watching.close()
    until(lambda: not job.is_asked_for_pictures, "the request to be withdrawn")


def test_all_who_watch_on_one_host_share_what_is_told_by_the_other(
    world: HostsWorld, job: HostsJob, olivia: Person
) -> None:
    job.log("a line\n")
    before = streams_between(world)
    watching = [olivia.watches(job, "log", at=B) for _ in range(5)]
    for stream in watching:
        stream.until_data(lambda told: "a line" in json.dumps(told.get("news", "")))
    assert streams_between(world) - before <= 2, "one for the screen and one for the log"
    for stream in watching:
        stream.close()


def test_a_job_elsewhere_is_controlled_and_cancelled(
    world: HostsWorld, job: HostsJob, olivia: Person
) -> None:
    watching = olivia.watches(job, at=A)
    olivia.takes_control(job, at=B)
    assert world.keeper_of(job)[0] is world.gunicorns[B]
    module = job.unused_module()
    assert olivia.sets_pause_at(job, module, at=B).status == 200
    watching.until(f"Will pause at module {module}")
    answer = olivia.does(job, "session/release", at=B, then="cancel")
    assert answer.status == 200, answer
    until(lambda: job.has_ended, "isotovideo to end")
    until(lambda: "Ended" in page(olivia, job), "the end to be told")
    watching.close()
    world.check(job)


def test_a_needle_is_saved_on_the_host_of_its_job(
    world: HostsWorld, job: HostsJob, olivia: Person
) -> None:
    olivia.takes_control(job, at=B)
    job.show(NEEDLES / "grub-menu.png", 0)
    (job.pool / "needles").mkdir()
    address = f"/jobs/{world.number_of(job)}/needle"
    held = olivia.ask(world.gunicorns[B], "GET", f"{address}?screenshot=now").headers["Location"]
    fields = {"tags": "grub", "xpos": "0", "ypos": "0", "width": "9", "height": "9"}
    form = fields | {"name": "elsewhere", "type": "match", "match": "96"}
    for folder, told in (("/etc", "none of them"), ("gone", "not there")):
        job.has_needles_in(folder)
        assert told in olivia.ask(world.gunicorns[B], "GET", held).text
        refused = olivia.ask(world.gunicorns[B], "POST", held, form)
        assert (refused.status, told in refused.text) == (403, True), refused
    job.has_needles_in("needles")
    saved = olivia.ask(world.gunicorns[B], "POST", held, form)
    page = olivia.ask(world.gunicorns[B], "GET", saved.headers["HX-Redirect"])
    assert "Needle elsewhere saved" in page.text
    picture = (NEEDLES / "grub-menu.png").read_bytes()
    assert (job.pool / "needles" / "elsewhere.png").read_bytes() == picture
    again = olivia.ask(world.gunicorns[B], "POST", held, form)
    beside = 'hx-target="#mark-name" hx-swap="innerHTML">There is a needle elsewhere already'
    assert (again.status, beside in again.text) == (422, True), again


def test_the_texts_of_a_job_that_has_ended_elsewhere_are_there(
    job: HostsJob, olivia: Person
) -> None:
    job.log("the last words\n")
    job.stop_and_leave_pid()
    until(lambda: "Ended" in page(olivia, job), "the end to be told")
    assert "the last words" in page(olivia, job)


def test_while_devmode_is_away_on_the_host_of_a_job_it_is_steered_from_elsewhere(
    world: HostsWorld, job: HostsJob, olivia: Person
) -> None:
    olivia.takes_control(job, at=B)
    watching = olivia.watches(job, at=B)
    world.gunicorns[A].kill()
    watching.until(AWAY)
    module = job.unused_module()
    assert olivia.sets_pause_at(job, module, at=B).status == 200
    watching.until(f"Will pause at module {module}")
    assert AWAY in page(olivia, job)
    answer = olivia.does(job, "session/release", at=B, then="cancel")
    assert (answer.status, "The host “a”" in answer.text) == (502, True), answer
    world.gunicorns[A].begin()
    world.wait_until_complete()
    job.log("after the return\n")
    again = olivia.watches(job, "log", at=B)
    again.until_data(lambda told: "after the return" in json.dumps(told.get("news", "")))
    until(lambda: AWAY not in page(olivia, job), "the return")
    assert world.session_of(job) is not None
    world.check(job)


def test_a_host_that_is_cut_off_is_told_and_comes_back(
    world: HostsWorld, job: HostsJob, olivia: Person
) -> None:
    olivia.takes_control(job, at=A)
    watching = olivia.watches(job, "log", at=B)
    watching.until("You control this job")
    world.a.unplug()
    try:
        watching.until(AWAY)
    finally:
        world.a.plug_in()
    module = job.unused_module()
    assert olivia.sets_pause_at(job, module, at=A).status == 200
    watching.until(f"Will pause at module {module}")
    job.log("after the cut\n")
    watching.until_data(lambda told: "after the cut" in json.dumps(told.get("news", "")))
    world.check(job)


# Who is not a devmode of ours


class Stranger:
    """Somebody in the network who reaches the internal address of host “a”."""

    def __init__(self, world: HostsWorld) -> None:
        gunicorn = world.gunicorns[A]
        assert isinstance(gunicorn, HostsGunicorn)
        self._gunicorn = gunicorn
        self._world = world

    def sends(self, body: bytes, method: str = "POST", path: str = "/", **headers: str) -> int:
        connection = self._gunicorn.connect_internally()
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def time(self) -> float:
        return float(self._world.rows("SELECT extract(epoch FROM clock_timestamp())")[0][0])


@pytest.fixture
def stranger(world: HostsWorld) -> Stranger:
    return Stranger(world)


SECRET = "only for tests"
ASKS = encode(FollowJobs())


def test_nobody_without_the_secret_is_answered(stranger: Stranger) -> None:
    forged, _ = Seals("a guess").ask("a", ASKS, stranger.time())
    stale, _ = Seals(SECRET).ask("a", ASKS, stranger.time() - 60)
    for_another, _ = Seals(SECRET).ask("b", ASKS, stranger.time())
    bodies = (forged, stale, for_another, b"", b"x" * 60_000, ASKS)
    assert {stranger.sends(body) for body in bodies} == {403}


def test_what_was_overheard_is_not_answered_again(stranger: Stranger) -> None:
    overheard, _ = Seals(SECRET).ask("a", encode(EndOfText(1, "log", Sight.ALL)), stranger.time())
    assert [stranger.sends(overheard) for _ in range(3)] == [200, 403, 403]


def test_a_question_that_makes_no_sense_is_refused(stranger: Stranger) -> None:
    for question in (b"", b"\xc1", encode({"type": "FollowNothing"}), encode(["FollowJobs"])):
        sealed, _ = Seals(SECRET).ask("a", question, stranger.time())
        assert stranger.sends(sealed) == 400


def test_the_internal_address_knows_no_page_and_no_cookie(
    stranger: Stranger, olivia: Person
) -> None:
    pages = ["GET /", "GET /sign-in", "GET /metrics", "GET /api/v1/jobs", "POST /jobs/1", "PUT /"]
    for method, path in (page.split() for page in pages):
        assert stranger.sends(b"", method, path, Cookie=olivia.cookie_header) == 404
    assert stranger.sends(b"x" * 100_000, Cookie=olivia.cookie_header) in (403, 413)


def test_the_address_for_people_answers_no_host(world: HostsWorld, stranger: Stranger) -> None:
    sealed, _ = Seals(SECRET).ask("a", ASKS, stranger.time())
    connection = world.gunicorns[A].connect()
    connection.request("POST", "/", sealed)
    assert connection.getresponse().status in (401, 403, 405)
    connection.close()


def test_nothing_but_files_of_the_job_is_told(
    world: HostsWorld, job: HostsJob, stranger: Stranger
) -> None:
    (job.pool / "testresults" / "secret.txt").symlink_to("/etc/passwd")
    number = world.number_of(job)
    assert number
    names = ("../vars.json", "vars.json", "/etc/passwd", "secret.txt", "", "a\0b", "x" * 5000)
    questions: list[object] = [
        kind(number, name) for name in names for kind in (Result, Thumbnail, Steps)
    ]
    for name in names:
        questions += [WholeText(number, name, Sight.ALL), Excerpt(number, name, Sight.ALL, 0)]
    for question in questions:
        seals = Seals(SECRET)
        sealed, answer = seals.ask("a", encode(question), stranger.time())
        connection = stranger._gunicorn.connect_internally()
        connection.request("POST", "/", sealed)
        told = connection.getresponse().read()
        connection.close()
        assert b"root:" not in told
        assert b"JOBTOKEN" not in told
        assert answer.open(told[4 : 4 + int.from_bytes(told[:4], "big")])
