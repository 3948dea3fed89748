"""Hosts: each a network namespace with a gunicorn and pool directories that no other one sees.

They reach each other by a bridge. The database is reached by its socket in the file system, so
that it is there whatever happens to the network, or by the bridge as well.
"""

import http.client
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import gevent
from gevent.server import StreamServer
from gevent.socket import AF_UNIX, socket
from sqlalchemy import make_url

from tests.processes.world import Gunicorn, SimulatedJob, World
from tests.waiting import until

_RUN = os.getpid()
BRIDGE = f"devmode{_RUN % 100_000}"
"""Others may run these tests on the same machine."""
NETWORK = f"198.18.{_RUN % 250}"
"""Of the addresses that are set aside for tests of networks (RFC 2544)."""
DATABASE = f"{NETWORK}.2"
PORT, INTERNAL_PORT, DATABASE_PORT = 8000, 8100, 8200
EVERYWHERE = "0.0.0.0"
"""Where a command server listens, as that of os-autoinst does."""


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


class Host:
    """A network namespace on the bridge."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address = f"{NETWORK}.{number + 10}"
        self.namespace = f"{BRIDGE}-{name}"
        self._port = f"{BRIDGE}p{number}"
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            ip("netns", "add", self.namespace)
            undo.callback(ip, "netns", "delete", self.namespace)
            ip("link", "add", self._port, "type", "veth", "peer", "eth0", "netns", self.namespace)
            # With its namespace it would go some time later, and its name be taken until then.
            undo.callback(ip, "link", "delete", self._port)
            ip("link", "set", self._port, "master", BRIDGE, "up")
            ip("-n", self.namespace, "link", "set", "lo", "up")
            ip("-n", self.namespace, "link", "set", "eth0", "up")
            ip("-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "eth0")
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._undo.close()

    def unplug(self) -> None:
        """Cut the host off: what is sent to it or by it is lost without a word."""
        ip("link", "set", self._port, "down")

    def plug_in(self) -> None:
        ip("link", "set", self._port, "up")

    def lose(self, address: str) -> None:
        """Cut the host off from one address."""
        ip("-n", self.namespace, "route", "add", "blackhole", address)

    def find(self, address: str) -> None:
        ip("-n", self.namespace, "route", "delete", "blackhole", address)

    def program(self, *command: str, hidden: Path) -> list[str]:
        """Return the command that runs in this host, which does not see the folder `hidden`."""
        script = f'mount -t tmpfs none {hidden} && exec "$@"'
        return ["ip", "netns", "exec", self.namespace, "sh", "-c", script, "sh", *command]


class HostsGunicorn(Gunicorn):
    """A gunicorn in a host of its own."""

    def __init__(self, host: Host, folder: Path, environment: dict[str, str], hidden: Path) -> None:
        super().__init__(folder, f"gunicorn-{host.name}", environment)
        self.host = host
        self.port = PORT
        self._hidden = hidden
        self.environment |= {
            "DEVMODE_HOST": host.name,
            "DEVMODE_BIND": f"{host.address}:{PORT}",
            "DEVMODE_INTERNAL_ADDRESS": f"{host.address}:{INTERNAL_PORT}",
            "DEVMODE_POOL_DIRECTORIES": str(folder / f"pools-{host.name}" / "*"),
            "DEVMODE_NEEDLE_DIRECTORIES": str(folder / f"pools-{host.name}" / "*" / "needles"),
            "DEVMODE_KEPT_DIRECTORY": str(folder / f"kept-{host.name}"),
        }

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host.address, PORT, timeout=60)

    def connect_internally(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host.address, INTERNAL_PORT, timeout=60)

    def command(self) -> list[str]:
        return self.host.program(*super().command(), hidden=self._hidden)


class HostsJob(SimulatedJob):
    """A simulated job in a host, with files that a test writes."""

    def __init__(self, host: Host, folder: Path, name: str, hidden: Path) -> None:
        self._host = host
        self._hidden = hidden
        super().__init__(folder, name)

    def folder_of_pools(self, folder: Path) -> Path:
        return folder / f"pools-{self._host.name}"

    def command(self, *arguments: str) -> list[str]:
        return self._host.program(*super().command(*arguments, EVERYWHERE), hidden=self._hidden)

    def log(self, text: str) -> None:
        """Have isotovideo log something."""
        with (self.pool / "autoinst-log.txt").open("a") as file:
            file.write(text)

    def has_needles_in(self, folder: str) -> None:
        """Have isotovideo load its needles from a folder."""
        variables = self.pool / "vars.json"
        facts = json.loads(variables.read_text()) | {"NEEDLES_DIR": folder}
        draft = self.pool / "vars.draft"
        draft.write_text(json.dumps(facts))
        draft.rename(variables)

    def show(self, picture: Path, number: int) -> None:
        """Have isotovideo write a picture, as it does while somebody looks."""
        folder = self.pool / "qemuscreenshot"
        folder.mkdir(exist_ok=True)
        name = f"17000000{number:02}.000000.png"
        (folder / name).write_bytes(picture.read_bytes())
        draft = folder / "draft"
        draft.symlink_to(name)
        draft.rename(folder / "last.png")

    def stop_and_leave_pid(self) -> None:
        """End as isotovideo does, which leaves the file with its pid."""
        file = self.pool / "os-autoinst.pid"
        pid, facts = file.read_text(), file.stat()
        self.stop()
        file.write_text(pid)
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    @property
    def is_asked_for_pictures(self) -> bool:
        return (self.pool / "live_log").exists()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None


class HostsWorld(World):
    """Hosts “a” and “b” on one database."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        seen_from_hosts: str,
        hosts: Sequence[Host],
        **settings: str,
    ) -> None:
        self._database_url = seen_from_hosts
        self.a, self.b = hosts
        self._hidden = {
            host: folder / f"pools-{other.name}"
            for host, other in ((self.a, self.b), (self.b, self.a))
        }
        for directory in self._hidden.values():
            directory.mkdir(parents=True)
        allowed = ",".join(host.address for host in hosts)
        super().__init__(folder, database_url, 1, 1, allowed_hosts=allowed, **settings)

    def new_gunicorn(self, number: int, environment: dict[str, str]) -> Gunicorn:
        host = (self.a, self.b)[number]
        environment |= {"DEVMODE_DATABASE_URL": self._database_url}
        return HostsGunicorn(host, self.folder, environment, self._hidden[host])

    def start_job_on(self, host: Host) -> HostsJob:
        name = f"on-{host.name}-{len(self.jobs)}"
        job = HostsJob(host, self.folder, name, self._hidden[host])
        self.jobs.append(job)
        until(lambda: self.number_of(job), "the job to be found")
        return job


@contextmanager
def network() -> Iterator[None]:
    """The bridge between hosts, by which this process reaches them too."""
    assert os.geteuid() == 0, "network namespaces need root: run these tests as root"
    ip("link", "add", BRIDGE, "type", "bridge")
    for address in (f"{NETWORK}.1", DATABASE):
        ip("address", "add", f"{address}/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    try:
        yield
    finally:
        ip("link", "delete", BRIDGE)


@contextmanager
def served_by_network(database_url: str) -> Iterator[str]:
    """Let a database be reached by the bridge too, and yield by which URL."""
    url = make_url(database_url)

    def forward(outer: socket, _address: object) -> None:
        with socket(AF_UNIX) as inner:
            inner.connect(f"{url.query['host']}/.s.PGSQL.5432")
            pumps = [gevent.spawn(pump, *pair) for pair in ((outer, inner), (inner, outer))]
            gevent.joinall(pumps, count=1)

    server = StreamServer((DATABASE, DATABASE_PORT), forward)
    server.start()
    yield f"postgresql+psycopg://{url.username}@{DATABASE}:{DATABASE_PORT}/{url.database}"
    server.stop()


def pump(source: socket, target: socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


@contextmanager
def hosts_world(
    folder: Path, database_url: str, *, database_by_network: bool = False, **settings: Any
) -> Iterator[HostsWorld]:
    with network(), ExitStack() as stack:
        seen_from_hosts = database_url
        if database_by_network:
            seen_from_hosts = stack.enter_context(served_by_network(database_url))
        hosts = [stack.enter_context(Host(name, number)) for number, name in enumerate("ab")]
        world = HostsWorld(folder, database_url, seen_from_hosts, hosts, **settings)
        stack.callback(world.end)
        yield world
