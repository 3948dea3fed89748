from pathlib import Path

from devmode import errors
from devmode.cli.exits import FAILED, MEANINGS, Refused
from devmode.web.errors import STATUSES

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "command.md"


def test_every_exit_code_is_documented() -> None:
    text = DOCUMENTATION.read_text()
    for code, meaning in MEANINGS.items():
        assert f"| {code} | {meaning} |" in text


WITHOUT_A_CODE_OF_THEIR_OWN = {
    errors.ChangeUnknown,
    errors.CutShort,
    errors.ForeignHost,
    errors.FormExpired,
    errors.InvalidCommand,
    errors.NeedleNotSaved,
    errors.TextNotFound,
    errors.TooLarge,
    errors.TooSlow,
}


def test_every_refusal_that_scripts_may_tell_apart_has_its_exit_code() -> None:
    codes = {error: Refused(error.code, "No.").exit_code for error in STATUSES}
    assert set(codes.values()) <= MEANINGS.keys()
    failed = {error for error, code in codes.items() if code == FAILED}
    assert failed == WITHOUT_A_CODE_OF_THEIR_OWN


def test_what_nobody_knows_has_failed() -> None:
    assert Refused("something_new", "No.").exit_code == FAILED
