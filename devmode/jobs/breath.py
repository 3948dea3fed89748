"""The pause in long work, in which everything else has its turn."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import gevent

T = TypeVar("T")

BREATH_S: Final = 0.001
"""Without a time, gevent's hub goes on with the work many times before it looks at a connection."""


def breathe() -> None:
    """Let everything else have its turn, between two pieces of the work."""
    gevent.sleep(BREATH_S)


def in_breaths(items: Iterable[T], at_once: int) -> Iterator[T]:
    """Yield each, and breathe after every so many of them."""
    for count, item in enumerate(items, 1):
        yield item
        if count % at_once == 0:
            breathe()
