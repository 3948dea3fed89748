"""devmode in the place of openQA's livehandler: its websockets, its picture stream, its API."""

import json
import urllib.request
from collections.abc import Iterator

import pytest
import websocket

from tests.chromium.server import Server
from tests.openqa.conftest import RunJob
from tests.openqa.instance import OpenQA, signed
from tests.openqa.pages import Developer, Tab, answer_to, refused
from tests.waiting import LIMIT_S, until

STATUS = {
    "running",
    "current_test_full_name",
    "current_api_function",
    "tags",
    "pause_test_name",
    "pause_on_screen_mismatch",
    "pause_on_next_command",
    "pause_on_failure",
    "test_execution_paused",
    "devel_mode_major_version",
    "devel_mode_minor_version",
    "developer_name",
    "developer_session_started_at",
    "developer_session_tab_count",
    "developer_session_is_yours",
    "outstanding_images",
    "outstanding_files",
    "upload_up_to_current_module",
}


@pytest.fixture
def job(devmode: Server, paused_job: int) -> int:
    """Is paused, as its tests leave it, and known to devmode."""
    until_known(devmode, paused_job)
    return paused_job


@pytest.fixture
def own_job(devmode: Server, own_job: int) -> int:
    """Is paused, never controlled and known to devmode; its test may do with it what it likes."""
    until_known(devmode, own_job)
    return own_job


def until_known(devmode: Server, number: int) -> None:
    """Waits until devmode knows that the job is paused."""
    victor = Developer(devmode, "victor", "viewer")
    until(lambda: victor.sees_pause(number), "a pause")


def pauses_at(tab: Tab, module: str) -> bool:
    tab.send(cmd="set_pause_at_test", name=module)
    answer = tab.hear_until(lambda m: m["type"] == "error" or "set_pause_at_test" in m["data"])
    return bool(answer["type"] == "info")


@pytest.fixture
def olivia(devmode: Server) -> Developer:
    return Developer(devmode, "olivia")


@pytest.fixture
def oscar(devmode: Server) -> Developer:
    return Developer(devmode, "oscar")


def test_who_watches_is_told_the_state_in_livehandlers_order(job: int, oscar: Developer) -> None:
    tab = oscar.watches(job)
    status = tab.hear_data(test_execution_paused="reached module boot-menu_visible")
    whats = [message["what"].partition(" at ws:")[0] for message in tab.heard]
    assert whats[0] == "connecting to os-autoinst command server"
    assert whats[1] in {
        "reusing previous connection to os-autoinst command server",
        "cmdsrvmsg",
    }
    assert whats[-1] == "cmdsrvmsg"
    assert status.keys() == STATUS | {"developer_id"}
    assert status["developer_name"] is None
    assert status["running"] == "menu_visible"
    tab.close()


def test_the_job_token_is_told_to_nobody(own_job: int, openqa: OpenQA, olivia: Developer) -> None:
    token = json.loads((openqa.pool / "vars.json").read_text())["JOBTOKEN"]
    tab = olivia.controls(own_job)
    tab.hear_data(developer_session_is_yours=True)
    tab.send(cmd="set_pause_on_failure", flag=True)
    tab.hear_data(set_pause_on_failure=1)
    assert token not in json.dumps(tab.heard)
    tab.send(cmd="quit_development_session")
    assert tab.hear_the_end() == 1000


def test_a_developer_takes_control_pauses_and_lets_go(
    own_job: int, olivia: Developer, oscar: Developer
) -> None:
    watching = oscar.watches(own_job)
    tab = olivia.controls(own_job)
    status = tab.hear_data(developer_session_is_yours=True, developer_session_tab_count=1)
    assert status["developer_name"] == "olivia"
    others = watching.hear_data(developer_name="olivia", developer_session_tab_count=1)
    assert (others["developer_id"], others["developer_session_is_yours"]) == (0, False)

    # A devmode that has just seen the job does not know its schedule yet.
    until(lambda: pauses_at(tab, "boot-choose_entry"), "the schedule")
    watching.hear_data(set_pause_at_test="boot-choose_entry")
    tab.send(cmd="set_pause_on_screen_mismatch", pause_on="assert_screen")
    watching.hear_data(set_pause_on_screen_mismatch="assert_screen")
    tab.send(cmd="resume_test_execution", options={})
    watching.hear_data(resume_test_execution=None)
    watching.hear_data(paused=1, reason="reached module boot-choose_entry")

    second = olivia.controls(own_job)
    watching.hear_data(developer_name="olivia", developer_session_tab_count=2)
    second.close()
    watching.hear_data(developer_name="olivia", developer_session_tab_count=1)

    tab.send(cmd="quit_development_session")
    assert tab.hear_the_end() == 1000
    watching.hear_data(developer_name=None, developer_session_tab_count=0)
    watching.close()


def test_a_page_that_asks_for_control_again_as_it_quits_only_watches_from_then_on(
    own_job: int, olivia: Developer, oscar: Developer
) -> None:
    watching = oscar.watches(own_job)
    tab = olivia.controls(own_job)
    tab.hear_data(developer_session_is_yours=True)
    tab.send(cmd="quit_development_session")
    assert tab.hear_the_end() == 1000
    again = olivia.controls(own_job)
    assert again.hear_the_end() == 1000
    watching.hear_data(developer_name="olivia")
    watching.hear_data(developer_name=None, developer_session_tab_count=0)
    until(lambda: olivia.controls(own_job).hear() is not None, "that it counts as a click again")
    watching.hear_data(developer_name="olivia")
    watching.close()


def test_a_job_of_somebody_else_is_locked(
    own_job: int, olivia: Developer, oscar: Developer
) -> None:
    tab = olivia.controls(own_job)
    tab.hear_data(developer_session_is_yours=True)
    locked = oscar.controls(own_job)
    assert locked.hear_the_end() == 1011
    assert locked.heard[-1] == {
        "type": "error",
        "what": "unable to create (further) development session",
        "data": None,
    }
    tab.send(cmd="quit_development_session")
    assert tab.hear_the_end() == 1000


def test_the_owner_who_only_watches_is_told_that_the_session_is_theirs(
    own_job: int, olivia: Developer
) -> None:
    tab = olivia.controls(own_job)
    tab.hear_data(developer_session_is_yours=True)
    watching = olivia.watches(own_job)
    assert "developer_id" not in watching.hear_data(developer_session_is_yours=True)
    watching.close()
    tab.send(cmd="quit_development_session")
    assert tab.hear_the_end() == 1000


def test_what_a_watcher_says_is_ignored(job: int, oscar: Developer) -> None:
    tab = oscar.watches(job)
    tab.hear_data(test_execution_paused="reached module boot-menu_visible")
    tab.send(cmd="resume_test_execution")
    tab.send(cmd="quit_development_session")
    tab.close()
    again = oscar.watches(job)
    again.hear_data(test_execution_paused="reached module boot-menu_visible", developer_name=None)
    again.close()


def test_nonsense_is_told_to_its_sender_alone_and_ends_nothing(
    own_job: int, olivia: Developer, oscar: Developer
) -> None:
    watching = oscar.watches(own_job)
    tab = olivia.controls(own_job)
    tab.hear_data(developer_session_is_yours=True)
    tab.send_text("foo")
    assert tab.hear_until(lambda m: m["type"] == "warning")["what"] == "ignoring invalid json"
    for command in ("backend_type_string", "version", "read_serial", "pause_test_execution"):
        tab.send(cmd=command)
        warning = tab.hear_until(lambda m: m["type"] == "warning")
        assert (warning["what"], warning["data"]) == (
            "ignoring invalid command",
            {"cmd": command},
        )
    tab.send(cmd="set_pause_at_test", name="no-such_module")
    assert tab.hear_until(lambda m: m["type"] == "error")["data"].keys() == {"category"}
    tab.send(cmd="status")
    tab.hear_data(test_execution_paused="reached module boot-menu_visible")
    tab.send(cmd="quit_development_session")
    assert tab.hear_the_end() == 1000
    watching.hear_data(developer_name="olivia")
    watching.hear_data(developer_name=None)
    assert all(message["type"] == "info" for message in watching.heard)
    watching.close()


def test_a_huge_message_ends_its_websocket_alone(own_job: int, olivia: Developer) -> None:
    tab = olivia.controls(own_job)
    tab.hear_data(developer_session_is_yours=True)
    tab.send_text("x" * 70_000)
    assert tab.hear_the_end() == 1009
    again = olivia.controls(own_job)
    again.hear_data(developer_session_is_yours=True)
    again.send(cmd="quit_development_session")
    assert again.hear_the_end() == 1000


def test_the_end_of_the_job_is_told(own_job: int, openqa: OpenQA, oscar: Developer) -> None:
    tab = oscar.watches(own_job)
    tab.hear_data(test_execution_paused="reached module boot-menu_visible")
    openqa.end_job(own_job)
    assert tab.hear_the_end() == 1011
    assert tab.heard[-1]["what"] == "connection to os-autoinst command server lost"
    ended = oscar.watches(own_job)
    assert ended.hear_the_end() == 1011
    assert ended.heard[-1]["data"]["category"] == "cmdsrv-connection"


def test_an_unknown_job_is_told_in_livehandlers_words(devmode: Server, oscar: Developer) -> None:
    for tab in (oscar.watches(999_999), oscar.controls(2**62), oscar.watches(10**30)):
        assert tab.hear_the_end() == 1011
        assert tab.heard == [{"type": "error", "what": "job not found", "data": None}]


def test_a_viewer_may_watch_and_not_control(job: int, devmode: Server) -> None:
    victor = Developer(devmode, "victor", "viewer")
    assert refused(lambda: victor.controls(job)) == (403, "Forbidden")
    tab = victor.watches(job)
    tab.hear_data(test_execution_paused="reached module boot-menu_visible")
    tab.close()


def test_a_stranger_is_asked_to_sign_in(job: int, devmode: Server, oscar: Developer) -> None:
    stranger = Developer.__new__(Developer)
    stranger.__dict__ = oscar.__dict__ | {"_cookies": []}
    tab = stranger.watches(job)
    assert tab.hear_the_end() == 1011
    assert tab.heard[-1]["data"] == {"category": "bad-configuration"}
    assert len(tab.heard) == 1
    with pytest.raises(websocket.WebSocketException, match="Redirect"):
        stranger.controls(job, redirect_limit=0)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "http://[", "x"],
)
def test_a_page_of_another_site_opens_no_websocket(
    job: int, olivia: Developer, origin: str
) -> None:
    assert refused(lambda: olivia.watches(job, origin=origin))[0] == 403
    assert refused(lambda: olivia.controls(job, origin=origin))[0] == 403


def test_openqas_own_page_opens_websockets_from_its_port(
    job: int, openqa: OpenQA, devmode: Server, olivia: Developer
) -> None:
    for origin in (openqa.url, devmode.url):
        tab = olivia.watches(job, origin=origin)
        tab.hear_data(test_execution_paused="reached module boot-menu_visible")
        tab.close()


def test_sign_out_ends_the_websocket(job: int, devmode: Server) -> None:
    leaving = Developer(devmode, "leaving")
    tab = leaving.watches(job)
    tab.hear_data(test_execution_paused="reached module boot-menu_visible")
    leaving.post("/sign-out")
    assert tab.hear_the_end() == 1008


# Pictures


def test_pictures_come_as_openqas_page_takes_them_without_a_word_to_the_worker(
    run_job: RunJob, openqa: OpenQA, devmode: Server, oscar: Developer
) -> None:
    # At the first module there is nothing to be seen yet.
    job = run_job("boot/menu_visible", "boot/choose_entry", PAUSE_AT="boot-choose_entry")
    until_known(devmode, job)
    url = f"{devmode.url}/liveviewhandler/tests/{job}/streaming"
    request = urllib.request.Request(url, headers={"Cookie": oscar.cookie})
    with urllib.request.urlopen(request, timeout=LIMIT_S) as stream:
        assert stream.headers.get_content_type() == "text/event-stream"
        picture = next(line for line in lines(stream) if line.startswith("data: "))
    assert picture.startswith("data: data:image/png;base64,iVBORw0KGgo")
    # By any test so far: a worker that is told so may end its next job for it.
    assert "Starting livelog" not in openqa.log("worker")


def test_for_pictures_of_a_job_that_is_not_known_yet_a_browser_comes_again(
    devmode: Server, oscar: Developer
) -> None:
    url = f"{devmode.url}/liveviewhandler/tests/999999/streaming"
    request = urllib.request.Request(url, headers={"Cookie": oscar.cookie})
    with urllib.request.urlopen(request, timeout=LIMIT_S) as stream:
        assert stream.read() == b"retry: 2000\n\n"


def lines(stream: "Iterator[bytes]") -> Iterator[str]:
    return (line.decode().rstrip("\n") for line in stream)


# Uploads


def upload(
    openqa: OpenQA, devmode: Server, job: int, body: bytes, secret: str | None = None
) -> urllib.request.Request:
    path = f"/liveviewhandler/api/v1/jobs/{job}/upload_progress"
    headers = signed(path, openqa.key, secret or openqa.secret)
    headers["Content-Type"] = "application/json"
    return urllib.request.Request(devmode.url + path, body, headers, method="POST")


def test_upload_progress_is_told_to_all_pages_and_to_those_that_come(
    own_job: int, openqa: OpenQA, devmode: Server, oscar: Developer
) -> None:
    tab = oscar.watches(own_job)
    tab.hear_data(outstanding_images=None)
    progress = {
        "upload_up_to": "boot-menu_visible",
        "upload_up_to_current_module": True,
        "outstanding_files": 0,
        "outstanding_images": 5,
    }
    answer = answer_to(upload(openqa, devmode, own_job, json.dumps(progress).encode()))
    assert answer == (200, {"broadcast_count": 1})
    told = tab.hear_until(lambda message: message["what"] == "upload progress")
    assert told["data"] == progress
    later = oscar.watches(own_job)
    later.hear_data(outstanding_images=5, outstanding_files=0, upload_up_to_current_module=True)
    later.close()
    tab.close()


def test_upload_progress_needs_a_worker_a_job_and_some_progress(
    job: int, openqa: OpenQA, devmode: Server
) -> None:
    body = b'{"outstanding_files":1}'
    wrong = upload(openqa, devmode, job, body, secret="0000000000000000")
    assert answer_to(wrong) == (403, {"error": "Not authorized"})
    for nothing in (b"", b"{}", b"[]", b"null", b'{"outstanding_files":"many"}', b"\xff"):
        assert answer_to(upload(openqa, devmode, job, nothing)) == (
            400,
            {"error": "No progress information provided"},
        )
    assert answer_to(upload(openqa, devmode, 999_999, body)) == (
        400,
        {"error": "The job ID does not refer to a running job"},
    )


def test_the_worker_itself_tells_its_upload_progress_once_somebody_controls_the_job(
    own_job: int, olivia: Developer
) -> None:
    tab = olivia.controls(own_job)
    told = tab.hear_until(lambda message: message["what"] == "upload progress")["data"]
    assert (told["outstanding_images"], told["outstanding_files"]) == (0, 0)
    assert told["upload_up_to_current_module"]
    tab.send(cmd="quit_development_session")
    assert tab.hear_the_end() == 1000
