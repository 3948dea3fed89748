"""Measures whether a tab that shows a busy log grows.

    script/bench tab [--minutes 6] [--per-second 200]

A gunicorn with one worker, one simulated job whose log gets so many lines a second, and a Chromium
that follows it. Once a minute, after a collection of garbage: the size of the heap of its scripts,
the number of its nodes, and the lines that it shows. 200 lines a second for six minutes are as many
as 20 a second for an hour.
"""

import argparse
import time

from bench.browser import LIMIT_MS, stage

LINE = "[2026-01-01T00:00:00.000000Z] [debug] [pid:4711] tests/shell.pm:{} called wait_serial\n"
BATCHES_PER_S = 10


def main() -> None:
    """Write, follow, and print a line a minute."""
    parser = argparse.ArgumentParser(prog="script/bench tab", description=__doc__)
    parser.add_argument("--minutes", type=int, default=6)
    parser.add_argument("--per-second", type=int, default=200)
    options = parser.parse_args()
    batch = options.per_second // BATCHES_PER_S
    with stage() as on, on.log.open("a") as log:
        log.write(LINE.format(0))
        log.flush()
        page = on.browser.new_context(storage_state=on.login).new_page()
        page.goto(on.address)
        page.locator("#text .line").first.wait_for(timeout=LIMIT_MS)
        tab = page.context.new_cdp_session(page)
        tab.send("Performance.enable")
        written = 0
        for minute in range(options.minutes):
            ends_at = time.monotonic() + 60
            while time.monotonic() < ends_at:
                log.writelines(LINE.format(written + n) for n in range(batch))
                log.flush()
                written += batch
                page.wait_for_timeout(1000 / BATCHES_PER_S)
            tab.send("HeapProfiler.collectGarbage")
            metrics = {m["name"]: m["value"] for m in tab.send("Performance.getMetrics")["metrics"]}
            heap_mb, nodes = metrics["JSHeapUsedSize"] / 1e6, int(metrics["Nodes"])
            shown = page.locator("#text .line").count()
            print(f"minute {minute + 1}: {written} lines written, {shown} shown,", end=" ")
            print(f"heap {heap_mb:.1f} MB, {nodes} nodes", flush=True)


if __name__ == "__main__":
    main()
