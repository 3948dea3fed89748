from pathlib import Path

import pytest

from devmode import errors
from devmode.cli.exits import FAILED, MEANINGS, Refused
from devmode.web.errors import STATUSES

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "command.md"


def test_every_exit_code_is_documented() -> None:
    text = DOCUMENTATION.read_text()
    for code, meaning in MEANINGS.items():
        assert f"| {code} | {meaning} |" in text


@pytest.mark.parametrize("error", STATUSES, ids=lambda error: error.code)
def test_every_refusal_has_an_exit_code_that_is_documented(
    error: type[errors.DevmodeError],
) -> None:
    refusal = Refused(error.code, "No.")
    assert refusal.exit_code in MEANINGS
    assert refusal.exit_code != 0


def test_what_nobody_knows_has_failed() -> None:
    assert Refused("something_new", "No.").exit_code == FAILED
