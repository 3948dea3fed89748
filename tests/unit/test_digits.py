from typing import Any

import pytest

from devmode.digits import LARGEST, MOST, integer_of, number_of


@pytest.mark.parametrize("text", ["0", "7", "007", "9" * MOST])
def test_digits_are_a_number(text: str) -> None:
    assert number_of(text) == int(text)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "+1", "1.5", "1_0", " 1", "²", "٣", "9" * (MOST + 1)]
)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(("value", "number"), [(7, 7), ("7", 7), (0, 0), (LARGEST, LARGEST)])
def test_a_number_may_be_written_as_one_or_in_digits(value: Any, number: int) -> None:
    assert integer_of(value) == number


@pytest.mark.parametrize("value", [None, True, 1.5, -1, "x", [], LARGEST + 1, str(LARGEST + 1)])
def test_what_no_database_keeps_as_a_number_is_none(value: Any) -> None:
    assert integer_of(value) is None
