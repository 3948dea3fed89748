"""What programs see of a job besides its state: what its page shows, as this token may see it."""

from email.utils import parsedate_to_datetime

import pytest

from tests.api.fixtures import NewProgram, Program
from tests.null.fixtures import Watched
from tests.waiting import until

PNG = b"\x89PNG\r\n\x1a\n"
UNKNOWN_JOB = 999_999
TYPED = 'type_string(string="echo Hello, tester'


def test_the_screen_is_the_latest_picture_and_says_of_when(
    recorded_job: Watched, program: Program
) -> None:
    answer = program.ask("GET", f"/jobs/{recorded_job.id}/screen")
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    assert answer.data.startswith(PNG)
    picture = recorded_job.feed.picture_of(recorded_job.id)
    assert picture is not None
    written_at = parsedate_to_datetime(answer.headers["Last-Modified"])
    assert written_at == picture.written_at.replace(microsecond=0)


def test_pictures_are_written_for_a_program_that_looks(
    recorded_job: Watched, program: Program
) -> None:
    program.ask("GET", f"/jobs/{recorded_job.id}/screen")
    until((recorded_job.real.pool / "live_log").exists, "the request for pictures")


def test_where_there_is_no_picture_yet_that_is_told(shared_job: Watched, program: Program) -> None:
    assert program.is_refused("GET", shared_job, "screen") == (404, "text_not_found")


def test_a_text_is_told_whole(recorded_job: Watched, program: Program) -> None:
    files = {"log": "autoinst-log.txt", "serial0": "serial0"}
    assert program.get(f"/jobs/{recorded_job.id}/texts") == {"names": list(files)}
    for name, file in files.items():
        answer = program.ask("GET", f"/jobs/{recorded_job.id}/texts/{name}")
        assert (answer.status_code, answer.mimetype) == (200, "text/plain")
        assert "Content-Disposition" not in answer.headers
        assert len(answer.data) == (recorded_job.real.pool / file).stat().st_size > 0


def test_only_the_owner_and_administrators_are_told_what_was_typed(
    recorded_job: Watched, program: Program, other_program: Program, new_program: NewProgram
) -> None:
    path = f"/jobs/{recorded_job.id}/texts/log"
    assert TYPED in recorded_job.real.log, "else this test proves nothing"
    assert TYPED not in program.ask("GET", path).text
    program.does("PUT", recorded_job, "session")
    told = {
        somebody.name: TYPED in somebody.ask("GET", path).text
        for somebody in (
            program,
            other_program,
            new_program("ada", "administrator"),
            new_program("vera", "viewer"),
        )
    }
    assert told == {"robot": True, "other robot": False, "ada": True, "vera": False}
    namesake = new_program("robot", "viewer")
    assert TYPED not in namesake.ask("GET", path).text, "a viewer owns nothing"
    program.does("DELETE", recorded_job, "session?then=stay")


def test_nobody_is_told_the_job_token(recorded_job: Watched, new_program: NewProgram) -> None:
    assert recorded_job.real.token in recorded_job.real.log, "else this test proves nothing"
    told = new_program("ada", "administrator").ask("GET", f"/jobs/{recorded_job.id}/texts/log")
    assert recorded_job.real.token not in told.text


@pytest.mark.parametrize(
    "name", ["vars.json", "autoinst-log.txt", "..", "%2e%2e", "virtio_console", "%00", "serial"]
)
def test_no_other_file_is_a_text(recorded_job: Watched, program: Program, name: str) -> None:
    assert program.is_refused("GET", recorded_job, f"texts/{name}") == (404, "text_not_found")


def test_the_timeline_is_told_the_oldest_first(controlled_job: Watched, program: Program) -> None:
    events = program.get(f"/jobs/{controlled_job.id}/timeline")["events"]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    *_, started = (event for event in events if event["kind"] == "started")
    assert started.keys() == {"at", "who", "kind", "group", "text"}
    assert (started["who"], started["group"]) == ("robot", "people")


def test_the_timeline_can_be_narrowed_to_a_group(controlled_job: Watched, program: Program) -> None:
    program.does("PATCH", controlled_job, "settings", pause_on_mismatch="assert_screen")
    program.does("PATCH", controlled_job, "settings", pause_on_mismatch="off")
    narrowed = program.get(f"/jobs/{controlled_job.id}/timeline?only=settings")["events"]
    assert {event["kind"] for event in narrowed} == {"setting"}


@pytest.mark.parametrize("query", ["only=nothing", "only=", "only=people&only=pauses", "kind=x"])
def test_nothing_else_is_a_group(shared_job: Watched, program: Program, query: str) -> None:
    refused = program.is_refused("GET", shared_job, f"timeline?{query}")
    assert refused == (422, "invalid_command")


def test_a_step_tells_what_was_compared_with_the_screen(
    recorded_job: Watched, program: Program
) -> None:
    steps = program.get(f"/jobs/{recorded_job.id}/modules/command_line")["steps"]
    matched = next(step for step in steps if step["matched"])
    assert (matched["caption"], matched["result"]) == ("grub-menu 100 %", "ok")
    assert matched["matched"] == {"name": "grub-menu", "similarity": 100}
    assert matched["drawn"][0].keys() == {"x", "y", "width", "height", "matched", "similarity"}
    assert matched["drawn"][0]["matched"]


def test_files_that_steps_name_can_be_had(recorded_job: Watched, program: Program) -> None:
    steps = program.get(f"/jobs/{recorded_job.id}/modules/command_line")["steps"]
    for kind, media_type in (("screenshot", "image/png"), ("text", "text/plain")):
        *_, name = (step[kind] for step in steps if step[kind])
        answer = program.ask("GET", f"/jobs/{recorded_job.id}/results/{name}")
        assert (answer.status_code, answer.mimetype) == (200, media_type)
        assert answer.data.startswith(PNG) == (media_type == "image/png")


@pytest.mark.parametrize("module", ["menu_visible", "no_such_module", ".."])
def test_a_module_that_told_nothing_has_no_steps(
    recorded_job: Watched, program: Program, module: str
) -> None:
    assert program.get(f"/jobs/{recorded_job.id}/modules/{module}") == {"steps": []}


@pytest.mark.parametrize(
    "name", ["vars.json", "result-command_line.json", "%2e%2e", "x.png", ".thumbs", "%00.png"]
)
def test_no_other_file_is_a_result(recorded_job: Watched, program: Program, name: str) -> None:
    assert program.is_refused("GET", recorded_job, f"results/{name}") == (404, "text_not_found")


@pytest.mark.parametrize(
    "what", ["screen", "texts", "texts/log", "timeline", "modules/a", "results/a-1.png"]
)
def test_of_a_job_that_is_not_there_nothing_is_seen(program: Program, what: str) -> None:
    refused = program.ask("GET", f"/jobs/{UNKNOWN_JOB}/{what}")
    assert refused.json is not None
    assert (refused.status_code, refused.json["code"]) == (404, "job_not_found")
