"""The test modules of a job's schedule, and what each tells of itself: `result-NAME.json`.

Pure module.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from devmode.schemas import RESULTS

LONGEST_NAME: Final = 200
LARGEST_RECORD: Final = 8 << 20
"""Bytes of what a module tells: it lists every screenshot, with all needles that did not match."""
PASSED: Final = "passed"
"""The result of a job none of whose modules failed."""


@dataclass(frozen=True, slots=True)
class Module:
    """One test module of a job's schedule."""

    name: str
    category: str
    result: str
    run_time_s: int | None = None
    version: str = ""
    """Changes whenever the module has told new steps; empty until it has told any."""

    @property
    def full_name(self) -> str:
        """The name that means this module and not its post-fail hook too (basetest.pm)."""
        return f"{self.category}-{self.name}"

    @property
    def has_result(self) -> bool:
        """Whether it has told how it went, or would go if nothing more came; or was left out."""
        return self.result in RESULTS


def done(modules: Iterable[Module], current: str | None) -> int:
    """Count the modules that have a result; the one of this full name, which runs, has none yet."""
    return sum(module.has_result and module.full_name != current for module in modules)


def is_module_name(name: str) -> bool:
    """Whether a module may have this name: its record lies in no other folder."""
    return 0 < len(name) <= LONGEST_NAME and not {"/", "\0"} & set(name)


def record_file(module: str) -> str:
    """Name the file in which a module, by its short name, tells of itself."""
    return f"result-{module}.json"


def summary(results: list[str]) -> str:
    """Say in a few words how the modules of a schedule went."""
    if not results:
        return "ended before its schedule was known"
    failed = sum(result == "fail" for result in results)
    unfinished = sum(result not in RESULTS for result in results)
    if unfinished:
        return f"stopped early, {unfinished} of {len(results)} modules without a result"
    return f"{failed} of {len(results)} modules failed" if failed else PASSED
