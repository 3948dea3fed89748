"""What the connection doctor says of command servers that can't be reached."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from flask import Flask
from gevent.pywsgi import WSGIServer
from gevent.server import StreamServer

from devmode.commandserver import probe
from devmode.commandserver.address import Address, JobToken
from devmode.commandserver.probe import Finding, Outcome
from devmode.commandserver.simulator.server import Simulator
from devmode.sessions import doctor
from tests.api.fixtures import Program
from tests.simulated.fixtures import app, command_server, only_job
from tests.simulated.openqa import SimulatedOpenQA
from tests.waiting import until

__all__ = ["app", "command_server"]

TOKEN = JobToken("canary-of-the-token")
Serve = Callable[[Callable[..., Any]], Address]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 0.3)
    monkeypatch.setattr(doctor, "LINK_S", 1.0)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves whatever has the port, over HTTP or not."""
    servers: list[Any] = []

    def start(application: Callable[..., Any], kind: Any = WSGIServer) -> Address:
        options = {"log": None} if kind is WSGIServer else {}
        server = kind(("127.0.0.1", 0), application, **options)
        server.start()
        servers.append(server)
        return Address("127.0.0.1", server.server_port, TOKEN)

    yield start
    for server in servers:
        server.stop(timeout=0)


def responds(statuses: dict[str, str]) -> Callable[..., Any]:
    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        start(statuses.get(environ["REQUEST_METHOD"], "404 Not Found"), [])
        return [b"the secrets of vars.json"]

    return application


def is_told(finding: Finding, seen: str, advice: str) -> None:
    assert finding.outcome is Outcome.FAILED
    assert seen in finding.seen
    assert advice in finding.advice
    assert "canary" not in repr(finding)


def test_a_name_that_nobody_knows() -> None:
    is_told(probe.look_up("nowhere.invalid", None), "can't be resolved", "WORKER_HOSTNAME")


def test_a_port_where_nothing_listens() -> None:
    closed = Address("127.0.0.1", 1, TOKEN)
    is_told(probe.connect(closed), "Nothing listens on 127.0.0.1 port 1", "20013")


def test_a_firewall_that_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropped(*_arguments: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(probe.socket, "create_connection", dropped)
    is_told(probe.connect(Address("192.0.2.1", 20013, TOKEN)), "No answer", "firewall")


def test_a_program_that_speaks_no_http(serve: Any) -> None:
    def greet(socket: Any, _address: object) -> None:
        socket.sendall(b"SSH-2.0-OpenSSH\r\n")

    is_told(
        probe.ask_without_token(serve(greet, StreamServer)), "no HTTP answer", "Another program"
    )


def test_a_program_that_says_nothing(serve: Any) -> None:
    def wait(_socket: Any, _address: object) -> None:
        gevent.sleep(60)

    is_told(probe.ask_without_token(serve(wait, StreamServer)), "nothing came within", "hangs")


def test_another_web_server(serve: Serve) -> None:
    address = serve(responds({"GET": "200 OK"}))
    is_told(probe.ask_without_token(address), "HTTP status 200", "Another program has the port")


def test_the_command_server_of_another_job(serve: Serve) -> None:
    address = serve(responds({"HEAD": "404 Not Found"}))
    assert probe.ask_without_token(address).outcome is Outcome.FINE
    is_told(probe.ask_with_token(address), "has another token", "another job")


def test_an_upgrade_that_is_not_let_through(
    app: Flask, openqa: SimulatedOpenQA, serve: Serve
) -> None:
    address = serve(responds({"HEAD": "200 OK"}))
    told = examined(app, openqa, port=address.port, token=TOKEN.reveal())
    assert outcomes(told)["Websocket"] == "failed"
    assert outcomes(told)["HTTP with the token"] == "fine"
    assert outcomes(told)["First status"] == "not_tried"


def test_a_host_that_is_not_permitted_is_not_contacted(
    app: Flask, openqa: SimulatedOpenQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "connect", lambda _address: pytest.fail("connected"))
    told = examined(app, openqa, host="169.254.169.254", port=80, token="x")
    advice = {finding["step"]: finding["advice"] for finding in told["findings"]}
    assert "DEVMODE_COMMAND_SERVER_HOSTS=169.254.169.254" in advice["Permission"]
    assert outcomes(told)["TCP"] == "not_tried"


def test_a_worker_whose_name_can_not_be_resolved(app: Flask, openqa: SimulatedOpenQA) -> None:
    told = examined(app, openqa, host="nowhere.invalid", port=20013, token="x")
    assert [step for step, how in outcomes(told).items() if how == "failed"] == ["Name resolution"]
    assert "WORKER_HOSTNAME" in told["findings"][1]["advice"]


def test_a_command_server_that_is_not_told_of_yet(app: Flask, openqa: SimulatedOpenQA) -> None:
    openqa.runs(7, host="127.0.0.1", port=1, token="x")
    openqa.workers[0]["properties"]["CMD_SRV_URL"] = ""
    told = Program(app, "robot").get(f"/jobs/{only_job(app)}/doctor")
    assert "while it prepares the job" in told["findings"][0]["seen"]


def test_many_who_ask_at_once_are_told_the_same(
    app: Flask, openqa: SimulatedOpenQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[Address] = []
    connect = probe.connect

    def count(address: Address) -> Finding:
        connected.append(address)
        return connect(address)

    monkeypatch.setattr(probe, "connect", count)
    openqa.runs(7, host="127.0.0.1", port=1, token="x")
    job_id = only_job(app)
    examine = app.extensions["devmode"].doctor.examine
    found = [gevent.spawn(examine, job_id) for _ in range(20)]
    assert len({id(greenlet.get()) for greenlet in found}) == 1
    assert len(connected) == 1


def test_the_last_steps_are_those_of_the_link(
    app: Flask, openqa: SimulatedOpenQA, command_server: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator speaks nothing but websockets, which is enough for what comes last."""
    for step in ("ask_without_token", "ask_with_token"):
        monkeypatch.setattr(probe, step, lambda _address: probe.fine("HTTP", ""))
    token = command_server.address.token.reveal()
    told = examined(app, openqa, port=command_server.port, token=token)
    assert outcomes(told)["Version"] == "fine"


def test_a_job_that_ends_during_its_examination_has_no_wrong_version(
    app: Flask, openqa: SimulatedOpenQA, command_server: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = app.extensions["devmode"].doctor._links

    def end(_address: Address) -> Finding:
        gevent.spawn(lambda: links.close(until(lambda: links.every(), "the link")[0][0]))
        return probe.fine("HTTP with the token", "")

    monkeypatch.setattr(probe, "ask_without_token", lambda _address: probe.fine("HTTP", ""))
    monkeypatch.setattr(probe, "ask_with_token", end)
    monkeypatch.setattr(command_server.job, "obey", lambda _command: None)
    token = command_server.address.token.reveal()
    told = examined(app, openqa, port=command_server.port, token=token)
    (failed,) = (finding for finding in told["findings"] if finding["outcome"] == "failed")
    assert (failed["step"], failed["seen"]) == ("Websocket", "The job ended meanwhile.")


def examined(app: Flask, openqa: SimulatedOpenQA, **job: Any) -> Any:
    openqa.runs(7, **{"host": "127.0.0.1"} | job)
    told = Program(app, "robot").get(f"/jobs/{only_job(app)}/doctor")
    assert "canary" not in str(told)
    return told


def outcomes(told: Any) -> dict[str, str]:
    return {finding["step"]: finding["outcome"] for finding in told["findings"]}
