"""What real command servers said, as recorded by the developers of devmode."""

import json
from itertools import groupby
from pathlib import Path

import pytest

from devmode.commandserver.broadcasts import Broadcast, decode
from devmode.commandserver.execution import ExecutionState, Mismatch, PauseKind

RECORDINGS = sorted((Path(__file__).parents[2] / "transcripts").glob("*.jsonl"))


def broadcasts(recording: str | Path) -> list[Broadcast]:
    path = RECORDINGS[0].parent / f"{recording}.jsonl" if isinstance(recording, str) else recording
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        decode(json.dumps(line["msg"]).encode())
        for line in lines
        if line["dir"] == "recv" and "msg" in line
    ]


def states(recording: str | Path) -> list[ExecutionState]:
    state, all_states = ExecutionState(), []
    for broadcast in broadcasts(recording):
        state = state.apply(broadcast)
        all_states.append(state)
    return all_states


def pauses(recording: str) -> list[tuple[PauseKind, str | None]]:
    """One entry for each time that the test stood still, with what was held back at its end."""
    turns = groupby((s for s in states(recording) if s.pause), key=lambda s: s.turn)
    last = [list(turn)[-1].pause for _, turn in turns]
    return [(pause.kind, pause.postponed) for pause in last if pause]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_a_whole_job_is_followed_to_its_end(recording: Path) -> None:
    end = states(recording)[-1]
    assert end.stopping == "test execution ended"
    assert (end.pause, end.module, end.tags) == (None, None, None)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_typed_text_is_nowhere(recording: Path) -> None:
    typed = {
        line["msg"]["type_string"]["text"].strip()
        for line in map(json.loads, recording.read_text().splitlines())
        if line["dir"] == "recv" and "type_string" in line.get("msg", {})
    }
    known = repr(broadcasts(recording)) + repr(states(recording))
    assert typed
    assert not [text for text in typed if len(text) > 3 and text in known]


def test_stepping_pauses_at_one_command_after_the_other() -> None:
    first, *steps = pauses("next_command")
    assert first == (PauseKind.MODULE, None)
    assert len(steps) == 13
    assert {kind for kind, _ in steps} == {PauseKind.NEXT_COMMAND}
    assert {held for _, held in steps} == {"backend_type_string", "backend_send_key"}


def test_a_retried_screen_check_pauses_again() -> None:
    assert pauses("screen_mismatch") == [(PauseKind.MISMATCH, "report_timeout")] * 4


def test_a_failure_pauses_and_is_ignored() -> None:
    assert pauses("failure_ignore") == [(PauseKind.FAILURE, None)]


def test_a_pause_by_hand_comes_to_hold_a_command_back() -> None:
    assert pauses("manual_pause") == [(PauseKind.OTHER, "backend_type_string")]


def test_settings_of_wrong_types_are_noticed_and_survived() -> None:
    malformed = {
        name for broadcast in broadcasts("mismatch_bad_values") for name in broadcast.malformed
    }
    assert malformed == {
        "set_pause_on_screen_mismatch",
        "pause_on_screen_mismatch",
        "set_pause_at_test",
        "pause_test_name",
    }
    assert states("mismatch_bad_values")[-1].pause_at == "does-not-exist"


def test_settings_from_job_variables_are_told_by_the_status() -> None:
    told = next(state for state in states("pause_initial_vars") if state.known)
    assert told.pause_at == "boot-menu_visible"
    assert told.pause_on_mismatch in (Mismatch.ASSERT_SCREEN, Mismatch.CHECK_SCREEN)
