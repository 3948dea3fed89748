"""Measures what it takes a browser to show the live view for the first time.

    .venv/bin/python -m bench.page [--runs 15]

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

from playwright.sync_api import Page

from bench.browser import Stage, stage

LINES = 5000
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


def weigh(page: Page, addresses: set[str]) -> dict[str, float]:
    """Get once more what a page has loaded; return what it weighs, in bytes."""
    answers = [page.request.get(address) for address in addresses if "/events" not in address]
    bodies = [each.body() for each in answers if each.headers["content-type"] != "image/png"]
    return {
        "weight_bytes": sum(len(gzip.compress(body, 6)) for body in bodies),
        "uncompressed_bytes": sum(map(len, bodies)),
    }


def visit(on: Stage) -> dict[str, float]:
    """Open the live view with an empty cache and return the figures."""
    context = on.browser.new_context(storage_state=on.login)
    page = context.new_page()
    page.set_viewport_size({"width": 1400, "height": 900})
    page.add_init_script(SHIFTS)
    loaded: list[str] = []
    page.on("requestfinished", lambda request: loaded.append(request.url))
    page.goto(on.address, wait_until="load")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
    figures: dict[str, float] = page.evaluate(TIMES)
    figures |= weigh(page, {*loaded, f"{on.server.url}/static/stream-worker.js"})
    figures["layout_shift"] = page.evaluate("window.shifted")
    context.close()
    return figures


def main() -> None:
    """Visit so many times, the first of them not counted; print the medians as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    lines = (f"[debug] [pid:4711] tests/boot.pm:{n} called wait\n" for n in range(LINES))
    with stage() as on:
        on.log.write_text("".join(lines))
        visits = [visit(on) for _ in range(options.runs + 1)][1:]
    figures = {name: round(statistics.median(v[name] for v in visits), 2) for name in visits[0]}
    print(json.dumps(figures | {"load": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()
