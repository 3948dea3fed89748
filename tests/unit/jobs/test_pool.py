import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devmode.jobs.modules import Module
from devmode.jobs.pool import Known, UnreadablePool, read_pool
from tests.children import idle_in

SETTINGS = {"JOBTOKEN": "abc", "NAME": "a job", "QEMUPORT": 20002, "VNC": "91"}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    directory = tmp_path / "pool"
    directory.mkdir()
    write(directory / "vars.json", SETTINGS)
    return directory


@pytest.fixture
def child(pool: Path) -> Iterator[subprocess.Popen[bytes]]:
    with idle_in(pool) as it:
        yield it
        it.kill()


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_pool_says_where_its_command_server_is(pool: Path) -> None:
    reading = read_pool(pool)
    assert reading
    assert (reading.name, reading.port, reading.vnc) == ("a job", 20003, 5991)
    assert reading.token.reveal() == "abc"
    assert "abc" not in repr(reading)
    assert (reading.process, reading.modules, reading.openqa_id) == (None, (), None)


def test_modules_come_in_order_with_their_results(pool: Path) -> None:
    order = [{"name": "a", "category": "x"}, {"name": "b", "category": "y"}]
    write(pool / "testresults/test_order.json", order)
    write(pool / "testresults/result-a.json", {"result": "ok"})
    write(pool / "autoinst-status.json", {"current_test": "b"})
    write(pool / "job.json", {"id": 7})
    reading = read_pool(pool)
    assert reading
    assert [(m.name, m.category, m.result) for m in reading.modules] == [
        ("a", "x", "ok"),
        ("b", "y", ""),
    ]
    assert (reading.current_module, reading.openqa_id) == ("y-b", 7)


@pytest.mark.parametrize(
    "text", [b"", b'{"JOBTOKEN": "ab', b"[]", b"5", b'{"\xff": 1}', b"[" * 9999]
)
def test_half_written_settings_are_no_job(pool: Path, text: bytes) -> None:
    (pool / "vars.json").write_bytes(text)
    assert read_pool(pool) is None


def test_no_directory_and_an_empty_one_are_no_job(tmp_path: Path) -> None:
    assert read_pool(tmp_path) is None
    assert read_pool(tmp_path / "nothing") is None


@pytest.mark.parametrize("token", ["a/b", "..", "", None, 5.5, "a b", "é", ["a"], "a" * 129, "a\n"])
def test_a_token_that_could_lead_a_url_astray_is_refused_and_not_shown(
    pool: Path, token: Any
) -> None:
    write(pool / "vars.json", SETTINGS | {"JOBTOKEN": token})
    with pytest.raises(UnreadablePool, match="job token"):
        read_pool(pool)


def test_a_directory_with_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / os.fsdecode(b"pool-\xff")
    directory.mkdir()
    write(directory / "vars.json", SETTINGS)
    with pytest.raises(UnreadablePool, match="UTF-8"):
        read_pool(directory)


@pytest.mark.parametrize(
    "value", [None, True, -1, 1.5, "x", "²", [1], {"a": 1}, 10**30, "9" * 9999, 65535]
)
def test_values_of_wrong_types_count_as_absent(pool: Path, value: Any) -> None:
    write(pool / "vars.json", SETTINGS | {"QEMUPORT": value, "VNC": value})
    reading = read_pool(pool)
    assert reading
    assert (reading.port, reading.vnc) == (15223, 5990)


@pytest.mark.parametrize("value", [None, 5, "x", [1, None, {"name": 5}], {"a": 1}, {"result": []}])
def test_any_file_may_hold_anything(pool: Path, value: Any) -> None:
    for name in ("autoinst-status.json", "job.json", "testresults/test_order.json"):
        write(pool / name, value)
    reading = read_pool(pool)
    assert reading
    assert reading.modules == ()


@pytest.mark.parametrize("name", ["../vars", "a/b", "a\0b", "", "é" * 199, "\N{BROKEN HEART}"])
def test_names_of_modules_lead_nowhere(pool: Path, name: str) -> None:
    write(pool / "vars.json", SETTINGS)
    write(pool / "testresults/test_order.json", [{"name": name, "category": ["odd"]}])
    reading = read_pool(pool)
    assert reading
    assert all(module.result == "" for module in reading.modules)


def test_links_are_not_followed(pool: Path, tmp_path: Path) -> None:
    write(tmp_path / "outside.json", {"id": 7})
    (pool / "job.json").symlink_to(tmp_path / "outside.json")
    write(tmp_path / "results/test_order.json", [{"name": "a"}])
    (pool / "testresults").symlink_to(tmp_path / "results")
    reading = read_pool(pool)
    assert reading
    assert (reading.openqa_id, reading.modules) == (None, ())
    (tmp_path / "link").symlink_to(pool)
    with pytest.raises(UnreadablePool, match="symbolic link"):
        read_pool(tmp_path / "link")


def test_pipes_and_huge_files_are_left_alone(pool: Path) -> None:
    os.mkfifo(pool / "job.json")
    os.mkfifo(pool / "os-autoinst.pid")
    with (pool / "autoinst-status.json").open("wb") as file:
        file.truncate(1 << 30)
    assert read_pool(pool)
    os.truncate(pool / "vars.json", 1 << 30)
    assert read_pool(pool) is None


def test_directories_instead_of_files_are_left_alone_and_closed(pool: Path) -> None:
    for name in ("job.json", "autoinst-status.json", "os-autoinst.pid"):
        (pool / name).mkdir()
    before = open_files()
    assert read_pool(pool)
    assert open_files() == before


def test_results_are_read_again_only_when_something_was_renamed_into_their_folder(
    pool: Path,
) -> None:
    results = pool / "testresults"
    write(results / "test_order.json", [{"name": "a", "category": "x"}])
    known = Known()

    def modules() -> tuple[Module, ...]:
        reading = read_pool(pool, known)
        assert reading
        return reading.modules

    def rename_into_place(value: Any, age_s: float) -> None:
        write(results / "result-a.json.new", value)
        (results / "result-a.json.new").rename(results / "result-a.json")
        changed_at = time.time() - age_s
        os.utime(results, (changed_at, changed_at))

    rename_into_place({"result": "none"}, age_s=90)
    settled = modules()
    assert modules() is settled
    rename_into_place({"result": "ok"}, age_s=60)
    assert [module.result for module in modules()] == ["ok"]


def test_a_module_that_has_recorded_much_has_its_result(pool: Path) -> None:
    write(pool / "testresults/test_order.json", [{"name": "a", "category": "x"}])
    details = [{"result": "fail", "screenshot": "a-1.png", "needles": ["x" * (3 << 20)]}]
    write(pool / "testresults/result-a.json", {"result": "fail", "details": details})
    reading = read_pool(pool)
    assert reading
    assert [module.result for module in reading.modules] == ["fail"]


def test_what_a_module_has_told_is_the_same_object_until_it_tells_more(pool: Path) -> None:
    order = [{"name": name, "category": "x"} for name in ("a", "b", "c")]
    write(pool / "testresults/test_order.json", order)
    write(pool / "testresults/result-a.json", {"result": "ok"})
    known = Known()
    first = read_pool(pool, known)
    write(pool / "testresults/result-b.json", {"result": "ok"})
    then = read_pool(pool, known)
    assert first
    assert then
    same = [now is before for now, before in zip(then.modules, first.modules, strict=True)]
    assert same == [True, False, True]


def test_results_that_changed_just_now_are_read_again_as_they_may_change_in_the_same_tick(
    pool: Path,
) -> None:
    write(pool / "testresults/test_order.json", [{"name": "a", "category": "x"}])
    known = Known()
    assert read_pool(pool, known)
    assert known.modules_version is None


def test_settings_are_read_again_as_soon_as_they_may_be_others(pool: Path) -> None:
    known = Known()

    def name_once_written(name: str, age_s: float) -> str | None:
        write(pool / "vars.json", {"JOBTOKEN": "Tok3n", "NAME": name})
        written_at = time.time() - age_s
        os.utime(pool / "vars.json", (written_at, written_at))
        reading = read_pool(pool, known)
        return reading.name if reading else None

    assert name_once_written("first", age_s=90) == "first"
    assert name_once_written("third", age_s=60) == "third"
    assert name_once_written("fifth", age_s=0) == "fifth"
    assert name_once_written("sixth", age_s=0) == "sixth"
    (pool / "vars.json").unlink()
    assert read_pool(pool, known) is None


def test_settings_that_could_not_be_read_are_read_once_they_can_be(pool: Path) -> None:
    known = Known()
    file = pool / "vars.json"
    file.rename(pool / "kept")
    file.symlink_to("kept")
    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago), follow_symlinks=False)
    assert read_pool(pool, known) is None
    (pool / "kept").rename(file)
    assert read_pool(pool, known)


def test_settings_that_are_the_same_are_not_read_again(pool: Path) -> None:
    known = Known()
    settled_at = time.time() - 60
    os.utime(pool / "vars.json", (settled_at, settled_at))
    assert read_pool(pool, known)
    settings = known.settings
    assert read_pool(pool, known)
    assert known.settings is settings


@pytest.mark.parametrize(
    "pid", ["1", "0", "-1", "", "x", "²", "9" * 15, "9" * 999, str(os.getpid())]
)
def test_the_pid_of_a_process_that_works_elsewhere_is_not_believed(pool: Path, pid: str) -> None:
    (pool / "os-autoinst.pid").write_text(pid)
    reading = read_pool(pool)
    assert reading
    assert reading.process is None


def test_a_process_that_works_in_the_pool_is_running(
    pool: Path, child: subprocess.Popen[bytes]
) -> None:
    (pool / "os-autoinst.pid").write_text(f"{child.pid}\n")
    reading = read_pool(pool)
    assert reading
    assert reading.process
    assert reading.process.pid == child.pid


def test_a_process_may_have_any_name(pool: Path) -> None:
    rename = (
        "import os; open('/proc/self/comm', 'wb').write(b'\\xff) Z (('); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", rename], cwd=pool, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        (pool / "os-autoinst.pid").write_text(str(process.pid))
        reading = read_pool(pool)
        process.kill()
    assert reading
    assert reading.process


@pytest.mark.parametrize(
    ("settings", "job", "limit_s"),
    [
        ({}, {}, None),
        ({"MAX_JOB_TIME": 600}, {}, 600),
        ({"MAX_JOB_TIME": "600"}, {"id": 7}, 600),
        ({}, {"id": 7}, 7200),
        ({}, {"id": 7, "settings": {"MAX_JOB_TIME": "900"}}, 900),
        ({"MAX_JOB_TIME": "soon"}, {"id": 7, "settings": "none"}, 7200),
        ({"MAX_JOB_TIME": -1}, {}, None),
    ],
)
def test_a_job_of_a_worker_or_with_a_limit_of_its_own_is_limited(
    pool: Path, settings: dict[str, Any], job: dict[str, Any], limit_s: int | None
) -> None:
    write(pool / "vars.json", SETTINGS | settings)
    write(pool / "job.json", job)
    reading = read_pool(pool)
    assert reading
    assert reading.time_limit_s == limit_s


@pytest.mark.parametrize(
    ("value", "no_video"), [(1, True), ("1", True), ("0", False), (None, False)]
)
def test_a_job_may_write_no_video(pool: Path, value: Any, no_video: bool) -> None:
    write(pool / "vars.json", SETTINGS | {"NOVIDEO": value})
    reading = read_pool(pool)
    assert reading
    assert reading.no_video is no_video


def test_a_machine_is_gone_once_its_qemu_has_ended(
    pool: Path, child: subprocess.Popen[bytes]
) -> None:
    def is_gone() -> bool:
        reading = read_pool(pool)
        assert reading
        return reading.machine_gone

    assert not is_gone()
    (pool / "qemu.pid").write_text(f"{child.pid}\n")
    assert not is_gone()
    child.kill()
    child.wait()
    assert is_gone()


@pytest.mark.parametrize(
    ("state", "age_s", "failure"),
    [
        (
            {"component": "backend", "msg": "QEMU exited\n unexpectedly\0"},
            0,
            "QEMU exited unexpectedly",
        ),
        ({"component": "backend", "msg": "of an earlier run"}, 60, None),
        ({"msg": "m" * 999}, 0, "m" * 200),
        ({"msg": " "}, 0, None),
        ({"msg": 1}, 0, None),
        ([], 0, None),
    ],
)
def test_why_isotovideo_gave_up_is_told_when_it_has(
    pool: Path, child: subprocess.Popen[bytes], state: Any, age_s: int, failure: str | None
) -> None:
    write(pool / "os-autoinst.pid", child.pid)
    write(pool / "base_state.json", state)
    told_at = (pool / "os-autoinst.pid").stat().st_mtime - age_s
    os.utime(pool / "base_state.json", (told_at, told_at))
    assert failure_in(pool) is None
    child.kill()
    child.wait()
    assert failure_in(pool) == failure


def failure_in(pool: Path) -> str | None:
    reading = read_pool(pool)
    assert reading
    return reading.failure
