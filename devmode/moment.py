"""A time as pages and programs are told it."""

from datetime import UTC, datetime
from typing import Final

LAST_S: Final = 253_402_300_799.0
"""The last second of the year 9999, the last that `datetime` knows."""


def moment(seconds: float) -> datetime:
    """Turn seconds since 1970 into a time of UTC.

    Whoever owns a file gives it any time: one beyond the calendar is shown as its nearest.
    """
    return datetime.fromtimestamp(min(max(seconds, 0.0), LAST_S), UTC)
