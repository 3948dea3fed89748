"""Numbers in what others send. Pure module."""

from typing import Final

MOST: Final = 15
"""More digits than any number has that devmode is sent, and few enough to be read in no time."""


def number_of(text: str) -> int | None:
    """Return the number that is written in these digits; None if they are none, or too many."""
    # `isdigit` alone lets “²” pass, which `int` does not take, and “٣”, which nobody means.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST else None
