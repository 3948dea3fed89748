"""Measures what a picture of the SUT's screen costs on its way to the viewers.

    .venv/bin/python bench/screen.py [--viewers 1 50 100] [--fetch] [--seconds 15]

A gunicorn with one worker watches one pool directory, in which this program plays isotovideo: it
writes two pictures a second and points `last.png` to each. Viewers are event streams of one
process, all on the loopback. Delay: from the moment before the link is set to the moment when a
viewer has the last byte. CPU: of the gunicorn worker, per delivered picture, less what it uses with
the same viewers and no pictures. With `--fetch` a viewer also gets each picture by its URL, as it
would if the stream only announced pictures.
"""

import argparse
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.chromium.server import Server  # noqa: E402 - from the checkout

PAUSE_S = 0.5
PICTURE = ROOT / "demo" / "distribution" / "needles" / "grub-menu.png"
TICK = os.sysconf("SC_CLK_TCK")


class Pool:
    """A pool directory with a process in it, which passes for isotovideo."""

    def __init__(self, directory: Path, picture: bytes) -> None:
        self.directory = directory
        self.picture = picture
        (directory / "qemuscreenshot").mkdir(parents=True)
        self.process = subprocess.Popen(["sleep", "600"], cwd=directory)
        (directory / "vars.json").write_text(json.dumps({"JOBTOKEN": "bench", "NAME": "bench"}))
        (directory / "os-autoinst.pid").write_text(str(self.process.pid))

    def show(self, number: int) -> float:
        """Write one picture and return the moment before it can be seen."""
        folder = self.directory / "qemuscreenshot"
        name = f"{2000000000 + number}.1.png"
        (folder / name).write_bytes(self.picture)
        (folder / "last.png").unlink(missing_ok=True)
        shown_at = time.time()
        (folder / "last.png").symlink_to(name)
        return shown_at


class Viewer:
    """One event stream; notes when it has which picture."""

    def __init__(self, server: Server, cookie: str, *, fetch: bool) -> None:
        self.address = urllib.parse.urlsplit(server.url).netloc
        self.headers = {"Cookie": cookie}
        self.fetch = fetch
        self.seen: list[float] = []
        self.bytes = 0
        self.connection = http.client.HTTPConnection(self.address, timeout=30)
        self.pictures = http.client.HTTPConnection(self.address, timeout=30)
        self.connection.request("GET", "/events?jobs=1", headers=self.headers)
        self.stream = self.connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        """Go away without a word, as browsers do."""
        assert self.connection.sock is not None
        self.connection.sock.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        with contextlib.suppress(http.client.HTTPException, OSError):
            self._read_pictures()

    def _read_pictures(self) -> None:
        for line in iter(self.stream.readline, b""):
            if line.startswith(b'data: {"job":1,"picture"'):
                self.bytes += len(line)
                if self.fetch:
                    self._fetch(str(json.loads(line[6:])["picture"]["at"]))
                self.seen.append(time.time())

    def _fetch(self, version: str) -> None:
        if not self.seen:
            self.pictures.close()  # the server has closed it while there were no pictures
        self.pictures.request("GET", f"/jobs/1/screen.png?v={version}", headers=self.headers)
        self.bytes += len(self.pictures.getresponse().read())


def sign_in(server: Server) -> str:
    """Sign a viewer in and return the cookie."""
    address = urllib.parse.urlsplit(server.url).netloc
    connection = http.client.HTTPConnection(address)
    connection.request("GET", "/sign-in")
    form = connection.getresponse()
    cookie = (form.getheader("Set-Cookie") or "").partition(";")[0]
    token = form.read().decode().split('name="csrf_token" value="')[1].split('"')[0]
    fields = {"csrf_token": token, "name": "bench", "role": "viewer", "code": server.start_code}
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/sign-in", urllib.parse.urlencode(fields), headers)
    answer = connection.getresponse()
    answer.read()
    return (answer.getheader("Set-Cookie") or "").partition(";")[0]


def worker_of(server: Server) -> int:
    assert server._process is not None
    pid = server._process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def measure(server: Server, pool: Pool, options: argparse.Namespace, count: int) -> dict[str, Any]:
    """Play pictures to `count` viewers and return the figures."""
    cookie = sign_in(server)
    viewers = [Viewer(server, cookie, fetch=options.fetch) for _ in range(count)]
    time.sleep(2)
    for viewer in viewers:
        viewer.seen.clear()
        viewer.bytes = 0
    worker = worker_of(server)
    idle = cpu_s(worker)
    time.sleep(options.seconds)
    idle = cpu_s(worker) - idle
    before, shown = cpu_s(worker), []
    began = time.time()
    while time.time() - began < options.seconds:
        shown.append(pool.show(int(time.time() * 10)))
        time.sleep(PAUSE_S)
    used = cpu_s(worker) - before
    time.sleep(0.5)
    seen = [at for viewer in viewers for at in viewer.seen]
    delays = [at - max(moment for moment in shown if moment <= at) for at in seen]
    for viewer in viewers:
        viewer.close()
    delivered = len(delays)
    return {
        "viewers": count,
        "pictures": len(shown),
        "delivered": delivered,
        "delay_p50_ms": round(statistics.median(delays) * 1000, 2),
        "delay_p95_ms": round(statistics.quantiles(delays, n=20)[-1] * 1000, 2),
        "cpu_ms_per_delivered": round((used - idle) / delivered * 1000, 3),
        "idle_cpu_percent": round(idle / options.seconds * 100, 1),
        "bytes_per_delivered": round(sum(viewer.bytes for viewer in viewers) / delivered),
    }


def main() -> None:
    """Measure with each number of viewers and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 50, 100])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args()
    os.environ["DEVMODE_STREAMS_PER_LOGIN"] = "1000"
    folder = Path(tempfile.mkdtemp())
    server = Server(folder)
    pool = Pool(folder / "pools" / "1", options.picture.read_bytes())
    server.start()
    try:
        for count in options.viewers:
            print(json.dumps(measure(server, pool, options, count)), flush=True)
            time.sleep(12)
    finally:
        server.kill()
        pool.process.kill()


if __name__ == "__main__":
    main()
