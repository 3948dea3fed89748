"""Tests wait for what they need to be true, and never just for a while."""

import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], what: str, limit_s: float = 15) -> Any:
    """Waits until something is true, and returns it."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{limit_s} s were not enough for {what}"
        time.sleep(0.02)
    return found
