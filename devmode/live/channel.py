"""A channel: one job, or the list of jobs, with those who watch it and what they were told."""

import math
import time
from collections import defaultdict
from dataclasses import dataclass, field

import gevent
from gevent.lock import RLock

from devmode.jobs.uploads import Progress
from devmode.live.audience import Audience
from devmode.live.renderings import Shown
from devmode.live.subscription import Subscription
from devmode.sessions.store import EventFacts, SessionFacts

BREATH_S = 0.005
"""A change is told at once; those that follow within this time are told together."""


@dataclass(frozen=True)
class Recorded:
    """What the database says about a job; read anew only after a notice."""

    session: SessionFacts | None = None
    events: tuple[EventFacts, ...] = ()
    uploads: Progress | None = None
    is_old: bool = False
    """The database can't be reached; this is what it said last."""


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
    recorded: Recorded = field(default_factory=Recorded)
    looking_again: "gevent.Greenlet[..., None] | None" = None
    outdated: bool = True
    """Whether `recorded` has to be read again."""
    reading: RLock = field(default_factory=RLock)
    """Held while `recorded` is read, when `outdated` is False already."""

    def rest_s(self, pace_s: float) -> float:
        """Return how long to wait so that nobody is told more often than every `pace_s`."""
        return max(0.0, self.told_at + pace_s - time.monotonic())

    @property
    def is_at_rest(self) -> bool:
        """Whether a change can be told now, by whoever notices it."""
        busy = self.serving or self.outdated or self.reading.locked()
        return not (busy or self.rest_s(BREATH_S))
