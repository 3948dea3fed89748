"""What those who run devmode see of it, and what it refuses to be held up by."""

import http.client
import socket

import gevent
import pytest

from tests.databases import PostgresqlServer
from tests.processes.people import Person
from tests.processes.world import Gunicorn, World
from tests.waiting import until

TOKEN = "prometheus"
CUT_OFF_S = 100.0
"""Ten times what it takes until somebody is."""


def get(gunicorn: Gunicorn, path: str, **headers: str) -> tuple[int, str]:
    connection = gunicorn.connect()
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def metric(gunicorn: Gunicorn, name: str) -> float:
    _status, text = get(gunicorn, "/metrics")
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(name))
    return sum(float(value) for _name, value in lines)


def sent(gunicorn: Gunicorn, data: bytes) -> bytes:
    """Sends something raw; returns what was answered before the connection was closed."""
    with socket.create_connection(("127.0.0.1", gunicorn.port), timeout=CUT_OFF_S) as raw:
        raw.sendall(data)
        answer = b""
        try:
            while piece := raw.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    return answer


@pytest.fixture(scope="module")
def crowd(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> World:
    """One gunicorn with two workers that serve few streams."""
    folder = tmp_path_factory.mktemp("crowd")
    world = World(
        folder, postgresql.new_database(), 2, streams="20", streams_per_login="100",
        metrics_token=TOKEN,
    )  # fmt: skip
    yield world
    world.end()


def test_the_processes_count_together_and_tell_this_machine_or_who_has_the_token(
    crowd: World,
) -> None:
    (gunicorn,) = crowd.gunicorns
    job = crowd.start_job()
    olivia = Person(crowd, "olivia")
    olivia.takes_control(job)
    before = metric(gunicorn, 'devmode_commands_total{outcome="confirmed"}')
    for _ in range(4):
        assert olivia.sets_pause_at(job, job.unused_module()).status == 200
    assert metric(gunicorn, 'devmode_commands_total{outcome="confirmed"}') == before + 4
    assert metric(gunicorn, "devmode_command_seconds_count") >= 4
    until(lambda: metric(gunicorn, "devmode_sessions") == 1, "the gauge")
    elsewhere = {"X-Forwarded-For": "192.0.2.1"}
    assert get(gunicorn, "/metrics", **elsewhere)[0] == 403
    assert get(gunicorn, "/metrics", Authorization="Bearer x", **elsewhere)[0] == 403
    assert get(gunicorn, "/metrics", Authorization=f"Bearer {TOKEN}", **elsewhere)[0] == 200
    olivia.does(job, "session/release", then="stay")
    crowd.check(job)


def test_a_process_without_database_lives_but_is_not_ready(
    served_world: World, postgresql: PostgresqlServer
) -> None:
    gunicorn = served_world.gunicorns[0]
    served_world.wait_until_complete()
    assert get(gunicorn, "/healthz") == (200, "alive\n")
    until(lambda: get(gunicorn, "/readyz") == (200, "ready\n"), "readiness")
    postgresql.stop()
    try:
        until(lambda: get(gunicorn, "/readyz")[0] == 503, "the loss to be told")
        assert get(gunicorn, "/healthz") == (200, "alive\n")
    finally:
        postgresql.start()
    until(lambda: get(gunicorn, "/readyz") == (200, "ready\n"), "readiness")


def test_more_streams_than_can_be_served_are_told_to_come_back(crowd: World) -> None:
    job = crowd.start_job()
    olivia = Person(crowd, "olivia")
    (gunicorn,) = crowd.gunicorns
    held: list[http.client.HTTPConnection] = []
    refused = None
    path = f"/events?jobs={crowd.number_of(job)}"
    while refused is None:
        assert len(held) <= 40, "each of two processes serves 20"
        connection = gunicorn.connect()
        connection.request("GET", path, headers={"Cookie": olivia.cookie_header})
        response = connection.getresponse()
        held.append(connection)
        if response.status != 200:
            refused = response
    assert refused.status == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert get(gunicorn, "/sign-in")[0] == 200
    for connection in held:
        connection.close()
    until(lambda: metric(gunicorn, "devmode_viewers") == 0, "them to be gone")


def test_streams_that_are_opened_and_abandoned_leave_nothing_behind(crowd: World) -> None:
    job = crowd.start_job()
    olivia = Person(crowd, "olivia")
    olivia.watches(job).close()
    until(lambda: crowd.rows("SELECT 1 FROM presence") == [], "the first to be gone")
    before = crowd.descriptors
    for _round in range(10):
        streams = [olivia.watches(job) for _ in range(10)]
        for stream in streams:
            stream.close()
        until(lambda: crowd.rows("SELECT 1 FROM presence") == [], "them to be gone")
    until(lambda: crowd.descriptors <= before + 4, "their file descriptors to be closed")


def test_who_says_nothing_too_much_or_too_slowly_is_cut_off_and_hinders_nobody(
    crowd: World,
) -> None:
    (gunicorn,) = crowd.gunicorns
    body = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
    held_up = [
        gevent.spawn(sent, gunicorn, b""),
        gevent.spawn(sent, gunicorn, b"GET / HTTP/1.1\r\nHost: "),
        gevent.spawn(sent, gunicorn, body + form),
    ]
    assert get(gunicorn, "/sign-in")[0] == 200
    for too_much, status in (
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000, b"431"),
        (b"GET / HTTP/1.1" + b"\r\nX: y" * 65, b"431"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1", b"414"),
    ):
        assert sent(gunicorn, too_much + b"\r\n\r\n").startswith(b"HTTP/1.1 " + status)
    assert not held_up[2].ready(), "whoever is slow is waited for meanwhile"
    silent, begun, told = (greenlet.get() for greenlet in held_up)
    assert silent == begun == b""
    assert told.startswith(b"HTTP/1.1 408")
