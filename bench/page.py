"""Measures what it takes a browser to show the live view for the first time.

    script/bench page [--runs 15]

A job of 47 modules with a log of 5,000 lines, in devmode, a gunicorn with one worker, and in an
openQA with its livehandler, whose database believes in it; by turns, in a Chromium that comes each
time with an empty cache. openQA's page is the one for visitors who have not signed in, which holds
less. Weight: the page and all that it loads, each compressed by gzip on its own, without pictures
of the SUT. First paint: the browser's first-contentful-paint, counted from the start of the
navigation. Layout shift: the sum that the browser tells, until two seconds after it was loaded.
"""

import argparse
import contextlib
import gzip
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from bench.browser import stage
from bench.commandservers import MODULES
from bench.openqajobs import start_pages, tell_of_jobs

LINES = 5000
LOG = "".join(f"[debug] [pid:4711] tests/boot.pm:{n} called wait\n" for n in range(LINES))
SETTLED_MS = 2000
"""How long a loaded page is watched for what it still moves: no condition tells the end of that."""
TIMES = """() => {
    const [navigation] = performance.getEntriesByType("navigation");
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return {
        first_byte_ms: navigation.responseStart,
        first_paint_ms: paint.startTime,
        loaded_ms: navigation.loadEventEnd,
    };
}"""
SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifted += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""


@dataclass(frozen=True)
class LiveView:
    """A page that shows a running job."""

    name: str
    address: str
    login: Any = None
    """What the browser of somebody who has signed in knows."""
    by_worker: tuple[str, ...] = ()
    """Addresses that a shared worker of the page loads, of which the page does not tell."""


@contextlib.contextmanager
def openqas_page() -> Iterator[LiveView]:
    """Start an openQA and give its page of a job."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        contextlib.ExitStack() as stack,
    ):
        openqa, _postgresql = start_pages(stack, Path(folder))
        uploads = Path(folder) / "uploads"
        uploads.mkdir()
        (uploads / "autoinst-log-live.txt").write_text(LOG)
        openqa.start_service("openqa-livehandler", "daemon", "-m", "production")
        tell_of_jobs(openqa, 1, {"WORKER_TMPDIR": [str(uploads)]})
        openqa.execute(
            "INSERT INTO job_modules (job_id, name, script, category, result, t_created, t_updated)"
            " SELECT 1, 'module' || n, 'tests/module' || n || '.pm', 'bench', 'none', now(), now()"
            " FROM generate_series(1, %s) AS n",
            (MODULES,),
        )
        yield LiveView("openQA", f"{openqa.url}/tests/1#live")


def weigh(page: Page, addresses: set[str]) -> dict[str, float]:
    """Get once more what a page has loaded; return what it weighs, in bytes."""
    answers = [page.request.get(address) for address in addresses if "/events" not in address]
    bodies = [each.body() for each in answers if each.headers["content-type"] != "image/png"]
    return {
        "weight_bytes": sum(len(gzip.compress(body, 6)) for body in bodies),
        "uncompressed_bytes": sum(map(len, bodies)),
    }


def visit(browser: Browser, view: LiveView) -> dict[str, float]:
    """Open a live view with an empty cache and return the figures."""
    context = browser.new_context(storage_state=view.login)
    page = context.new_page()
    page.set_viewport_size({"width": 1400, "height": 900})
    page.add_init_script(SHIFTS)
    loaded: list[str] = []
    page.on("requestfinished", lambda request: loaded.append(request.url))
    page.goto(view.address, wait_until="load")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
    page.wait_for_timeout(SETTLED_MS)
    figures: dict[str, float] = page.evaluate(TIMES)
    figures |= weigh(page, {*loaded, *view.by_worker})
    figures["layout_shift"] = page.evaluate("window.shifted")
    context.close()
    return figures


def main() -> None:
    """Visit so many times, the first of them not counted; print the medians as lines of JSON."""
    parser = argparse.ArgumentParser(prog="script/bench page", description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    with stage() as on, openqas_page() as peer:
        on.log.write_text(LOG)
        worker = f"{on.server.url}/static/stream-worker.js"
        views = [LiveView("devmode", on.address, on.login, (worker,)), peer]
        visits: dict[str, list[dict[str, float]]] = {view.name: [] for view in views}
        for _ in range(options.runs + 1):
            for view in views:
                time.sleep(SETTLED_MS / 1000)  # what the visit before left to do is done
                visits[view.name].append(visit(on.browser, view))
    for name, (_first, *counted) in visits.items():
        figures = {key: round(statistics.median(v[key] for v in counted), 2) for key in counted[0]}
        print(json.dumps({"by": name, **figures, "load": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()
