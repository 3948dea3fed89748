"""The pause in long work, in which everything else has its turn."""

from typing import Final

import gevent

BREATH_S: Final = 0.001
"""Without a time, gevent's hub goes on with the work many times before it looks at a connection."""


def breathe() -> None:
    """Let everything else have its turn, between two pieces of the work."""
    gevent.sleep(BREATH_S)
