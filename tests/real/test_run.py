"""What script/run promises: one command, and devmode is there with a job to try it on."""

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo import processes
from devmode.jobs.pool import read_pool
from tests.ports import free_port
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]

Run = Callable[..., "Running"]


class Running:
    """One script/run, and what it has printed so far."""

    def __init__(self, folder: Path, address: str, *options: str) -> None:
        self.address = address
        self._output = folder / "output"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("DEVMODE_")
        }
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [ROOT / "script" / "run", *options],
                env=environment
                | {
                    "DEVMODE_BIND": address,
                    "DEVMODE_DATABASE_URL": f"sqlite:///{folder / 'devmode.sqlite'}",
                },
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        assert processes.wait_until(condition, LIMIT_S), f"{what} did not happen:\n{self.output}"

    def wait_for_end(self) -> int:
        self.wait_for(lambda: self.process.poll() is not None, "the end")
        return self.process.returncode

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.wait_for_end()


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def run(tmp_path: Path, address: str) -> Iterator[Run]:
    started = []

    def start(*options: str) -> Running:
        started.append(Running(tmp_path, address, *options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


def jobs_page(running: Running) -> str:
    """Signs in at the printed address with the printed code and returns the list of jobs."""
    printed = re.search(r"(http://\S+)#code=(\S+)", running.output)
    assert printed, running.output
    address, code = printed.groups()
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(cookies)
    with browser.open(address) as page:
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.read().decode())
    assert token
    form = {"name": "olivia", "role": "operator", "code": code, "csrf_token": token[1]}
    with browser.open(address, urllib.parse.urlencode(form).encode()) as page:
        text: str = page.read().decode()
    return text


def runs(pool: Path) -> bool:
    reading = read_pool(pool)
    return reading is not None and reading.process is not None


@pytest.mark.parametrize(("options", "folder"), [((), "pool"), (("--simulate",), "simulated")])
def test_one_command_brings_up_devmode_with_a_job_and_ends_both(
    run: Run, address: str, options: tuple[str, ...], folder: str
) -> None:
    running, pool = run(*options), ROOT / "instance" / "demo" / folder
    running.wait_for(lambda: "#code=" in running.output, "the address")
    running.wait_for(lambda: runs(pool), "the job")
    name = json.loads((pool / "vars.json").read_text())["NAME"]
    running.wait_for(lambda: name in jobs_page(running), "the job on the page")
    running.stop()
    assert running.process.returncode == 0
    assert not runs(pool)
    host, _, port = address.partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_a_taken_port_is_told_in_a_sentence(run: Run, address: str) -> None:
    host, _, port = address.partition(":")
    with socket.create_server((host, int(port))):
        running = run("--no-demo")
        assert running.wait_for_end() == 1
    assert f"devmode can't serve on {address}" in running.output
    assert "DEVMODE_BIND=" in running.output


def test_an_unknown_option_is_told_what_there_is(run: Run) -> None:
    running = run("--whatever")
    assert running.wait_for_end() == 1
    assert "usage: script/run" in running.output
