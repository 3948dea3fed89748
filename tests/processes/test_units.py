"""The units of deploy/, as far as they can be run where systemd does not."""

import re
import shlex
import subprocess
from pathlib import Path

from tests.databases import PostgresqlServer
from tests.processes.people import Person
from tests.processes.world import ROOT, Gunicorn, World, until

UNITS = ("devmode.service", "devmode.socket")
MOST_EXPOSURE = 2.0
"""Of 10, as systemd judges it."""


def unit(name: str) -> str:
    """What the unit says, for this checkout."""
    return (ROOT / "deploy" / name).read_text().replace("/opt/devmode", str(ROOT))


class SocketActivated(Gunicorn):
    """A gunicorn that is started as the service says, by whoever comes to the socket first."""

    def command(self) -> list[str]:
        found = re.search(r"^ExecStart=(.*)$", unit("devmode.service"), re.MULTILINE)
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
    files = [tmp_path / name for name in UNITS]
    for file in files:
        file.write_text(unit(file.name))
    verify = ["systemd-analyze", "verify", *map(str, files)]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judge = ["systemd-analyze", "security", "--offline=true", str(files[0])]
    judged = subprocess.run(judge, capture_output=True, text=True, check=False).stdout
    level = re.search(r"Overall exposure level for devmode.service: ([0-9.]+)", judged)
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
        assert world.gunicorns[0].stop() < 6
        world.check(job)
    finally:
        world.end()


def test_every_setting_of_the_example_is_one() -> None:
    names = re.findall(
        r"^#?(DEVMODE_[A-Z_]+)=", (ROOT / "deploy" / "environment.example").read_text(), re.M
    )
    readme = (ROOT / "README.md").read_text()
    assert names
    assert [name for name in names if f"`{name}`" not in readme] == []
