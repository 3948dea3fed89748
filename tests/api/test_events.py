"""The stream of the API: whole snapshots, resumable, ended with its token."""

import pytest
from flask import Flask

from devmode.web import admission, eventstream
from tests.api.fixtures import NewProgram, Program, Stream
from tests.null.fixtures import SignIn, Watched
from tests.waiting import until


def test_the_first_snapshot_is_the_job_and_each_change_brings_the_next(
    controlled_job: Watched, program: Program
) -> None:
    events = program.follow(controlled_job)
    assert events.read().startswith("retry: ")
    first = events.next()
    assert first | {"session": None} == program.get(f"/jobs/{controlled_job.id}") | {
        "session": None
    }
    program.does("PATCH", controlled_job, "settings", pause_on_mismatch="check_screen")
    changed = events.until(lambda job: job["execution"]["pause_on_mismatch"] == "check_screen")
    assert changed["revision"] == first["revision"]
    program.does("PATCH", controlled_job, "settings", pause_on_mismatch="off")
    events.until(lambda job: job["execution"]["pause_on_mismatch"] == "off")
    events.close()


def test_who_comes_back_is_told_only_what_is_new(
    controlled_job: Watched, program: Program, other_program: Program
) -> None:
    # The other program's streams count nowhere: what is told stays the same meanwhile.
    events = other_program.follow(controlled_job)
    events.next()
    last = events.id
    events.close()
    again = other_program.follow(controlled_job, last)
    assert again.read().startswith("retry: ")
    assert again.read().startswith(":"), "there is nothing new"
    program.does("PATCH", controlled_job, "settings", pause_on_mismatch="check_screen")
    assert again.next()["execution"]["pause_on_mismatch"] == "check_screen"
    again.close()
    behind = other_program.follow(controlled_job, last)
    assert behind.next()["execution"]["pause_on_mismatch"] == "check_screen"
    behind.close()
    program.does("PATCH", controlled_job, "settings", pause_on_mismatch="off")


def ends_signed_out(events: Stream) -> bool:
    while not (block := events.read()).startswith("event: "):
        pass
    return block.startswith("event: signed-out")


def test_a_revoked_token_ends_its_stream_at_once(
    app: Flask, shared_job: Watched, new_program: NewProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventstream, "AUTHORISED_FOR_S", 1000.0)
    events = new_program("soon gone").follow(shared_job)
    events.next()
    app.extensions["devmode"].tokens.revoke("soon gone")
    assert ends_signed_out(events)
    events.close()


def test_a_stream_is_authorised_again_and_again(
    app: Flask, shared_job: Watched, monkeypatch: pytest.MonkeyPatch, new_program: NewProgram
) -> None:
    monkeypatch.setattr(eventstream, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(eventstream, "AUTHORISED_FOR_S", 0.1)
    program = new_program("short")
    token = app.extensions["devmode"].tokens.create("short", 2, 1.0)
    program.headers = {"Authorization": f"Bearer {token}"}
    events = program.follow(shared_job)
    events.next()
    assert ends_signed_out(events)
    events.close()


def test_the_heartbeat_is_an_event_for_pages_and_a_comment_for_programs(
    shared_job: Watched, sign_in: SignIn, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventstream, "HEARTBEAT_S", 0.05)
    page = Stream(sign_in("olivia").client.get(f"/events?jobs={shared_job.id}"))
    until(lambda: page.read() == "event: heartbeat\ndata: ", "an event")
    page.close()
    events = program.follow(shared_job)
    until(lambda: events.read() == ": ", "a comment")
    events.close()


@pytest.mark.parametrize("path", ["/events", "/api/v1/jobs/{}/events"])
def test_a_stream_that_is_never_read_leaves_nothing_behind(
    app: Flask, shared_job: Watched, sign_in: SignIn, program: Program, path: str
) -> None:
    owner = sign_in("olivia")
    page = path == "/events"
    client = owner.client if page else program.client
    url = f"/events?jobs={shared_job.id}" if page else path.format(shared_job.id)
    before = admission.served()
    for method in ("HEAD", "GET"):
        client.open(url, method=method, headers={} if page else program.headers).close()
    assert admission.served() == before
    presence = app.extensions["devmode"].feed._sources._attendance._tabs
    until(lambda: not any(job == shared_job.id for job, _user in presence), "nobody to be there")


def test_of_a_stream_with_an_unknown_job_nothing_is_left_behind(
    app: Flask, shared_job: Watched, sign_in: SignIn
) -> None:
    owner = sign_in("olivia")
    assert owner.get(f"/events?jobs={shared_job.id},999999").status_code == 404
    presence = app.extensions["devmode"].feed._sources._attendance._tabs
    assert not any(job == shared_job.id for job, _user in presence)


def test_one_token_holds_only_so_many_streams(
    app: Flask, shared_job: Watched, new_program: NewProgram
) -> None:
    greedy = new_program("greedy")
    most = app.extensions["devmode"].settings.streams_per_login
    held = [greedy.follow(shared_job) for _ in range(most)]
    refused = greedy.ask("GET", f"/jobs/{shared_job.id}/events")
    assert refused.json is not None
    assert (refused.status_code, refused.json["code"]) == (429, "too_many")
    assert int(refused.headers["Retry-After"]) > 0
    for events in held:
        events.close()
    greedy.follow(shared_job).close()
