"""Measures what it takes a browser to show the live view for the first time.

    .venv/bin/python bench/page.py [--runs 15]

A gunicorn with one worker, one simulated job of 47 modules with a log of 5,000 lines, and a
Chromium that comes each time with an empty cache. Weight: the page and all that it loads, each
compressed by gzip on its own, without pictures of the SUT. First paint: the browser's
first-contentful-paint, counted from the start of the navigation.
"""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.chromium.server import Server  # noqa: E402 - from the checkout

LINES = 5000
LIMIT_MS = 30_000
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


def sign_in(browser: Browser, server: Server) -> dict[str, object]:
    """Sign a viewer in and return what a browser then knows."""
    page = browser.new_page()
    page.goto(f"{server.url}/sign-in")
    page.fill("#name", "bench")
    page.fill("#code", server.start_code)
    page.check("input[value=viewer]")
    page.click("button.primary")
    page.locator(".job .name").wait_for(timeout=LIMIT_MS)
    return {"cookies": page.context.cookies(), "origins": []}


def weigh(page: Page, addresses: set[str]) -> dict[str, float]:
    """Get once more what a page has loaded; return what it weighs, in bytes."""
    answers = [page.request.get(address) for address in addresses if "/events" not in address]
    bodies = [each.body() for each in answers if each.headers["content-type"] != "image/png"]
    return {
        "weight_bytes": sum(len(gzip.compress(body, 6)) for body in bodies),
        "uncompressed_bytes": sum(map(len, bodies)),
    }


def visit(browser: Browser, address: str, state: dict[str, object]) -> dict[str, float]:
    """Open the live view with an empty cache and return the figures."""
    context = browser.new_context(
        storage_state=state,  # type: ignore[arg-type] # what playwright itself returned
        viewport={"width": 1400, "height": 900},
    )
    page = context.new_page()
    page.add_init_script(SHIFTS)
    loaded: list[str] = []
    page.on("requestfinished", lambda request: loaded.append(request.url))
    page.goto(address, wait_until="load")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
    figures: dict[str, float] = page.evaluate(TIMES)
    figures |= weigh(page, {*loaded, f"{address.partition('/jobs')[0]}/static/stream-worker.js"})
    figures["layout_shift"] = page.evaluate("window.shifted")
    context.close()
    return figures


def measure(browser: Browser, server: Server, runs: int) -> dict[str, float]:
    """Visit so many times, the first of them not counted, and return the medians."""
    state = sign_in(browser, server)
    visits = [visit(browser, f"{server.url}/jobs/1", state) for _ in range(runs + 1)][1:]
    return {name: round(statistics.median(v[name] for v in visits), 2) for name in visits[0]}


def main() -> None:
    """Measure and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    server = Server(folder)
    job = subprocess.Popen(
        [sys.executable, "-m", "bench.commandservers", str(folder / "pools"), "1"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    server.start()
    try:
        if job.stdout:
            job.stdout.readline()
        lines = (f"[debug] [pid:4711] tests/boot.pm:{n} called wait\n" for n in range(LINES))
        (folder / "pools" / "0" / "autoinst-log.txt").write_text("".join(lines))
        with sync_playwright() as playwright:
            sandbox = [] if os.geteuid() else ["--no-sandbox"]
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=[*sandbox, "--disable-gpu"]
            )
            figures = measure(browser, server, options.runs)
            print(json.dumps(figures | {"load": round(os.getloadavg()[0], 1)}))
    finally:
        server.stop()
        job.communicate()


if __name__ == "__main__":
    main()
