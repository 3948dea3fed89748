"""Measures devmode and prints a table; see docs/performance.md.

python -m bench [--runs N] [--json FILE] [PART OF A SCENARIO'S NAME …]
"""

import argparse
import json
import os
import platform
from pathlib import Path
from statistics import median

from bench.processes import lift_limits
from bench.scenarios import SCENARIOS, Figures


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="only scenarios whose name contains one of these")
    parser.add_argument("--runs", type=int, default=3, help="take the medians of so many runs")
    parser.add_argument("--json", type=Path, help="write all figures to this file, too")
    options = parser.parse_args()
    chosen = [
        name
        for name in SCENARIOS
        if not options.names or any(part in name for part in options.names)
    ]
    lift_limits()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.runs} runs")
    print("jobs x viewers of each job, messages a second for all jobs together\n")
    everything = {}
    for name in chosen:
        runs = [SCENARIOS[name]() for _ in range(options.runs)]
        everything[name] = runs
        print(f"{name:28} {_row(runs)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1))


def _row(runs: list[Figures]) -> str:
    return "  ".join(f"{name} {median(run[name] for run in runs):.3g}" for name in runs[0])


if __name__ == "__main__":
    main()
