"""Behind the proxy of deploy/: every process is replaced, under load, and nobody notices."""

import re
from pathlib import Path

import gevent
from gevent.event import Event

from tests.databases import PostgresqlServer
from tests.processes.people import Answer, Person
from tests.processes.proxy import Proxy
from tests.processes.world import Gunicorn, SimulatedJob, World
from tests.waiting import until

JOBS = 3


class Steering:
    """An owner who sets one thing after the other, and remembers each answer."""

    def __init__(self, person: Person, job: SimulatedJob, proxy: Proxy) -> None:
        self.job = job
        self.answers: dict[str, Answer] = {}
        self._person = person
        self._proxy = proxy
        self._stopped = Event()
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        self._stopped.set()
        self._greenlet.get()

    def _run(self) -> None:
        while not self._stopped.is_set():
            module = self.job.unused_module()
            self.answers[module] = self._person.sets_pause_at(self.job, module, at=self._proxy)
            self._stopped.wait(0.3)


def told_modules(world: World, job: SimulatedJob) -> list[str]:
    found = (re.search(r": (m-\d+)$", text) for _kind, text in world.events_of(job))
    return [match[1] for match in found if match]


def test_tls_and_http_2_are_spoken(proxy: Proxy) -> None:
    assert proxy.protocol() == "h2"


def test_styles_and_scripts_come_compressed_and_pages_with_their_tokens_do_not(
    proxy: Proxy,
) -> None:
    connection = proxy.connect()
    encodings = {}
    for path in ("/static/devmode.css", "/static/live.js", "/sign-in"):
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        answer.read()
        encodings[path] = answer.headers["Content-Encoding"]
    connection.close()
    assert encodings == {
        "/static/devmode.css": "gzip",
        "/static/live.js": "gzip",
        "/sign-in": None,
    }


def test_apache_hands_forms_and_every_event_on_at_once_and_refuses_what_is_too_large(
    proxied_world: World, apache: Proxy
) -> None:
    assert apache.protocol() == "h2"
    job = proxied_world.start_job()
    olivia = Person(proxied_world, "olivia")
    watching = olivia.controls(job, at=apache)
    for _round in range(4):
        module = job.unused_module()
        assert olivia.sets_pause_at(job, module, at=apache).status == 200
        watching.until(f"Will pause at module {module}", 5)
    watching.close()
    # Often, as the connection closed while Apache still sent, now and then.
    answers = [olivia.does(job, "settings", at=apache, pause_at="x" * 70_000) for _ in range(50)]
    assert {answer.status for answer in answers} == {413}
    assert "more than devmode takes" in answers[0].text
    assert olivia.ask(apache, "GET", "/healthz").status == 200
    proxied_world.check(job)


def test_a_rolling_restart_of_everything_fails_no_form_and_ends_no_session(
    proxied_world: World, proxy: Proxy
) -> None:
    world = proxied_world
    jobs = [world.start_job() for _ in range(JOBS)]
    owners = [Person(world, f"owner-{number}") for number in range(JOBS)]
    for owner, job in zip(owners, jobs, strict=True):
        owner.takes_control(job, at=proxy)
    before = {pid for gunicorn in world.gunicorns for pid in gunicorn.workers}
    steering = [Steering(*pair, proxy) for pair in zip(owners, jobs, strict=True)]
    for gunicorn in world.gunicorns:
        old = set(gunicorn.workers)
        gunicorn.reload()
        until(
            lambda gunicorn=gunicorn, old=old: (
                len(gunicorn.workers) == 2 and not old & set(gunicorn.workers)
            ),
            "the next generation",
        )
        world.wait_until_complete()
    for each in steering:
        answered = len(each.answers)
        until(
            lambda each=each, answered=answered: len(each.answers) > answered + 2,
            "answers of the new ones alone",
        )
    for each in steering:
        each.stop()
    assert not before & {pid for gunicorn in world.gunicorns for pid in gunicorn.workers}
    for each in steering:
        failed = {m: answer.text for m, answer in each.answers.items() if answer.status != 200}
        assert not failed, failed
        assert told_modules(world, each.job) == list(each.answers), "an event was lost"
        assert "ended" not in dict(world.events_of(each.job))
        world.check(each.job)


def test_a_stream_behind_the_proxy_is_told_at_once_and_taken_up_elsewhere(
    proxied_world: World, proxy: Proxy
) -> None:
    world = proxied_world
    job = world.start_job()
    olivia = Person(world, "olivia")
    watching = olivia.controls(job, at=proxy)
    module = job.unused_module()
    assert olivia.sets_pause_at(job, module, at=proxy).status == 200
    watching.until(f"Will pause at module {module}", 5)
    for gunicorn in world.gunicorns:
        gunicorn.reload()
    watching.read_to_the_end()
    assert watching.farewell
    until(lambda: "You control this job" in olivia.watches(job, at=proxy).first(), "the return")
    world.wait_until_complete()


def test_nginx_sends_everybody_of_a_job_to_one_gunicorn_and_spreads_the_jobs(
    proxied_world: World, proxy: Proxy
) -> None:
    world = proxied_world
    owner, *watchers = (Person(world, name) for name in ("olivia", "victor", "vera", "vincent"))
    homes: list[Gunicorn] = []
    # A hash may well send six jobs to the same.
    while len(homes) < 6 or set(homes) != set(world.gunicorns):
        assert len(homes) < 60, "all jobs are in one gunicorn"
        job = world.start_job()
        owner.takes_control(job, at=proxy)
        streams = [watcher.watches(job, at=proxy) for watcher in (*watchers, owner)]
        present = until(lambda job=job: everybody_present(world, job), "everybody")
        there = {gunicorn_of(world, process) for process in present}
        assert there == {world.keeper_of(job)[0]}
        homes += there
        for stream in streams:
            stream.close()


def everybody_present(world: World, job: SimulatedJob) -> list[str]:
    """The process of each of four people who watch the job, as soon as all do."""
    query = "SELECT process_id FROM presence WHERE job_id = :job"
    processes = [row.process_id for row in world.rows(query, job=world.number_of(job))]
    return processes if len(processes) == 4 else []


def gunicorn_of(world: World, process_id: str) -> Gunicorn:
    return next(gunicorn for gunicorn in world.gunicorns if gunicorn.pid_of(process_id))


def test_a_graceful_end_tells_every_stream_and_leaves_nothing_behind(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    world = World(tmp_path, postgresql.new_database(), 1)
    try:
        job = world.start_job()
        olivia = Person(world, "olivia")
        olivia.takes_control(job)
        streams = [olivia.watches(job) for _ in range(20)]
        reading = [gevent.spawn(stream.read_to_the_end) for stream in streams]
        until(lambda: world.rows("SELECT tabs FROM presence WHERE tabs = 20"), "every stream")
        world.gunicorns[0].stop()
        gevent.joinall(reading, raise_error=True)
        assert all(stream.farewell for stream in streams)
        returns = {stream.retries_ms[-1] for stream in streams}
        assert len(returns) > 10, "they come back one after the other"
        assert max(returns) <= 1000
        assert world.rows("SELECT 1 FROM processes") == []
        assert world.rows("SELECT 1 FROM presence") == []
        assert world.session_of(job) is not None
        world.check(job)
    finally:
        world.end()
