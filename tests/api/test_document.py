"""The OpenAPI document, put to the test by schemathesis: what it says is what happens."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import subprocess
from gevent.pywsgi import WSGIServer

from tests.api.fixtures import Program
from tests.apps import app_in
from tests.null.fixtures import Watched


def schemathesis(folder: Path, url: str, program: Program, *options: str) -> None:
    """Lets schemathesis ask sense and nonsense, in a process of its own, and check the answers."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/v1/openapi.json"),
        *("--header", f"Authorization:Bearer {program.token}", "--checks", "all"),
        *("--seed", "1", "--generation-database", "none", "--no-color", "--no-shrink"),
        # A stream has no end to wait for: tests/api/test_events.py reads it.
        *without("events"),
        *options,
    ]
    run = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert run.returncode == 0, run.stdout.decode()


def without(*names: str) -> list[str]:
    return [option for name in names for option in ("--exclude-operation-id", name)]


@pytest.fixture
def jobless(tmp_path: Path) -> Iterator[tuple[str, Program]]:
    """A devmode without jobs, so that whatever number is made up no job comes to harm."""
    plenty = 10**9
    app = app_in(tmp_path, api_requests_per_minute=plenty, sign_in_attempts_per_minute=plenty)
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    yield f"http://127.0.0.1:{server.server_port}", Program(app, "robot")
    server.stop(timeout=1)


def test_whatever_is_asked_is_answered_as_documented(
    tmp_path: Path, jobless: tuple[str, Program]
) -> None:
    # What else takes and gives the same as “step” or “text” is no news, one by one.
    alike = without("pause", "skip_timeout", "give_up", "result")
    schemathesis(tmp_path, *jobless, "--phases", "coverage", *alike)


def test_whatever_is_asked_of_a_job_that_one_controls_is_answered_as_documented(
    tmp_path: Path, server_url: str, program: Program, controlled_job: Watched
) -> None:
    fixed = f'[parameters]\n"path.job_id" = {controlled_job.id}\n'
    (tmp_path / "schemathesis.toml").write_text(fixed)
    # The job is to live through it.
    kept = without("release", "resume", "give_up", "step")
    examples = ("--phases", "fuzzing", "--max-examples", "10")
    # Whether the job has a module of some name no schema can tell.
    unknowable = ("--exclude-checks", "positive_data_acceptance")
    schemathesis(tmp_path, server_url, program, *examples, *unknowable, *kept)
    assert controlled_job.real.is_running
