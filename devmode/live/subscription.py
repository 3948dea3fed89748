"""What one browser's stream watches, and what waits to be sent on it.

States are replaced, never queued: a browser that reads slowly gets the newest, not a backlog.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
from gevent.event import Event

from devmode import metrics
from devmode.live.audience import Audience
from devmode.live.frame import Frame
from devmode.sessions.users import Visitor

DASHBOARD = 0
"""Stands for the list of jobs where a job's number would."""

Regions = dict[str, str]
"""Regions of a page by name, as html; “REGION/ID” is the whole element of that id in a region."""


def merged(known: Regions, later: Regions) -> Regions:
    """Return both as one: what is known of a part is old once its region is told again."""
    valid = {name: html for name, html in known.items() if name.partition("/")[0] not in later}
    return valid | later


@dataclass(frozen=True)
class News:
    """Regions of one subject that changed; the same object for all who are told the same."""

    subject: int
    regions: Regions

    @cached_property
    def event(self) -> bytes:
        """The news as the streams of pages send them: JSON in a server-sent event."""
        about = {"dashboard": True} if self.subject == DASHBOARD else {"job": self.subject}
        regions = {name: html for name, html in self.regions.items() if name != "title"}
        said = msgspec.json.encode(about | {"title": self.regions.get("title"), "regions": regions})
        return b"data: %b\n\n" % said

    def followed_by(self, later: "News") -> "News":
        """Return both as one."""
        return News(self.subject, merged(self.regions, later.regions))


def _hold_back(_news: News) -> bool:
    return False


def _leave_alone() -> None:
    pass


@dataclass(eq=False)
class Subscription:
    """One browser's stream: what it watches, and what it has yet to be sent."""

    visitor: Visitor
    tabs: Counter[int]
    audience: Audience | None = None
    """Set where something else than the visitor's part in a job decides what they are sent."""
    audiences: dict[int, Audience] = field(default_factory=dict)
    """As which audience it was last sent something, by subject."""
    pending: dict[int, News] = field(default_factory=dict)
    frames: dict[int, Frame] = field(default_factory=dict)
    """The newest picture that waits to be sent, by job."""
    looks_at: set[int] = field(default_factory=set)
    """The jobs whose screens are kept fresh for it."""
    ready: Event = field(default_factory=Event)
    """Set while there may be something to take."""
    woken: Callable[[], None] = _leave_alone
    """Called when `ready` is set; must not wait."""
    deliver: Callable[[News], bool] = _hold_back
    """Tells news at once; False where they have to wait, because something else is being sent."""
    signed_out: bool = False
    gone: bool = False

    @property
    def wants_pictures(self) -> bool:
        """Whether the screen is looked at: programs read, and pictures cost."""
        return self.audience not in (Audience.PROGRAM, Audience.LIVEHANDLER)

    @property
    def is_tab(self) -> bool:
        """Whether it counts as an open tab: the pictures of a page come beside its other stream."""
        return self.audience is not Audience.SCREEN

    def part(self) -> None:
        """Refer no longer to who is told: cycles stay for long (gunicorn.conf.py)."""
        self.woken, self.deliver = _leave_alone, _hold_back

    def wake(self) -> None:
        """Have it look what there is to take, or whether it is over."""
        self.ready.set()
        self.woken()

    def offer(self, news: News) -> None:
        """Have news told, or replace what waits to be by what is newer."""
        if not news.regions or (not self.pending and self.deliver(news)):
            return
        waiting = self.pending.get(news.subject)
        self.pending[news.subject] = waiting.followed_by(news) if waiting else news
        self.wake()

    def show(self, frame: Frame) -> None:
        """Replace the picture that waits to be sent by a newer one."""
        if not self.wants_pictures:
            return
        if frame.job_id in self.frames:
            metrics.SUPERSEDED.inc()
        self.frames[frame.job_id] = frame
        self.wake()

    def take_frames(self) -> list[Frame]:
        """Take the pictures that wait."""
        frames, self.frames = list(self.frames.values()), {}
        return frames

    def take(self) -> list[News]:
        """Take everything that waits."""
        self.ready.clear()
        pending, self.pending = self.pending, {}
        return list(pending.values())
