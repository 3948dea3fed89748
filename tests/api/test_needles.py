"""Needles that programs make."""

import json
from typing import Any

from tests.api.fixtures import Program
from tests.null.fixtures import StartWatched, Watched

AREA = {"xpos": 40, "ypos": 8, "width": 640, "height": 60}
NEEDLE: dict[str, Any] = {"name": "by-program", "tags": ["needle-to-be-made"], "areas": [AREA]}


def test_a_needle_of_the_mismatch_matches_when_the_test_is_resumed(
    null: StartWatched, program: Program, other_program: Program
) -> None:
    job = null("boot/missing_needle", PAUSE_ON_SCREEN_MISMATCH="assert_screen", MISMATCH_TIMEOUT=1)
    program.does("PUT", job, "session")
    job.wait_for(lambda view: view.mismatch, "the mismatch")
    assert other_program.is_refused("POST", job, "needles", **NEEDLE) == (403, "not_session_owner")
    wide = NEEDLE | {"areas": [AREA | {"width": 700}]}
    assert program.is_refused("POST", job, "needles", **wide) == (422, "invalid_command")
    gone = NEEDLE | {"screenshot": "gone-1.png"}
    assert program.is_refused("POST", job, "needles", **gone) == (404, "text_not_found")
    told = program.does("POST", job, "needles", **NEEDLE)["message"]
    assert told.startswith("Needle by-program saved. Resume:")
    saved = json.loads((job.real.pool / "needles" / "by-program.json").read_text())
    assert saved["area"] == [AREA | {"type": "match", "match": 96}]
    assert program.is_refused("POST", job, "needles", **NEEDLE) == (422, "invalid_command")
    program.does("POST", job, "resume")
    job.wait_for_end()
    assert job.real.results() == {"boot-missing_needle": "ok"}


def test_without_a_mismatch_a_screenshot_has_to_be_named(
    controlled_job: Watched, program: Program, other_program: Program
) -> None:
    refused = other_program.is_refused("POST", controlled_job, "needles", **NEEDLE)
    assert refused == (403, "not_session_owner")
    assert program.is_refused("POST", controlled_job, "needles", **NEEDLE) == (
        409,
        "state_changed",
    )
