"""How far a schedule is, and what is said of a job that has ended."""

import pytest

from devmode.jobs.modules import PASSED, Module, summary


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


@pytest.mark.parametrize("result", ["", "none", "running", "na", "canceled", "another"])
def test_what_is_no_result_is_counted_as_none_before_the_end_and_after(result: str) -> None:
    """At a pause on a screen mismatch isotovideo writes `na`, where a job ends early `canceled`."""
    assert not Module("a", "boot", result).has_result
    assert "1 of 2 modules without a result" in summary(["ok", result])
