"""The texts of a job: beside its screen, in the stream, and to be saved."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Request, Response, render_template, request

from devmode.digits import number_of
from devmode.errors import HostAway, InvalidCommand, TextNotFound
from devmode.jobs.texts import LOG, SERIAL, file_of
from devmode.live.audience import Audience
from devmode.live.lines import Line
from devmode.live.sight import Sight, sight_of
from devmode.live.subscription import Subscription
from devmode.live.text import read_cursor
from devmode.live.texts import Pieces, SightOn, Wanted, Watching
from devmode.live.timeline import GROUPS
from devmode.web import devmode
from devmode.web.operations import TEXT
from devmode.web.security import visitor

blueprint = Blueprint("texts", __name__, url_prefix="/jobs/<int:job_id>")

TIMELINE: Final = "timeline"
MOST_TEXTS: Final = 100
LONGEST_SEARCH: Final = 200
_WANTED = re.compile(r"(?P<job>[0-9]{1,15}):(?P<name>\w{1,60})(:(?P<cursor>[0-9.-]{1,80})?)?")


@dataclass(frozen=True)
class Tab:
    """One of the panel's tabs."""

    name: str
    label: str


@dataclass(frozen=True)
class Panel:
    """What stands under the screen: one of the texts, or the timeline."""

    name: str
    tabs: list[Tab]
    lines: list[Line]
    cursor: str = ""
    """Where the stream goes on; empty where the text stands still."""
    problem: str = ""
    at: int | None = None
    """The offset that was asked for, instead of the end."""
    find: str = ""
    """The words that were looked for in the whole text."""

    @property
    def shows_end(self) -> bool:
        """Whether nothing else of the text was asked for."""
        return self.at is None and not self.find

    @property
    def groups(self) -> list[tuple[str, str]]:
        """What the timeline may be narrowed to, with labels."""
        everything = ("everything", "Everything")
        return [everything, *((group.name, group.label) for group in GROUPS)]

    @property
    def label(self) -> str:
        """Name of the tab that is open."""
        return next((tab.label for tab in self.tabs if tab.name == self.name), self.name)


def panel(job_id: int, audience: Audience) -> Panel:
    """Return the panel that this request asks for; the log unless it says otherwise."""
    tabs = [Tab(name, _label(name)) for name in devmode().texts.names(job_id)]
    tabs.append(Tab(TIMELINE, "Timeline"))
    name = request.args.get("panel", LOG)
    if name == TIMELINE:
        return Panel(name, tabs, [])
    file_of(name)
    sight = sight_of(audience)
    at = number_of(request.args.get("at", ""))
    if at is not None:
        return _excerpt(job_id, name, sight, at, tabs)
    words = request.args.get("find", "")[:LONGEST_SEARCH]
    if words:
        return _found(job_id, name, sight, words, tabs)
    end = devmode().texts.glance(job_id, name, sight)
    return Panel(name, tabs, end.lines, str(end.cursor or ""), end.problem)


def _found(job_id: int, name: str, sight: Sight, words: str, tabs: list[Tab]) -> Panel:
    try:
        found = devmode().texts.found(job_id, name, sight, words)
    except (TextNotFound, HostAway) as error:
        return Panel(name, tabs, [], problem=error.sentence, find=words)
    many = "1 line holds" if len(found.lines) == 1 else f"{len(found.lines):,} lines hold"
    count = f"{many} “{words}”."
    problem = count if found.is_all else f"{count} There may be more: look for something longer."
    return Panel(name, tabs, found.lines, problem=problem, find=words)


def _excerpt(job_id: int, name: str, sight: Sight, at: int, tabs: list[Tab]) -> Panel:
    try:
        lines = devmode().texts.excerpt(job_id, name, sight, at)
    except (TextNotFound, HostAway) as error:
        return Panel(name, tabs, [], problem=error.sentence, at=at)
    return Panel(name, tabs, lines, at=at)


@blueprint.get("/panel")
def show(job_id: int) -> str:
    """Show the panel alone, for a page that opens another tab of it."""
    view = devmode().feed.view(job_id)
    audience = devmode().feed.audience_of(visitor(), job_id)
    return render_template(
        "jobs/_panel.html", view=view, audience=audience, panel=panel(job_id, audience)
    )


@blueprint.get("/log", defaults={"name": LOG}, endpoint="log")
@blueprint.get("/serial", defaults={"name": SERIAL}, endpoint="serial")
@blueprint.get("/texts/<name>", endpoint="text")
def save(job_id: int, name: str) -> Response:
    """Give a text whole, to be saved, as this visitor may see it."""
    pieces = whole_text(job_id, name)
    file = f"job-{job_id}-{file_of(name)}"
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    return Response(pieces, mimetype=TEXT, headers=headers)


def whole_text(job_id: int, name: str) -> Pieces:
    """Return a text as who asks may see it, in pieces; raise as `Texts.whole` does."""
    sight = sight_of(devmode().feed.audience_of(visitor(), job_id))
    return devmode().texts.whole(job_id, name, sight)


def wanted_texts(request: Request, subjects: list[int]) -> list[Wanted]:
    """Read which texts a stream is to tell, and from where on.

    A browser that comes back says in `Last-Event-ID` how far it got; that is newer than the query.
    """
    told = request.headers.get("Last-Event-ID") or request.args.get("texts", "")
    matches = [_WANTED.fullmatch(part) for part in told.split(",") if part]
    wanted = [
        Wanted(int(match["job"]), match["name"], read_cursor(match["cursor"] or ""))
        for match in matches
        if match and int(match["job"]) in subjects
    ]
    different = {(one.job_id, one.name) for one in wanted}
    if len(different) < len(matches) or len(different) > MOST_TEXTS:
        raise InvalidCommand(
            f"“texts” is a list of up to {MOST_TEXTS} different texts of the watched jobs."
        )
    for one in wanted:
        file_of(one.name)
    return wanted


def sight_on(subscription: Subscription, wanted: Iterable[Wanted]) -> SightOn:
    """Return who tells what a stream's visitor may see of a job, as the feed has it."""
    feed, watcher = devmode().feed, subscription.visitor
    first = {one.job_id: feed.audience_of(watcher, one.job_id) for one in wanted}
    return lambda job_id: sight_of(subscription.audiences.get(job_id, first[job_id]))


def text_events(texts: Watching) -> bytes:
    """Return what is new in the texts, as events that say how far the stream is."""
    events = [
        b'event: text\ndata: {"job":%d,"name":"%s","news":%s}\n'
        % (news.job_id, news.name.encode(), news.content)
        for news in texts.take()
    ]
    return b"".join(b"id: %s\n%s\n" % (texts.cursors.encode(), event) for event in events)


def _label(name: str) -> str:
    if name == LOG:
        return "Log"
    return "Serial" if name == SERIAL else name.removeprefix("virtio_").replace("_", " ")
