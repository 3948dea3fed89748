"""The wait before another try."""

import random

import gevent


def rest(longest_s: float) -> None:
    """Wait for up to so many seconds: not all that lost something try again in one moment."""
    gevent.sleep(random.uniform(0.5, 1) * longest_s)  # noqa: S311 - spreads, no secret
