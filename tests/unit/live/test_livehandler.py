"""The messages that the unit tests of openQA's livehandler expect, each of them kept.

Where devmode differs on purpose, the name of the test says so; docs/openqa.md has the reasons.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from devmode import errors
from devmode.commandserver.broadcasts import decode
from devmode.commandserver.execution import ExecutionState
from devmode.errors import DevmodeError
from devmode.live.livehandler import (
    Message,
    Told,
    complaint,
    encoded_news,
    farewell,
    news,
    personal,
    refusal,
    session_of,
    status_of,
    uploads_of,
    whole,
)
from devmode.live.livehandler_commands import Asked, asked

STATUS: dict[str, Any] = {
    "running": "welcome",
    "current_test_full_name": "installation-welcome",
    "current_api_function": "assert_screen",
    "tags": ["inst-welcome"],
    "pause_test_name": "installation-partitioning",
    "pause_on_screen_mismatch": "assert_screen",
    "pause_on_next_command": 0,
    "pause_on_failure": 1,
    "test_execution_paused": 0,
    "devel_mode_major_version": 1,
    "devel_mode_minor_version": 1,
}
NO_DEVELOPER = {
    "developer_name": None,
    "developer_session_started_at": None,
    "developer_session_tab_count": 0,
}
NO_UPLOADS = {
    "outstanding_images": None,
    "outstanding_files": None,
    "upload_up_to_current_module": None,
}
STARTED_AT = datetime(2018, 6, 22, 12, 0, 0, tzinfo=UTC)
OLIVIA = {
    "developer_name": "olivia",
    "developer_session_started_at": "2018-06-22T12:00:00",
    "developer_session_tab_count": 2,
}
ADDRESS = "ws://127.0.0.1:20013/…/ws"


def state_after(*broadcasts: dict[str, Any]) -> ExecutionState:
    state = ExecutionState()
    for broadcast in broadcasts:
        state = state.apply(decode(msgspec.json.encode(broadcast)))
    return state


def told(*broadcasts: dict[str, Any], **changes: Any) -> Told:
    state = state_after(*broadcasts)
    facts = Told(
        status=status_of(state),
        session=NO_DEVELOPER,
        uploads={},
        connected=True,
        address=ADDRESS,
        check=state.tags,
        turn=state.turn,
        stopping=state.stopping,
    )
    return msgspec.structs.replace(facts, **changes)


def data_of(messages: list[Message]) -> list[Any]:
    assert all((message.type, message.what) == ("info", "cmdsrvmsg") for message in messages)
    return [message.data for message in messages]


def test_the_envelope_is_livehandlers() -> None:
    assert msgspec.json.decode(Message("info", "what", {"some": "data"}).encode()) == {
        "type": "info",
        "what": "what",
        "data": {"some": "data"},
    }


def test_an_envelope_without_data_says_null() -> None:
    assert '"data":null' in Message("error", "job not found").encode()


# The first messages


def test_who_comes_first_is_told_of_connecting_only() -> None:
    first, state = news(None, told(connected=False))
    assert first == Message("info", f"connecting to os-autoinst command server at {ADDRESS}")
    assert state.data == NO_DEVELOPER | NO_UPLOADS


def test_who_comes_later_is_told_that_the_connection_is_reused_and_then_the_status() -> None:
    assert news(None, told(STATUS)) == [
        Message("info", f"connecting to os-autoinst command server at {ADDRESS}"),
        Message("info", f"reusing previous connection to os-autoinst command server at {ADDRESS}"),
        Message("info", "cmdsrvmsg", STATUS | NO_DEVELOPER | NO_UPLOADS),
    ]


def test_a_new_connection_is_told_and_then_the_status() -> None:
    assert news(told(connected=False), told(STATUS)) == [
        Message("info", "connected to os-autoinst command server"),
        Message("info", "cmdsrvmsg", STATUS | NO_DEVELOPER | NO_UPLOADS),
    ]


def test_the_vnc_argument_comes_with_the_first_message() -> None:
    assert news(None, told(STATUS, vnc="here:5991"))[0].data == {"vnc_arg": "here:5991"}


def test_a_lost_connection_is_told_as_connecting_since_devmode_reconnects_by_itself() -> None:
    assert news(told(STATUS), told(STATUS, connected=False)) == [
        Message("info", f"connecting to os-autoinst command server at {ADDRESS}")
    ]


def test_a_pause_that_is_heard_before_the_status_is_told_with_that() -> None:
    pause = {"paused": 1, "reason": "reached module welcome"}
    assert news(told(connected=True), told(pause)) == []


# The status


def test_the_status_is_that_of_os_autoinst() -> None:
    assert status_of(state_after(STATUS)) == STATUS


def test_a_setting_that_os_autoinst_does_not_tell_is_no_key() -> None:
    old = {name: value for name, value in STATUS.items() if name != "pause_on_failure"}
    assert "pause_on_failure" not in status_of(state_after(old))


def test_no_pause_on_mismatch_is_false_which_the_page_compares_strictly() -> None:
    status = status_of(state_after(STATUS | {"pause_on_screen_mismatch": False}))
    assert status["pause_on_screen_mismatch"] is False


def test_the_session_is_merged_into_the_status() -> None:
    (message,) = whole(told(STATUS, session=session_of("olivia", STARTED_AT, 2)))
    assert message.data == STATUS | OLIVIA | NO_UPLOADS


def test_the_session_is_told_alone_when_it_changes() -> None:
    messages = news(told(STATUS), told(STATUS, session=session_of("olivia", STARTED_AT, 2)))
    assert data_of(messages) == [OLIVIA | NO_UPLOADS]


def test_a_session_that_ends_is_told_with_its_keys_empty() -> None:
    before = told(STATUS, session=session_of("olivia", STARTED_AT, 1))
    assert data_of(news(before, told(STATUS))) == [NO_DEVELOPER | NO_UPLOADS]


def test_nobody_has_no_tabs() -> None:
    assert session_of() == NO_DEVELOPER


def test_the_upload_progress_is_merged_into_the_status() -> None:
    progress = {
        "outstanding_images": 5,
        "outstanding_files": 0,
        "upload_up_to_current_module": 1,
        "upload_up_to": "welcome",
    }
    (message,) = whole(told(STATUS, uploads=progress))
    assert message.data == STATUS | NO_DEVELOPER | uploads_of(progress)
    assert uploads_of(progress) == {name: progress[name] for name in NO_UPLOADS}


def test_upload_progress_is_a_message_of_its_own() -> None:
    progress = {"outstanding_images": 0, "outstanding_files": 0}
    assert news(told(STATUS), told(STATUS, uploads=progress)) == [
        Message("info", "upload progress", progress)
    ]


def test_who_develops_is_told_that_it_is_theirs_and_no_number() -> None:
    mine = personal(Message("info", "cmdsrvmsg", OLIVIA), is_owner=True).data
    assert mine == OLIVIA | {"developer_session_is_yours": True}


@pytest.mark.parametrize(("session", "number"), [(OLIVIA, 0), (NO_DEVELOPER, None)])
def test_others_are_told_that_it_is_not_theirs(session: dict[str, Any], number: int | None) -> None:
    theirs = personal(Message("info", "cmdsrvmsg", session), is_owner=False).data
    assert theirs == session | {"developer_session_is_yours": False, "developer_id": number}


def test_what_says_nothing_of_the_session_stays_as_it_is() -> None:
    message = Message("info", "cmdsrvmsg", {"set_pause_on_failure": 1})
    assert personal(message, is_owner=True) is message


# What os-autoinst broadcasts


@pytest.mark.parametrize(
    ("change", "broadcast"),
    [
        ({"pause_test_name": "boot-boot_menu"}, {"set_pause_at_test": "boot-boot_menu"}),
        ({"pause_test_name": None}, {"set_pause_at_test": None}),
        (
            {"pause_on_screen_mismatch": "check_screen"},
            {"set_pause_on_screen_mismatch": "check_screen"},
        ),
        ({"pause_on_screen_mismatch": False}, {"set_pause_on_screen_mismatch": False}),
        ({"pause_on_next_command": 1}, {"set_pause_on_next_command": 1}),
        ({"pause_on_failure": 0}, {"set_pause_on_failure": 0}),
        (
            {"running": "disk", "current_test_full_name": "installation-disk"},
            {"set_current_test": "disk", "current_test_full_name": "installation-disk"},
        ),
        (
            {"test_execution_paused": "reached module welcome"},
            {"paused": 1, "reason": "reached module welcome"},
        ),
    ],
)
def test_what_changed_is_told_as_os_autoinst_broadcasts_it(
    change: dict[str, Any], broadcast: dict[str, Any]
) -> None:
    changed = told(STATUS, STATUS | change, check=told(STATUS).check)
    assert data_of(news(told(STATUS), changed)) == [broadcast]


PAUSED = STATUS | {"test_execution_paused": "reached module welcome", "tags": None}
RESUMED = {"resume_test_execution": None}


def test_a_resumption_is_told_as_os_autoinst_broadcasts_it() -> None:
    assert data_of(news(told(PAUSED), told(PAUSED, RESUMED))) == [RESUMED]


def test_between_two_pauses_there_is_a_resumption() -> None:
    pause = {"paused": 1, "reason": "reached module welcome"}
    assert data_of(news(told(PAUSED), told(PAUSED, RESUMED, pause))) == [RESUMED, pause]


def test_a_screen_check_is_told_with_its_tags() -> None:
    check = {
        "check_screen": {"mustmatch": ["a", "b"], "timeout": 3, "check": 1},
        "current_api_function": "check_screen",
    }
    assert data_of(news(told(STATUS), told(STATUS, check))) == [
        {
            "current_api_function": "check_screen",
            "check_screen": {"mustmatch": ["a", "b"], "check": 1},
        }
    ]


def test_another_function_is_told_without_what_it_types() -> None:
    typed = {
        "type_string": {"cmd": "backend_type_string", "text": "secret"},
        "current_api_function": "type_string",
    }
    assert data_of(news(told(STATUS), told(STATUS, typed))) == [
        {"current_api_function": "type_string"}
    ]


def test_the_end_of_the_test_is_announced() -> None:
    stopping = told(STATUS, {"stopping_test_execution": "test execution ended"})
    announced = {"stopping_test_execution": "test execution ended"}
    assert data_of(news(told(STATUS), stopping)) == [announced]
    assert whole(stopping)[-1].data == announced


def test_nothing_is_told_when_nothing_changed() -> None:
    assert news(told(STATUS), told(STATUS)) == []


def test_frames_for_the_owner_say_that_it_is_theirs() -> None:
    now = msgspec.json.encode(told(STATUS, session=OLIVIA)).decode()
    frames = encoded_news("", now, is_owner=True)
    assert msgspec.json.decode(frames[-1])["data"]["developer_session_is_yours"] is True
    assert encoded_news(now, now, is_owner=True) == ()


# Errors


@pytest.mark.parametrize(
    ("version", "written"), [((2, 0), "2.0"), ((0, 0), "0.0"), ((0, 9), "0.9")]
)
def test_an_incompatible_os_autoinst_is_a_configuration_issue(
    version: tuple[int, int], written: str
) -> None:
    state = msgspec.structs.replace(state_after(STATUS), api_version=version)
    message = farewell(told(incompatible=".".join(map(str, state.api_version or ()))))
    assert message == Message(
        "error",
        f'os-autoinst version "{written}" is incompatible, version "1.0" is required',
        {"code": 1011, "category": "bad-configuration"},
    )


def test_the_end_of_a_job_is_a_lost_connection() -> None:
    message = farewell(told(STATUS, ended=True))
    assert message is not None
    assert (message.type, message.what) == (
        "error",
        "connection to os-autoinst command server lost",
    )
    assert message.data == {
        "reason": "The job has ended.",
        "code": 1006,
        "category": "cmdsrv-connection",
    }


def test_while_a_job_runs_there_is_no_farewell() -> None:
    assert farewell(told(STATUS)) is None


@pytest.mark.parametrize(
    ("error", "what", "data"),
    [
        (errors.JobNotFound("There is no job 1."), "job not found", None),
        (
            errors.SessionLocked("olivia controls this job."),
            "unable to create (further) development session",
            None,
        ),
        (
            errors.JobNotRunning("The job has ended."),
            "os-autoinst command server not available, job is likely not running",
            {"reason": "URL to command server unknown", "category": "cmdsrv-connection"},
        ),
        (
            errors.CommandServerUnreachable("Nothing listens there."),
            "unable to upgrade ws to command server",
            {"reason": "Nothing listens there.", "category": "cmdsrv-connection"},
        ),
        (
            errors.IncompatibleCommandServer("os-autoinst speaks 2.0."),
            "os-autoinst speaks 2.0.",
            {"code": 1011, "category": "bad-configuration"},
        ),
    ],
)
def test_who_gets_no_session_is_told_why(
    error: DevmodeError, what: str, data: dict[str, Any] | None
) -> None:
    assert refusal(error) == Message("error", what, data)


def test_a_command_that_can_not_be_passed_on_is_told_so() -> None:
    message = complaint(errors.CommandServerUnreachable("The link is down."))
    assert message == Message(
        "error",
        "failed to pass message to os-autoinst command server because not connected yet",
        {"reason": "The link is down.", "category": "cmdsrv-connection"},
    )


def test_a_sentence_is_no_markup_for_the_page_that_takes_it_as_such() -> None:
    message = complaint(errors.StateChanged("<script>alert(1)</script> & co"))
    assert message.what == "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co"


# What the page may ask


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        (
            '{"cmd":"set_pause_at_test","name":"installation-welcome"}',
            Asked("settings", {"pause_at": "installation-welcome"}),
        ),
        ('{"cmd":"set_pause_at_test","name":null}', Asked("settings", {"pause_at": ""})),
        (
            '{"cmd":"set_pause_on_screen_mismatch","pause_on":"assert_screen"}',
            Asked("settings", {"pause_on_mismatch": "assert_screen"}),
        ),
        (
            '{"cmd":"set_pause_on_screen_mismatch","pause_on":"check_screen"}',
            Asked("settings", {"pause_on_mismatch": "check_screen"}),
        ),
        (
            '{"cmd":"set_pause_on_screen_mismatch","pause_on":null}',
            Asked("settings", {"pause_on_mismatch": "off"}),
        ),
        (
            '{"cmd":"set_pause_on_next_command","flag":true}',
            Asked("settings", {"pause_on_next_command": "1"}),
        ),
        (
            '{"cmd":"set_pause_on_failure","flag":false}',
            Asked("settings", {"pause_on_failure": "0"}),
        ),
        ('{"cmd":"set_pause_on_failure","flag":1}', Asked("settings", {"pause_on_failure": "1"})),
        ('{"cmd":"set_assert_screen_timeout","timeout":0}', Asked("skip_timeout")),
        ('{"cmd":"status"}', Asked("status")),
        ('{"cmd":"resume_test_execution","options":{}}', Asked("resume")),
        ('{"cmd":"resume_test_execution"}', Asked("resume")),
        (
            '{"cmd":"resume_test_execution","options":{"ignore_failure":true}}',
            Asked("resume", {"ignore_failure": True}),
        ),
        (
            '{"cmd":"resume_test_execution","new_needles":[{"name":"../../evil"}]}',
            Asked("resume"),
        ),
        ('{"cmd":"quit_development_session"}', Asked("quit")),
    ],
)
def test_a_command_means_an_action(frame: str, meaning: Asked) -> None:
    assert asked(frame) == meaning


def test_invalid_json_is_ignored_with_a_warning() -> None:
    assert asked("foo") == Message("warning", "ignoring invalid json", {"msg": "foo"})


@pytest.mark.parametrize("frame", ['{"foo":"bar"}', "{}", "[]", "1", '"status"', '{"cmd":""}'])
def test_without_a_command_it_is_ignored_with_a_warning(frame: str) -> None:
    assert asked(frame) == Message("warning", "ignoring invalid command")


@pytest.mark.parametrize(
    "command", ["foo", "backend_type_string", "pause_test_execution", "read_serial", "version"]
)
def test_a_command_that_is_not_allowed_is_ignored_with_a_warning(command: str) -> None:
    frame = msgspec.json.encode({"cmd": command}).decode()
    assert asked(frame) == Message("warning", "ignoring invalid command", {"cmd": command})


@pytest.mark.parametrize(
    "frame",
    [
        '{"cmd":"set_pause_at_test"}',
        '{"cmd":"set_pause_at_test","name":{}}',
        '{"cmd":"set_pause_on_screen_mismatch","pause_on":"anything"}',
        '{"cmd":"set_pause_on_failure","flag":"yes"}',
        '{"cmd":"set_assert_screen_timeout","timeout":30}',
        '{"cmd":"resume_test_execution","options":[1]}',
    ],
)
def test_a_command_with_odd_values_is_ignored_with_a_warning(frame: str) -> None:
    cmd = msgspec.json.decode(frame)["cmd"]
    assert asked(frame) == Message("warning", "ignoring invalid command", {"cmd": cmd})


def test_what_is_refused_is_not_repeated_at_length() -> None:
    warning = asked("x" * 100_000)
    assert isinstance(warning, Message)
    assert warning.data == {"msg": "x" * 200}
