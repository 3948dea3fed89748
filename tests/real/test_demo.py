"""The demo itself: what a newcomer meets is what its README says."""

import signal
import subprocess
import sys
from pathlib import Path

import websocket

from demo import processes
from tests.real.fixtures import StartJob
from tests.real.job import RealJob
from tests.waiting import LIMIT_S, until

DEMO = Path(__file__).parents[2] / "demo" / "job"


def resume(job: RealJob) -> None:
    connection = websocket.create_connection(f"ws://127.0.0.1:{job.port}/{job.token}/ws")
    connection.send('{"cmd": "resume_test_execution"}')
    connection.recv()
    connection.close()


WHOLE_TOUR = {
    "boot-menu_visible": "ok",
    "boot-choose_entry": "ok",
    "boot-optional_screen": "ok",
    "boot-missing_needle": "fail",
    "shell-command_line": "ok",
    "shell-small_steps": "ok",
    "shell-failing_command": "fail",
    "shell-broken_module": "fail",
    "shell-long_wait": "ok",
    "shell-power_off": "ok",
}

QUICK = {
    "CHECK_TIMEOUT": 1,
    "MISMATCH_TIMEOUT": 2,
    "STAIRS": 4,
    "LONG_WAIT": 2,
    "TYPING_LIMIT": 100,
}


def test_the_whole_demo_without_a_virtual_machine_has_the_results_that_its_readme_tells(
    null_job: StartJob,
) -> None:
    job = null_job(**QUICK)
    assert job.wait_for_end() == 0
    assert job.results() == WHOLE_TOUR


def test_the_same_needles_match_in_qemu(qemu_job: StartJob) -> None:
    job = qemu_job("boot/choose_entry", "shell/command_line", "shell/power_off")
    assert job.wait_for_end() == 0
    assert set(job.results().values()) == {"ok"}


def test_a_module_that_is_scheduled_alone_takes_care_of_its_own_start(null_job: StartJob) -> None:
    job = null_job("shell/command_line")
    job.wait_for_end()
    assert job.results() == {"shell-command_line": "ok"}


def test_jobs_run_side_by_side_on_ports_of_their_own(null_job: StartJob) -> None:
    jobs = [null_job(PAUSE_AT="boot-menu_visible") for _ in range(3)]
    assert all(job.is_running for job in jobs)
    assert len({job.port for job in jobs}) == 3
    assert len({job.token for job in jobs}) == 3


def test_the_pid_file_names_the_process_that_was_started(null_job: StartJob) -> None:
    job = null_job(PAUSE_AT="boot-menu_visible")
    pid_file = job.pool / "os-autoinst.pid"
    job.wait_for(pid_file.exists, "os-autoinst.pid")
    assert int(pid_file.read_text()) == job.pid


def test_stopping_a_job_ends_all_its_processes(qemu_job: StartJob) -> None:
    job = qemu_job(PAUSE_AT="boot-menu_visible")
    job.stop()
    assert job.remaining_processes() == []


def test_stopping_ends_what_a_killed_isotovideo_has_left(null_job: StartJob) -> None:
    job = null_job(PAUSE_AT="boot-menu_visible")
    job.wait_for_pause()
    job.kill9()
    assert job.remaining_processes() != []
    job.stop()
    assert job.remaining_processes() == []


def test_without_its_command_server_a_job_ends(null_job: StartJob) -> None:
    job = null_job(PAUSE_AT="boot-menu_visible")
    job.wait_for_pause()
    job.kill_command_server()
    job.wait_for_end()
    assert job.results()["shell-power_off"] == "none"


def test_a_needle_made_meanwhile_lets_the_missing_needle_be_found(null_job: StartJob) -> None:
    job = null_job("boot/missing_needle", PAUSE_ON_SCREEN_MISMATCH="assert_screen", **QUICK)
    job.wait_for_pause()
    job.make_needle("needle-to-be-made")
    resume(job)
    job.wait_for_end()
    assert job.results() == {"boot-missing_needle": "ok"}


def test_a_killed_demo_job_takes_its_job_along(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    demo = subprocess.Popen([sys.executable, DEMO, "--backend", "null", "--pool", pool])
    until((pool / "autoinst-status.json").exists, "the first module")
    session = int((pool / "os-autoinst.pid").read_text())
    demo.kill()
    demo.wait()
    until(lambda: not processes.members(session, pool), "the job to end")


def test_demo_job_loops_until_it_is_told_to_stop_and_leaves_nothing_running(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    demo = subprocess.Popen(
        [sys.executable, DEMO, "--backend", "null", "--loop", "--pool", pool],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until((pool / "autoinst-status.json").exists, "the first module")
        session = int((pool / "os-autoinst.pid").read_text())
    finally:
        demo.send_signal(signal.SIGTERM)
        output, _ = demo.communicate(timeout=LIMIT_S)
    assert demo.returncode == 0
    assert "canceled boot-menu_visible" in output
    assert processes.members(session, pool) == []


def test_demo_job_says_in_a_sentence_why_it_can_not_start(tmp_path: Path) -> None:
    (tmp_path / "somebody's file").touch()
    demo = subprocess.run(
        [sys.executable, DEMO, "--pool", tmp_path], capture_output=True, text=True, check=False
    )
    assert demo.returncode == 1
    assert demo.stderr.count("\n") == 1
    assert "no demo job's" in demo.stderr
