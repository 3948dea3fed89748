"""The units of deploy/: judged, served by what is handed to them, and run by systemd itself."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import PostgresqlServer
from tests.deployment.machine import Machine
from tests.migrations import UPGRADE
from tests.openqa.pages import Developer
from tests.processes.people import Person
from tests.processes.world import ROOT, START_CODE, Gunicorn, World
from tests.waiting import LIMIT_S, until

SERVICE, SOCKET = "devmode@.service", "devmode@.socket"
MOST_EXPOSURE = 2.0
"""Of 10, as systemd judges it."""
SECRET_KEY = "known to the hosts of devmode alone"
SETTINGS = {
    "DEVMODE_SECRET_KEY": SECRET_KEY,
    "DEVMODE_START_CODE": START_CODE,
    "DEVMODE_ALLOWED_HOSTS": "127.0.0.1",
    # There is no proxy that could speak TLS, and no openQA.
    "DEVMODE_HTTPS": "false",
    "DEVMODE_OPENQA_URL": "",
}
"""What an administrator changes in the example."""
POSTGRESQL = """
rm -r /etc/postgresql/* /var/lib/postgresql/*
version=$(ls /usr/lib/postgresql)
pg_createcluster $version main >/dev/null
systemctl start postgresql@$version-main
"""
"""As Debian has it, whatever has become of that of this machine."""
DATABASE = """
runuser -u postgres -- createuser _openqa-worker
runuser -u postgres -- createdb --owner _openqa-worker --encoding UTF8 --template template0 devmode
"""
START = """
chmod 0600 /etc/devmode/environment
cp /opt/devmode/deploy/devmode@.* /etc/systemd/system/
systemctl daemon-reload
for port in 8000 8001; do systemctl enable --now devmode@$port.socket devmode@$port.service; done
"""
MAKE_TOKEN = """
systemd-run --quiet --pipe --wait --uid=_openqa-worker --property=WorkingDirectory=/opt/devmode \
    --property=EnvironmentFile=/etc/devmode/environment \
    /opt/devmode/.venv/bin/devmode token create --name ci --role operator
"""
RESTART = "for port in 8000 8001; do systemctl restart devmode@$port.service; done"
POOL = "/var/lib/openqa/pool/1"
KEPT = "/var/lib/devmode/kept"
JOB = f"""
from pathlib import Path
from demo.jobs import Job
Job(Path("{POOL}"), "null", {{
    "SCHEDULE": "boot/menu_visible,boot/choose_entry,shell/long_wait",
    "PAUSE_AT": "boot-choose_entry",
    "LONG_WAIT": 300,
}}).wait()
"""


def unit(name: str) -> str:
    """What the unit says, for this checkout."""
    return (ROOT / "deploy" / name).read_text().replace("/opt/devmode", str(ROOT))


class SocketActivated(Gunicorn):
    """A gunicorn that is started as the service says, by whoever comes to the socket first."""

    def command(self) -> list[str]:
        found = re.search(r"^ExecStart=(.*)$", unit(SERVICE), re.MULTILINE)
        assert found
        handed_on = [part for name in self.environment for part in ("-E", name)]
        listen = ["systemd-socket-activate", "-l", f"127.0.0.1:{self.port}", *handed_on]
        return [*listen, *shlex.split(found[1])]


class SocketWorld(World):
    def new_gunicorn(self, number: int, environment: dict[str, str]) -> Gunicorn:
        return SocketActivated(self.folder, f"gunicorn-{number}", environment)

    def wait_until_complete(self) -> None:
        until(self._knocks, "the socket")
        super().wait_until_complete()

    def _knocks(self) -> bool:
        """The service begins when somebody comes."""
        connection = self.gunicorns[0].connect()
        try:
            connection.connect()
        except ConnectionRefusedError:
            return False
        connection.close()
        return True


def test_systemd_finds_nothing_wrong_with_the_units_and_little_that_is_exposed(
    tmp_path: Path,
) -> None:
    files = [tmp_path / name.replace("@", "@8000") for name in (SERVICE, SOCKET)]
    for file, name in zip(files, (SERVICE, SOCKET), strict=True):
        file.write_text(unit(name))
    verify = ["systemd-analyze", "verify", *map(str, files)]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judge = ["systemd-analyze", "security", "--offline=true", str(files[0])]
    judged = subprocess.run(judge, capture_output=True, text=True, check=False).stdout
    level = re.search(r"Overall exposure level for devmode@8000.service: ([0-9.]+)", judged)
    assert level, judged
    assert float(level[1]) <= MOST_EXPOSURE, judged


def test_the_service_serves_on_the_socket_that_it_is_handed(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    world = SocketWorld(tmp_path, postgresql.new_database(), 1)
    try:
        job = world.start_job()
        olivia = Person(world, "olivia")
        olivia.takes_control(job)
        assert olivia.sets_pause_at(job, job.unused_module()).status == 200
        world.gunicorns[0].stop()
        world.check(job)
    finally:
        world.end()


def test_those_who_start_at_the_same_time_make_the_tables_once(
    postgresql: PostgresqlServer,
) -> None:
    environment = os.environ | {
        "DEVMODE_DATABASE_URL": postgresql.new_database(),
        "DEVMODE_SECRET_KEY": SECRET_KEY,
    }
    upgrades = [
        subprocess.Popen(UPGRADE, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = [each.communicate()[1] for each in upgrades]
    assert [each.returncode for each in upgrades] == [0] * len(upgrades), told


def test_every_setting_of_the_example_is_one() -> None:
    names = re.findall(
        r"^#?(DEVMODE_[A-Z_]+)=", (ROOT / "deploy" / "environment.example").read_text(), re.M
    )
    readme = (ROOT / "README.md").read_text()
    assert names
    assert [name for name in names if f"`{name}`" not in readme] == []


class Service:
    """devmode as the steps of docs/deployment.md bring it up on a machine."""

    url = "http://127.0.0.1:8000"
    start_code = START_CODE

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.does(POSTGRESQL)
        machine.does(DATABASE)
        settings = (ROOT / "deploy/environment.example").read_text()
        for name, value in SETTINGS.items():
            settings, found = re.subn(rf"^{name}=.*$", f"{name}={value}", settings, flags=re.M)
            assert found == 1, name
        (machine.root / "etc/devmode").mkdir()
        (machine.root / "etc/devmode/environment").write_text(settings)
        machine.does(START)

    @property
    def main(self) -> str:
        return self.machine.does("systemctl show --property MainPID --value devmode@8000").strip()

    @property
    def journal(self) -> str:
        return self.machine.does("journalctl --unit devmode@* --output cat")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Machine(tmp_path) as machine:
        yield Service(machine)


def test_systemd_runs_what_steers_a_job_and_loses_nobody_when_it_is_replaced(
    service: Service,
) -> None:
    machine = service.machine
    run = ["sh", "-c", f"cd /opt/devmode && exec .venv/bin/python -c {shlex.quote(JOB)}"]
    isotovideo = subprocess.Popen([*machine.entering("_openqa-worker"), *run])
    olivia = Developer(service, "olivia")
    job = until(lambda: re.search(r"/jobs/[0-9]+", olivia.get("/")), "the job")[0]
    until(lambda: "Paused at module boot-choose_entry" in olivia.get(job), "the pause")
    olivia.post(f"{job}/session")
    olivia.post(f"{job}/settings", pause_at="shell-long_wait", was_pause_at="boot-choose_entry")
    revision = re.search(r'name="revision"\s+value="([^"]+)"', olivia.get(job))
    assert revision
    olivia.post(f"{job}/resume", revision=revision[1])
    until(lambda: "Paused at module shell-long_wait" in olivia.get(job), "the next pause")
    with olivia.opens(f"{service.url}{job}/screen.png") as picture:
        assert picture.read().startswith(b"\x89PNG")

    for replace in (f"kill -9 {service.main}", RESTART):
        machine.does(replace)
        until(lambda: controls(olivia, job), "her job to be hers again")

    token = machine.does(MAKE_TOKEN).strip()
    status = f"DEVMODE_TOKEN={token} /opt/devmode/.venv/bin/devmode status {job[6:]} --json"
    assert json.loads(machine.does(status))["session"]["developer"] == "olivia"

    olivia.post(f"{job}/session/release", then="cancel", reason="enough")
    assert isotovideo.wait(LIMIT_S) is not None
    until(lambda: "The job has ended" in olivia.get(job), "the end")
    until(lambda: list((machine.root / KEPT[1:]).rglob("*.png")), "its last picture to be kept")
    job_token = json.loads((machine.root / POOL[1:] / "vars.json").read_text())["JOBTOKEN"]
    for secret in (SECRET_KEY, START_CODE, token, job_token):
        assert secret not in service.journal
    machine.does("systemctl stop 'devmode@*'")
    assert "Traceback" not in service.journal


def controls(olivia: Developer, job: str) -> Any:
    """Whether her page says so, once there is somebody to ask."""
    try:
        return "You control this job" in olivia.get(job)
    except OSError:
        return False
