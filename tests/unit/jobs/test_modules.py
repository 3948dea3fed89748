"""What is said of a job that has ended."""

import pytest

from devmode.jobs.modules import PASSED, summary


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (["ok", "softfail", "skip"], PASSED),
        (["ok", "fail"], "1 of 2 modules failed"),
        (["fail", "none"], "stopped early, 1 of 2 modules without a result"),
        ([], "ended before its schedule was known"),
    ],
)
def test_the_results_of_modules_are_summed_up(results: list[str], said: str) -> None:
    assert summary(results) == said
