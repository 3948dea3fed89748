"""The command line of the demo: one job, or one after the other."""

import argparse
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from demo.errors import DemoError
from demo.jobs import Job
from demo.settings import BACKENDS

DEFAULT_POOL = Path(__file__).parent.parent / "instance" / "demo" / "pool"

# Long enough to look at the results of the last job.
PAUSE_S = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo and returns its exit code: 1 if there was no job or isotovideo failed."""
    options = _parser().parse_args(arguments)
    try:
        demo = Demo(options.pool, options.backend, dict(options.variables))
        exit_code = demo.run(loop=options.loop)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if exit_code == 0 or demo.stopping.is_set() else 1


class Demo:
    """Jobs in one pool directory, until a signal ends them."""

    def __init__(self, pool: Path, backend: str, chosen: dict[str, str]) -> None:
        self.pool = pool
        self.backend = backend
        self.chosen = chosen
        self.stopping = threading.Event()
        self.job: Job | None = None

    def run(self, *, loop: bool) -> int:
        """Runs one job, or with `loop` one after the other; returns isotovideo's last exit code."""
        for signal_number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signal_number, self._on_signal)
        exit_code = self._run_job()
        while loop and not self.stopping.wait(PAUSE_S):
            exit_code = self._run_job()
        return exit_code

    def _run_job(self) -> int:
        self.job = Job(self.pool, self.backend, self.chosen)
        try:
            # The signal may have come while there was no job yet.
            if self.stopping.is_set():
                self.job.terminate()
            print(_introduction(self.job), flush=True)
            exit_code = self.job.wait()
        finally:
            self.job.stop()
        for module, result in self.job.results().items():
            print(f"  {result:9}{module}", flush=True)
        if exit_code:
            print(f"  isotovideo ended with exit code {exit_code}", flush=True)
        return exit_code

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()
        if self.job is not None:
            self.job.terminate()


def _introduction(job: Job) -> str:
    lines = [
        f"Job {job.variables['NAME']} runs in {job.pool}",
        f"command server: port {job.ports.command_server}",
        f"log: {job.log}",
    ]
    if job.backend == "qemu":
        lines.append(f"screen, by VNC: localhost:{job.ports.vnc}")
    return "\n  ".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo/job", description="Runs a real os-autoinst job to try devmode with."
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, default="qemu", help="null needs no QEMU (default: qemu)"
    )
    parser.add_argument(
        "--loop", action="store_true", help="start again some seconds after the end"
    )
    parser.add_argument(
        "--pool", type=Path, default=DEFAULT_POOL, help="pool directory (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        dest="variables",
        action="append",
        default=[],
        type=_variable,
        metavar="KEY=VALUE",
        help="a variable of the job, e.g. SCHEDULE=boot/menu_visible,shell/small_steps",
    )
    return parser


def _variable(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Z_][A-Z0-9_]*)=(.*)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return match[1], match[2]
