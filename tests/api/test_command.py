"""The `devmode` command, as scripts run it: what it prints, and its exit codes."""

import contextlib
import json
import os
import pty
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import subprocess
from gevent.os import tp_read

from devmode.cli import exits
from devmode.web import admission
from tests.api.fixtures import NewProgram, Program
from tests.null.fixtures import StartWatched, Watched
from tests.ports import free_port
from tests.waiting import LIMIT_S, until

DEVMODE = Path(sys.executable).with_name("devmode")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


class Terminal:
    """Runs commands of somebody with a token, without a terminal to colour."""

    def __init__(self, url: str, token: str, home: Path) -> None:
        self.url = url
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        access = {"DEVMODE_URL": url, "DEVMODE_TOKEN": token, "HOME": str(home)}
        # The command of this checkout, wherever that of the environment comes from.
        self.environment = kept | access | {"PYTHONPATH": str(ROOT)}

    def start(self, *arguments: str | float | Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            # What a shell starts in the background ignores Ctrl-C, and all that it starts.
            ["env", "--default-signal=INT", DEVMODE, *map(str, arguments)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str | float | Path) -> Result:
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=LIMIT_S)
            finally:
                process.kill()
            return Result(process.returncode, out.decode(), err.decode())

    def shows(self, *arguments: str | float | Path) -> tuple[int, str]:
        """Runs a command on a terminal; returns the exit code and all that stands there."""
        theirs, ours = pty.openpty()
        with subprocess.Popen(
            [DEVMODE, *map(str, arguments)],
            env=self.environment | {"TERM": "xterm"},
            stdout=ours,
            stderr=ours,
        ) as process:
            os.close(ours)
            shown = b""
            with contextlib.suppress(OSError):  # by which a terminal says that nobody writes to it
                while piece := tp_read(theirs, 10_000):
                    shown += piece
            os.close(theirs)
            return process.wait(LIMIT_S), shown.decode()

    def does(self, *arguments: str | float | Path) -> str:
        """Runs what works, and returns what it printed."""
        result = self.run(*arguments)
        assert (result.code, result.err) == (0, ""), result
        return result.out.strip()

    def fails(self, *arguments: str | float | Path) -> tuple[int, str]:
        """Runs what doesn't work, and returns the exit code and the sentence."""
        result = self.run(*arguments)
        assert result.out == "", result
        assert "Traceback" not in result.err
        return result.code, result.err.strip().splitlines()[-1]


@pytest.fixture
def terminal_of(server_url: str, tmp_path: Path) -> Callable[[Program], Terminal]:
    return lambda program: Terminal(server_url, program.token, tmp_path)


@pytest.fixture
def terminal(terminal_of: Callable[[Program], Terminal], program: Program) -> Terminal:
    return terminal_of(program)


def test_a_job_is_steered_from_control_to_release(null: StartWatched, terminal: Terminal) -> None:
    job = null("boot/menu_visible", "shell/command_line", PAUSE_AT="boot-menu_visible")
    assert terminal.does("control", job.name) == "You control this job."
    assert terminal.does("wait", job.id, "--until", "paused").startswith("Paused at module boot-")
    # The category may be left out where one module alone goes by the name.
    changed = terminal.does("set", job.id, "--pause-at", "command_line", "--pause-on-failure")
    assert changed == "Saved."
    status = terminal.does("status", job.id)
    assert "controlled by: robot" in status
    assert "pause at: shell-command_line" in status
    assert "pause on failure: on" in status
    assert terminal.does("resume", job.id) == "The test goes on."
    until_there = ("wait", job.id, "--until", "module=command_line", "--timeout", LIMIT_S)
    assert "command_line" in terminal.does(*until_there)
    assert terminal.does("wait", job.id, "--until", "paused", "--timeout", LIMIT_S)
    steps = terminal.does("step", job.id, "-n", 3).splitlines()
    assert len(steps) == 3
    assert all("tep" in step for step in steps)
    assert terminal.fails("wait", job.id, "--until", "module=menu_visible")[0] == exits.JOB_ENDED
    assert terminal.does("set", job.id, "--no-pause-at", "--no-pause-on-failure") == "Saved."
    assert terminal.does("release", job.id) == "You let go, the test continues."
    told = terminal.does("wait", job.id, "--until", "ended", "--timeout", LIMIT_S)
    assert told == "Ended: passed"
    assert terminal.fails("wait", job.id, "--until", "paused") == (
        exits.JOB_ENDED,
        "Error: The job has ended: passed",
    )
    assert terminal.fails("control", job.id)[0] == exits.JOB_ENDED


def test_the_doctor_says_how_each_step_went_and_ends_accordingly(
    null: StartWatched, terminal: Terminal
) -> None:
    job = null("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    healthy = terminal.does("doctor", job.id).splitlines()
    assert len(healthy) == 8
    assert all(line.startswith("ok") for line in healthy)
    assert job.real.token not in "".join(healthy)
    job.real.terminate()
    job.wait_for_end()
    result = terminal.run("doctor", job.id)
    assert result.code == exits.COMMAND_SERVER
    assert "FAIL Pool directory: The job has ended." in result.out


def test_a_job_is_found_by_number_and_by_name_and_else_not(
    shared_job: Watched, terminal: Terminal
) -> None:
    for name in (shared_job.id, shared_job.name):
        assert shared_job.name in terminal.does("status", name)
    for name in ("999999", "no such job", "9" * 30, "²", "openqa:1", "../../jobs"):
        assert terminal.fails("status", name)[0] == exits.JOB_NOT_FOUND


def test_the_list_and_a_job_are_json_where_that_is_asked_for(
    shared_job: Watched, terminal: Terminal, program: Program
) -> None:
    told = program.get(f"/jobs/{shared_job.id}")
    assert json.loads(terminal.does("status", shared_job.id, "--json")) == told
    assert told in json.loads(terminal.does("jobs", "--json"))["jobs"]
    line = next(line for line in terminal.does("jobs").splitlines() if shared_job.name in line)
    assert line.split()[:2] == [str(shared_job.id), "0/1"]
    assert "\x1b" not in line, "there is no terminal to colour"


def test_refusals_have_exit_codes_of_their_own(
    controlled_job: Watched,
    terminal: Terminal,
    terminal_of: Callable[[Program], Terminal],
    other_program: Program,
    new_program: NewProgram,
) -> None:
    number = controlled_job.id
    other, viewer = terminal_of(other_program), terminal_of(new_program("eyes", "viewer"))
    assert terminal.fails("set", number, "--pause-at", "nowhere-at-all")[0] == exits.FAILED
    assert terminal.fails("skip-timeout", number)[0] == exits.STATE_CHANGED
    assert terminal.fails("set", number)[0] == 2
    assert other.fails("control", number)[0] == exits.STATE_CHANGED
    assert other.fails("resume", number)[0] == exits.NOT_PERMITTED
    assert viewer.fails("control", number)[0] == exits.NOT_PERMITTED
    assert terminal.fails("wait", number, "--until", "ended", "--timeout", 0.3) == (
        exits.TIMED_OUT,
        "Error: The time is up.",
    )
    assert terminal.fails("wait", number, "--until", "module=nowhere-at-all") == (
        exits.FAILED,
        f"Error: This job has no test module “nowhere-at-all”. See: devmode status {number}",
    )
    assert terminal.fails("wait", number, "--until", "whenever")[0] == 2
    wrong = Terminal(terminal.environment["DEVMODE_URL"], "devmode_wrong", Path("/nonexistent"))
    assert wrong.fails("jobs")[0] == exits.NOT_PERMITTED
    nobody = Terminal("http://127.0.0.1:1", "devmode_x", Path("/nonexistent"))
    assert nobody.fails("jobs")[0] == exits.UNREACHABLE


def test_control_is_asked_for_and_handed_over(
    controlled_job: Watched,
    terminal: Terminal,
    terminal_of: Callable[[Program], Terminal],
    other_program: Program,
) -> None:
    other = terminal_of(other_program)
    assert other.does("ask", controlled_job.id) == "robot sees that you ask for control."
    assert "asks for control" in terminal.does("status", controlled_job.id)
    assert other.does("withdraw", controlled_job.id).endswith("ask for control any more.")
    other.does("ask", controlled_job.id)
    declined = terminal.does("decline", controlled_job.id, "other robot")
    assert declined == "other robot is told that you keep control."
    other.does("ask", controlled_job.id)
    given = terminal.does("hand-over", controlled_job.id, "other robot")
    assert given == "other robot controls the job now."
    assert other.does("release", controlled_job.id, "--stay").endswith("stays as it is.")


def lines_of(process: "subprocess.Popen[bytes]") -> list[bytes]:
    """Reads along in the background."""
    lines: list[bytes] = []

    def read() -> None:
        for line in process.stdout or ():
            lines.append(line)  # noqa: PERF402 - at once, not in the end

    gevent.spawn(read)
    return lines


def test_watching_prints_a_line_for_each_change_until_the_job_ends(
    null: StartWatched, terminal: Terminal
) -> None:
    job = null("boot/menu_visible", PAUSE_AT="boot-menu_visible")
    terminal.does("wait", job.id, "--until", "paused")
    with terminal.start("watch", job.id) as plain, terminal.start("watch", job.id, "--json") as raw:
        lines, snapshots = lines_of(plain), lines_of(raw)
        until(lambda: lines and snapshots, "the first lines")
        terminal.does("control", job.id)
        terminal.does("release", job.id)
        assert plain.wait(LIMIT_S) == raw.wait(LIMIT_S) == 0
    shown = [line.decode().strip().split(" ", 1)[1] for line in lines]
    assert shown[0].startswith("Paused at module boot-menu_visible")
    assert shown[-1].startswith("Ended")
    assert all(line != next_ for line, next_ in pairwise(shown)), "a line says something new"
    told: list[Any] = [json.loads(line) for line in snapshots]
    assert told[0]["execution"]["paused"]
    assert told[-1]["state"] == "ended"
    assert any(job["session"] for job in told)


def test_a_command_comes_back_by_itself_after_a_stop_of_the_server(
    shared_job: Watched, terminal: Terminal
) -> None:
    with terminal.start("wait", shared_job.id, "--until", "ended", "--timeout", LIMIT_S) as waiting:
        until(lambda: admission.served(), "the stream")
        admission.drain()
        until(lambda: not admission.served(), "the end of the stream")
        admission.draining.clear()
        until(lambda: admission.served(), "its coming back")
        waiting.terminate()


def test_colours_are_for_terminals_and_somebody_elses_escapes_are_not(
    shared_job: Watched, terminal: Terminal
) -> None:
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        terminal.environment |= environment
        code, shown = terminal.shows("status", shared_job.id)
        assert (code, "\x1b[33m" in shown) == (0, coloured)


def test_a_picture_goes_to_files_and_pipes_and_not_to_terminals(
    recorded_job: Watched, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "now.png"
    assert terminal.does("screen", recorded_job.id, file) == ""
    assert file.read_bytes().startswith(b"\x89PNG")
    code, shown = terminal.shows("screen", recorded_job.id)
    assert code == 2
    assert "A terminal shows no pictures" in shown


def test_a_log_is_whole_in_a_pipe_and_commands_no_terminal(
    recorded_job: Watched, terminal: Terminal
) -> None:
    whole = terminal.run("log", recorded_job.id).out
    assert len(whole.encode()) == (recorded_job.real.pool / "autoinst-log.txt").stat().st_size
    assert "\x1b" in whole
    code, shown = terminal.shows("log", recorded_job.id)
    assert code == 0
    assert "\x1b" not in shown
    assert "||| starting command_line" in shown
    assert "grub> " in terminal.does("log", recorded_job.id, "--serial")
    assert terminal.fails("log", recorded_job.id, "--text", "vars.json")[0] == exits.FAILED


def test_the_timeline_is_told_as_the_api_tells_it(
    controlled_job: Watched, terminal: Terminal, program: Program
) -> None:
    told = program.get(f"/jobs/{controlled_job.id}/timeline?only=people")["events"]
    lines = terminal.does("timeline", controlled_job.id, "--only", "people", "--json")
    assert [json.loads(line) for line in lines.splitlines()] == told
    assert "robot: Took control" in terminal.does("timeline", controlled_job.id)


def test_the_files_of_steps_are_fetched_by_the_names_that_stand_there(
    recorded_job: Watched, terminal: Terminal, tmp_path: Path
) -> None:
    steps = terminal.does("steps", recorded_job.id, "command_line").splitlines()
    files = [step.split()[-1] for step in steps]
    picture = next(file for file in files if file.endswith(".png"))
    text = next(file for file in files if file.endswith(".txt"))
    file = tmp_path / "step.png"
    assert terminal.does("result", recorded_job.id, picture, file) == ""
    assert file.read_bytes().startswith(b"\x89PNG")
    assert terminal.does("result", recorded_job.id, text)
    assert terminal.fails("result", recorded_job.id, "vars.json")[0] == exits.FAILED


def test_what_is_running_is_completed(shared_job: Watched, terminal: Terminal) -> None:
    assert "_devmode_completion" in terminal.does("completion", "bash")
    terminal.environment |= {
        "_DEVMODE_COMPLETE": "bash_complete",
        "COMP_WORDS": "devmode status job-",
        "COMP_CWORD": "2",
    }
    assert f"plain,{shared_job.name}" in terminal.run().out.splitlines()


def test_a_module_of_the_job_is_completed(shared_job: Watched, terminal: Terminal) -> None:
    module = shared_job.view.job.modules[0].full_name
    terminal.environment |= {
        "_DEVMODE_COMPLETE": "zsh_complete",
        "COMP_WORDS": f"devmode wait {shared_job.id} --until mod",
        "COMP_CWORD": "4",
    }
    assert f"module={module}" in terminal.run().out.splitlines()


def test_ctrl_c_ends_what_goes_on_with_130(shared_job: Watched, terminal: Terminal) -> None:
    with terminal.start("watch", shared_job.id) as watching:
        lines = lines_of(watching)
        until(lambda: lines, "the first line")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(LIMIT_S) == exits.INTERRUPTED
        assert watching.stderr is not None
        assert watching.stderr.read() == b"\n"


@pytest.fixture
def local(tmp_path: Path) -> Terminal:
    """A terminal on a machine where nothing runs yet."""
    bind = f"127.0.0.1:{free_port()}"
    terminal = Terminal(f"http://{bind}", "", tmp_path)
    terminal.environment |= {
        "DEVMODE_BIND": bind,
        "DEVMODE_DATABASE_URL": f"sqlite:///{tmp_path / 'devmode.sqlite'}",
        "DEVMODE_POOL_DIRECTORIES": str(tmp_path / "pool"),
        "DEVMODE_SECRET_KEY": "only for tests",
    }
    return terminal


def test_a_simulated_job_is_served_and_steered_with_nothing_but_the_command(
    local: Terminal, tmp_path: Path
) -> None:
    assert local.fails("jobs")[1].startswith(f"Error: There is no token for {local.url}")
    made = local.does("token", "create", "--name", "olivia", "--role", "operator")
    local.environment["DEVMODE_TOKEN"] = made
    serve = local.start("serve")
    simulate = local.start("simulate", "--pool", tmp_path / "pool")
    try:
        assert serve.stdout is not None
        assert f"Sign in at {local.url}/sign-in#code=" in serve.stdout.readline().decode()
        until(lambda: "simulated-job" in local.run("jobs").out, "the job to be listed")
        assert local.does("control", "simulated-job") == "You control this job."
        assert local.does("release", "simulated-job", "--stay").endswith("stays as it is.")
    finally:
        for process in (serve, simulate):
            process.terminate()
    assert serve.wait(LIMIT_S) == simulate.wait(LIMIT_S) == 0


def test_a_needle_is_made_of_the_mismatch(null: StartWatched, terminal: Terminal) -> None:
    mismatch = {"PAUSE_ON_SCREEN_MISMATCH": "assert_screen", "MISMATCH_TIMEOUT": 1}
    job = null("boot/missing_needle", PAUSE_AT="boot-missing_needle", **mismatch)
    terminal.does("control", job.id)
    making = ("needle", job.id, "in-a-terminal", "--tag", "needle-to-be-made", "--area")
    for nonsense in ("1,2,3", "1,2,3,x", "1,2,3,4,match,96,7"):
        code, told = terminal.fails(*making, nonsense)
        assert code == 2
        assert told.endswith(f"{nonsense} is not X,Y,WIDTH,HEIGHT[,TYPE[,MATCH]].")
    job.wait_for_pause()
    assert terminal.fails(*making, "40,8,640,60")[0] == exits.STATE_CHANGED
    terminal.does("resume", job.id)
    job.wait_for(lambda view: view.mismatch, "the mismatch")
    areas = ("40,8,640,60,match,90", "--area", "60,10,9,9,exclude")
    assert terminal.does(*making, *areas).startswith("Needle in-a-terminal saved. Resume:")
    saved = json.loads((job.real.pool / "needles" / "in-a-terminal.json").read_text())
    assert [area["type"] for area in saved["area"]] == ["match", "exclude"]
    assert saved["area"][0]["match"] == 90
