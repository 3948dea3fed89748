"""Measures what a picture of the SUT's screen costs on its way to the viewers.

    script/bench screen [--viewers 1 50 100] [--fetch] [--seconds 15]

Two pictures a second. For devmode, a gunicorn with one worker, they are written and `last.png` is
pointed to each, as isotovideo does; then for openQA's web UI with its three processes they are sent
to its API, as its worker does because somebody looks: once a second at most, and only then, so how
long the worker takes comes on top. Viewers are event streams of one process, all on the loopback.

Delay: from the moment before the link is set, or openQA's API asked, to the moment when a viewer
has the last byte. CPU: of all processes that serve, per delivered picture, less what they use with
the same viewers and no pictures. With `--fetch` a viewer of devmode also gets each picture by its
URL, as it would if the stream only announced pictures. To the pixel: until a Chromium with the live
view has painted the picture, with the frame after that, so up to 16 ms less.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from bench.browser import launched
from bench.developer import Developer
from bench.openqajobs import start_pages, tell_of_jobs
from bench.processes import ROOT, Gunicorn, cpu_s
from tests.children import children
from tests.openqa.instance import OpenQA, signed

PAUSE_S = 0.5
"""Between two pictures; the last one, too, has so long to come."""
SETTLED_S = 2.0
"""Viewers that have come are left alone so long: what coming costs is not measured here."""
PICTURE = ROOT / "demo" / "distribution" / "needles" / "grub-menu.png"
PAINTED = """
    window.painted = [];
    const note = () =>
        requestAnimationFrame(() => requestAnimationFrame(() => painted.push(Date.now())));
    const canvas = CanvasRenderingContext2D.prototype;
    const draw = canvas.drawImage;
    canvas.drawImage = function (...given) {
        note();
        return draw.apply(this, given);
    };
    document.addEventListener("DOMContentLoaded", () => {
        const frame = document.getElementById("picture-frame");
        if (frame) new MutationObserver(note).observe(frame, { childList: true });
    });
"""
"""devmode's page replaces the picture, openQA's draws it; the frame after that has it."""


@dataclass(frozen=True)
class Source:
    """Whoever streams pictures to viewers."""

    name: str
    show: Callable[[bytes, int], float]
    """Gives it a picture with a number; returns the moment before it could be seen."""
    address: str
    page: str
    """The live view."""
    path: str
    """The stream."""
    headers: dict[str, str]
    begins: bytes
    """How a line of the stream begins that holds a picture."""
    cpu_s: Callable[[], float]


def point(folder: Path, picture: bytes, number: int) -> float:
    """Write a picture and point the link to it."""
    name = _name(number)
    (folder / name).write_bytes(picture)
    (folder / "last.png").unlink(missing_ok=True)
    shown_at = time.time()
    (folder / "last.png").symlink_to(name)
    return shown_at


def post(openqa: OpenQA, picture: bytes, number: int) -> float:
    """Tell openQA of a picture as the worker of job 1 does."""
    path = "/api/v1/jobs/1/status"
    screen = {"name": _name(number), "png": base64.encodebytes(picture).decode()}
    body = json.dumps({"status": {"worker_id": 1, "screen": screen}}).encode()
    headers = signed(path, openqa.key, openqa.secret) | {"Content-Type": "application/json"}
    shown_at = time.time()
    urllib.request.urlopen(urllib.request.Request(openqa.url + path, body, headers)).close()
    return shown_at


def _name(number: int) -> str:
    return f"{2000000000 + number}.1.png"


class Viewer:
    """One event stream; notes when it has which picture."""

    def __init__(self, source: Source, *, fetch: bool) -> None:
        self.source = source
        self.fetch = fetch
        self.seen: list[float] = []
        self.bytes = 0
        connection = http.client.HTTPConnection(source.address, timeout=30)
        connection.connect()
        self.socket: socket.socket = connection.sock
        self.pictures = http.client.HTTPConnection(source.address, timeout=30)
        connection.request("GET", source.path, headers=source.headers)
        self.stream = connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        """Go away without a word, as browsers do."""
        self.socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        with contextlib.suppress(http.client.HTTPException, OSError):
            self._read_pictures()

    def _read_pictures(self) -> None:
        for line in iter(self.stream.readline, b""):
            if line.startswith(self.source.begins):
                self.bytes += len(line)
                if self.fetch:
                    self._fetch(str(json.loads(line[6:])["picture"]["at"]))
                self.seen.append(time.time())

    def _fetch(self, version: str) -> None:
        if not self.seen:
            self.pictures.close()  # the server has closed it while there were no pictures
        path = f"/jobs/1/screen.png?v={version}"
        self.pictures.request("GET", path, headers=self.source.headers)
        self.bytes += len(self.pictures.getresponse().read())


@contextlib.contextmanager
def devmode(folder: Path) -> Iterator[Source]:
    """Serve a pool directory with a process in it, which passes for isotovideo."""
    pool = folder / "pools" / "1"
    (pool / "qemuscreenshot").mkdir(parents=True)
    isotovideo = subprocess.Popen(["/bin/sleep", "3600"], cwd=pool)
    (pool / "vars.json").write_text(json.dumps({"JOBTOKEN": "bench", "NAME": "bench-0"}))
    (pool / "os-autoinst.pid").write_text(str(isotovideo.pid))
    try:
        with Gunicorn(folder, folder / "pools") as gunicorn:
            viewer = Developer(gunicorn.address, "viewer")
            viewer.job_ids(1)
            yield Source(
                "devmode",
                partial(point, pool / "qemuscreenshot"),
                gunicorn.address,
                "/jobs/1",
                "/events?jobs=1",
                {"Cookie": viewer.cookie},
                b'data: {"job":1,"picture"',
                gunicorn.cpu_s,
            )
    finally:
        isotovideo.kill()
        isotovideo.wait()


@contextlib.contextmanager
def openqa(folder: Path) -> Iterator[Source]:
    """Serve a job that openQA believes to run."""
    uploads = folder / "uploads"
    uploads.mkdir()
    with contextlib.ExitStack() as stack:
        instance, _postgresql = start_pages(stack, folder)
        tell_of_jobs(instance, 1, {"WORKER_TMPDIR": [str(uploads)]})
        yield Source(
            "openQA's web UI",
            partial(post, instance),
            instance.url.removeprefix("http://"),
            "/tests/1#live",
            "/tests/1/streaming",
            {},
            b"data: data:image/png",
            lambda: _of_all(instance.pid_of("openqa")),
        )


def _of_all(pid: int) -> float:
    return sum(map(cpu_s, [pid, *children(pid)]))


def to_the_pixel(source: Source, options: argparse.Namespace) -> dict[str, Any]:
    """Play pictures to a Chromium and return how long they take until it has painted them."""
    picture = options.picture.read_bytes()
    source.show(picture, 0)
    with sync_playwright() as playwright:
        context = launched(playwright).new_context()
        site = f"http://{source.address}"
        if "Cookie" in source.headers:
            name, _, value = source.headers["Cookie"].partition("=")
            context.add_cookies([{"name": name, "value": value, "url": site}])
        page = context.new_page()
        page.add_init_script(PAINTED)
        page.goto(site + source.page)
        page.wait_for_timeout(SETTLED_S * 1000)
        page.evaluate("painted.length = 0")
        shown = _played(source, picture, options.seconds)
        page.wait_for_timeout(PAUSE_S * 1000)
        painted = [at / 1000 for at in page.evaluate("painted")]
    delays = [at - max(moment for moment in shown if moment <= at) for at in painted]
    return {
        "by": source.name,
        "painted": len(delays),
        "to_the_pixel_p50_ms": round(statistics.median(delays) * 1000),
        "to_the_pixel_p95_ms": round(statistics.quantiles(delays, n=20)[-1] * 1000),
    }


def _played(source: Source, picture: bytes, seconds: float) -> list[float]:
    """Show pictures for a while, and return the moments before each could be seen."""
    shown = []
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        shown.append(source.show(picture, int(time.time() * 10)))
        time.sleep(PAUSE_S)
    return shown


def measure(source: Source, options: argparse.Namespace, count: int) -> dict[str, Any]:
    """Play pictures to `count` viewers and return the figures."""
    fetch = options.fetch and source.name == "devmode"
    picture = options.picture.read_bytes()
    source.show(picture, 0)
    viewers = [Viewer(source, fetch=fetch) for _ in range(count)]
    time.sleep(SETTLED_S)
    for viewer in viewers:
        viewer.seen.clear()
        viewer.bytes = 0
    before = source.cpu_s()
    time.sleep(options.seconds)
    idle = source.cpu_s() - before
    before = source.cpu_s()
    shown = _played(source, picture, options.seconds)
    used = source.cpu_s() - before
    time.sleep(PAUSE_S)
    seen = [at for viewer in viewers for at in viewer.seen]
    delays = [at - max(moment for moment in shown if moment <= at) for at in seen]
    for viewer in viewers:
        viewer.close()
    delivered = len(delays)
    return {
        "by": source.name,
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
    parser = argparse.ArgumentParser(prog="script/bench screen", description=__doc__)
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 50, 100])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}), flush=True)
    for serve in (devmode, openqa):
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        with folder as path, serve(Path(path)) as source:
            for count in options.viewers:
                print(json.dumps(measure(source, options, count)), flush=True)
            print(json.dumps(to_the_pixel(source, options)), flush=True)


if __name__ == "__main__":
    main()
