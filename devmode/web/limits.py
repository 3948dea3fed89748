"""How often somebody may try something, counted in this process alone."""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from devmode.config import Settings
from devmode.errors import TooMany

MOST_KEYS = 10_000
"""Remembered at once, so that made-up keys can't fill the memory."""
MINUTE_S = 60.0
STRANGE_COOKIES_PER_MINUTE = 300
"""openQA gives one to everybody who looks at it, and a new one with each page."""


class Limit:
    """Lets each key through `per_minute` times in a burst, and after that evenly.

    The generic cell rate algorithm: all that is kept of a key is when it has its whole burst again.
    """

    def __init__(self, per_minute: int, sentence: str) -> None:
        """Refuse with `sentence`."""
        self._interval_s = MINUTE_S / per_minute
        self._sentence = sentence
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def check(self, key: str) -> None:
        """Raise `TooMany` when the key has been used up for now."""
        ahead_s = self._free_at.get(key, 0.0) - time.monotonic()
        if ahead_s > MINUTE_S - self._interval_s:
            wait_s = math.ceil(ahead_s - MINUTE_S + self._interval_s)
            raise TooMany(f"{self._sentence} Try again in {wait_s} s.", retry_after_s=wait_s)

    def spend(self, key: str) -> None:
        """Use the key once; raise `TooMany` when it has been used up for now."""
        self.check(key)
        free_at = max(self._free_at.get(key, 0.0), time.monotonic())
        self._free_at[key] = free_at + self._interval_s
        self._free_at.move_to_end(key)
        if len(self._free_at) > MOST_KEYS:
            self._free_at.popitem(last=False)


@dataclass(frozen=True)
class Limits:
    """What is limited."""

    sign_in: Limit
    """Wrong start codes, by address."""
    wrong_token: Limit
    """Tokens that are not valid, by address; those that are go on working."""
    strange_cookie: Limit
    """Cookies of openQA that nobody is signed in by, by address: each costs it a question."""
    token: Limit
    """Requests, by token."""


def limits(settings: Settings) -> Limits:
    """Begin to count."""
    return Limits(
        sign_in=Limit(settings.sign_in_attempts_per_minute, "Too many wrong start codes."),
        wrong_token=Limit(settings.sign_in_attempts_per_minute, "Too many wrong tokens."),
        strange_cookie=Limit(STRANGE_COOKIES_PER_MINUTE, "Too many cookies that openQA disowned."),
        token=Limit(settings.api_requests_per_minute, "Too many requests with this token."),
    )
