"""What holds for all tests: none is timed, and a group fails that ran nothing or left one out."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's business: a test waits for conditions, it is not timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--counts",
        type=Path,
        help="write how many tests passed and failed to this file, and fail if any was left out",
    )


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--counts")
    if path is not None:
        config.pluginmanager.register(Counts(path))


class Counts:
    """Every test by its outcome: passed, failed, or left out in whatever way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, str] = {}

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.outcomes |= dict.fromkeys((item.nodeid for item in items), "deselected")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self.outcomes[report.nodeid] = report.outcome

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
        if outcome != "passed":
            self.outcomes[report.nodeid] = outcome
        elif report.when == "call":
            self.outcomes.setdefault(report.nodeid, outcome)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        passed = self.of("passed")
        self.path.write_text(f"{len(passed)} {len(self.outcomes) - len(passed)}\n")
        if session.exitstatus == pytest.ExitCode.OK and len(passed) < len(self.outcomes):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for outcome in ("skipped", "expected to fail", "deselected"):
            for nodeid in self.of(outcome):
                terminalreporter.write_line(f"not run as a test must: {nodeid} was {outcome}")

    def of(self, outcome: str) -> list[str]:
        return [nodeid for nodeid, of_this in self.outcomes.items() if of_this == outcome]
