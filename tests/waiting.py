"""Tests wait for what they need to be true, and never just for a while."""

import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 60.0
"""Much longer than anything takes that a test waits for: the machine may be busy."""


def until(condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Waits until something is true, and returns it."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{limit_s} s were not enough for {what}"
        time.sleep(0.02)
    return found
