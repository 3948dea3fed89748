"""When recurring work is done: all of it at the same moments.

A process with little to do wakes a few times a second instead of for each of a dozen small things,
each time with what it needs forgotten by the processor (docs/performance.md).
"""

import random
import time

EARLY_S = 0.02
"""A wait may end this much too early: the beat that it was for is not waited for again."""
_phase_s = random.uniform(0, 60)  # noqa: S311 - not all processes in one moment, no secret


def to_beat_s(every_s: float) -> float:
    """Return how long it is to the next of the moments that are `every_s` apart, in seconds."""
    left_s = every_s - (time.monotonic() - _phase_s) % every_s
    return left_s if left_s > EARLY_S else left_s + every_s


def is_due(age_s: float, every_s: float, beat_s: float) -> bool:
    """Tell on a beat whether what was done so long ago is to be done again.

    It was done a little after a beat: with half a beat of slack it need not wait for one more.
    """
    return age_s > every_s - beat_s / 2
