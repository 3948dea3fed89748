"""A channel: one job, or the list of jobs, with those who watch it and what they were told."""

import math
import time
from collections import defaultdict
from dataclasses import dataclass, field

import gevent

from devmode.cluster.turns import Turns
from devmode.live.audience import Audience
from devmode.live.renderings import Shown
from devmode.live.subscription import Subscription
from devmode.live.views import Written

BREATH_S = 0.005
"""A change is told at once; those that follow within this time are told together."""


@dataclass
class Channel:
    """One job, or the list of jobs, with those who watch it."""

    subscribers: set[Subscription] = field(default_factory=set)
    shown: dict[Audience, Shown] = field(default_factory=lambda: defaultdict(dict))
    """What each audience was told last."""
    changed: bool = False
    serving: bool = False
    """Whether a greenlet tells what changed; there is none while nothing happens."""
    told_at: float = -math.inf
    """When something was told last, by the monotonic clock."""
    written: Written = field(default_factory=Written)
    looking_again: "gevent.Greenlet[..., None] | None" = None
    outdated: bool = True
    """Whether `written` has to be read again."""
    reading: Turns = field(default_factory=Turns)
    """Taken while `written` is read, when `outdated` is False already."""

    def rest_s(self, pace_s: float) -> float:
        """Return how long to wait so that nobody is told more often than every `pace_s`."""
        return max(0.0, self.told_at + pace_s - time.monotonic())

    @property
    def is_at_rest(self) -> bool:
        """Whether a change can be told now, by whoever notices it."""
        return self.is_up_to_date and not (self.serving or self.rest_s(BREATH_S))

    @property
    def is_up_to_date(self) -> bool:
        """Whether `written` need not be read, nor waited for."""
        return not (self.outdated or self.reading.is_taken)
