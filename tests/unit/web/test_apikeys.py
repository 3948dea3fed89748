"""Workers prove who they are as openQA has them do; the check value is openQA's own."""

import pytest
from werkzeug.datastructures import Headers

from devmode.web.apikeys import TOLERANCE_S, is_signed

TARGET = "/api/v1/jobs?state=running"
AT = 1_700_000_000
HASH = "ecbd15e56b6c78f6bb489b207eca686368811802"
SECRETS = {"KEY": "EXCALIBUR"}


def headers(**changes: str) -> Headers:
    sent = {"X-API-Key": "KEY", "X-API-Microtime": str(AT), "X-API-Hash": HASH}
    return Headers(sent | {f"X-API-{name}": value for name, value in changes.items()})


def test_what_openqa_signs_is_signed() -> None:
    assert is_signed(SECRETS, headers(), TARGET, AT)
    assert is_signed(SECRETS, headers(Hash=HASH.upper()), TARGET, AT)


@pytest.mark.parametrize("late_s", [-TOLERANCE_S, TOLERANCE_S])
def test_clocks_may_differ_a_little(late_s: float) -> None:
    assert is_signed(SECRETS, headers(), TARGET, AT + late_s)
    assert not is_signed(SECRETS, headers(), TARGET, AT + 1.01 * late_s)


@pytest.mark.parametrize(
    "changes",
    [
        {"Key": "OTHER"},
        {"Key": ""},
        {"Hash": ""},
        {"Hash": "é"},
        {"Hash": HASH[:-1] + "0"},
        {"Microtime": ""},
        {"Microtime": "now"},
        {"Microtime": "nan"},
        {"Microtime": "-1"},
        {"Microtime": "1" * 400},
        {"Microtime": "٣"},
    ],
)
def test_what_is_signed_otherwise_is_not(changes: dict[str, str]) -> None:
    assert not is_signed(SECRETS, headers(**changes), TARGET, AT)


def test_another_address_is_not_signed() -> None:
    assert not is_signed(SECRETS, headers(), "/api/v1/jobs?state=done", AT)


def test_without_headers_or_keys_nothing_is_signed() -> None:
    assert not is_signed(SECRETS, Headers(), TARGET, AT)
    assert not is_signed({}, headers(), TARGET, AT)
