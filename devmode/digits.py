"""Numbers in what others send. Pure module."""

from typing import Final

MOST: Final = 15
"""More digits than any number has that devmode is sent, and few enough to be read in no time."""
LARGEST: Final = 2**31 - 1
"""What an INTEGER of PostgreSQL holds: nothing larger is a number of ours, or of openQA."""


def number_of(text: str) -> int | None:
    """Return the number that is written in these digits; None if they are none, or too many."""
    # `isdigit` alone lets “²” pass, which `int` does not take, and “٣”, which nobody means.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST else None


def integer_of(value: object) -> int | None:
    """Return what somebody sent as a number, or in digits; None if no database keeps it."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    number = number_of(str(value))
    return number if number is not None and number <= LARGEST else None
