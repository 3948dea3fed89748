import pytest

from devmode.digits import MOST, number_of


@pytest.mark.parametrize("text", ["0", "7", "007", "9" * MOST])
def test_digits_are_a_number(text: str) -> None:
    assert number_of(text) == int(text)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "+1", "1.5", "1_0", " 1", "²", "٣", "9" * (MOST + 1)]
)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    assert number_of(text) is None
