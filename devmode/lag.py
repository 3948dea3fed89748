"""How long the greenlets of this process let each other wait, as its event loop sees it.

To look now and then would wake the process each time, and miss what is over by then. The loop tells
when it wakes and when it goes to sleep again: all that lies between kept somebody waiting.
"""

import time

import gevent

TOLD_S = 30.0
"""The worst is told for at least this long, and at most twice as long: it is seldom asked for."""
FIRST, LAST = 2, -2
"""Of what the loop does between one sleep and the next, as libev numbers it."""


class Lag:
    """The longest time in which the loop of this thread did not look what else there is to do."""

    def __init__(self) -> None:
        """Watch from now on."""
        loop = gevent.get_hub().loop
        self._began = self._woke_at = time.monotonic()
        self._worst_s = self._worst_before_s = 0.0
        self._waking = loop.check(ref=False, priority=FIRST)
        self._resting = loop.prepare(ref=False, priority=LAST)
        self._waking.start(self._wake)
        self._resting.start(self._rest)

    def worst_s(self) -> float:
        """Return the worst of the last half minute to minute, in seconds; to be asked often."""
        if time.monotonic() - self._began > TOLD_S:
            self._began = time.monotonic()
            self._worst_before_s, self._worst_s = self._worst_s, 0.0
        return max(self._worst_s, self._worst_before_s)

    def _wake(self) -> None:
        self._woke_at = time.monotonic()

    def _rest(self) -> None:
        self._worst_s = max(self._worst_s, time.monotonic() - self._woke_at)
