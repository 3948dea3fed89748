"""The texts that people watch: one reader for each, shared by all who see the same of it."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import gevent
import msgspec

from devmode.commandserver.address import JobToken
from devmode.jobs.archive import Archive
from devmode.jobs.registry import Job, JobState, Registry
from devmode.jobs.results import Results
from devmode.jobs.texts import LOG, SERIAL, GrowingText, open_text, texts_of
from devmode.live.excerpts import MaskedText, lines_around
from devmode.live.lines import Line
from devmode.live.masking import Masker, TypedStrings
from devmode.live.text import Cursor, Text
from devmode.live.view import Audience

POLL_S: Final = 0.1
"""How long news of a text wait at most, and how often a reader that is behind reads on."""
LINGER_S: Final = 10.0
"""How long a reader outlives its last viewer: streams are opened anew as tabs come and go."""
FLOOD_S: Final = 0.5
"""How often a text is read of which most has to be left out: a browser would be busy with it."""
PROBLEM_S: Final = 1.0
"""How often a file that is not there is looked for."""

log = logging.getLogger(__name__)


class Sight(Enum):
    """What somebody may see of a text; the job token is in none."""

    ALL = "all"
    NOTHING_TYPED = "nothing that the test typed, which may be a password"


def sight_of(audience: Audience) -> Sight:
    """Tell what an audience may see."""
    sees_all = audience in (Audience.OWNER, Audience.ADMINISTRATOR)
    return Sight.ALL if sees_all else Sight.NOTHING_TYPED


@dataclass(frozen=True)
class Wanted:
    """A text that somebody watches, from a cursor on if they have one."""

    job_id: int
    name: str
    cursor: Cursor | None


@dataclass(frozen=True)
class Glance:
    """The end of a text, for a page; its stream goes on at the cursor."""

    lines: list[Line]
    cursor: Cursor
    problem: str


@dataclass(frozen=True)
class News:
    """What is new in a text, as JSON."""

    job_id: int
    name: str
    content: bytes


SightOn = Callable[[int], Sight]
"""What a viewer may see of a job at this moment."""


class _Reader:
    """A text, with whom to tell that there is more of it."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.ears: list[Callable[[], None]] = []
        self.left_at = 0.0

    @property
    def is_wanted(self) -> bool:
        return bool(self.ears) or time.monotonic() - self.left_at < LINGER_S

    def run(self) -> None:
        while self.is_wanted:
            version = self.text.version
            self.text.poll()
            if self.text.version != version:
                for tell in tuple(self.ears):
                    tell()
            gevent.sleep(self._pause_s())

    def _pause_s(self) -> float:
        if self.text.problem:
            return PROBLEM_S
        return FLOOD_S if self.text.is_flooded else POLL_S


class Texts:
    """Reads the texts that somebody watches."""

    def __init__(self, registry: Registry, archive: Archive) -> None:
        """Read nothing yet."""
        self._registry = registry
        self._archive = archive
        self._readers: dict[tuple[int, str, Sight], _Reader] = {}

    def names(self, job_id: int) -> list[str]:
        """Return the names of a job's texts, the log first; raise `JobNotFound`."""
        there = texts_of(self._registry.get(job_id).pool_directory)
        return [*there, *(name for name in self._archive.texts(job_id) if name not in there)]

    def watch(
        self, wanted: Iterable[Wanted], sight: SightOn, tell: Callable[[], None]
    ) -> "Watching":
        """Begin to watch texts; `tell` is called when there is something to take.

        Raises `JobNotFound`, `TextNotFound` for names that no text has.
        """
        return Watching(self, wanted, sight, tell)

    def glance(self, job_id: int, name: str, sight: Sight) -> Glance:
        """Return the end of a text; raise `JobNotFound`, `TextNotFound`."""
        reader = self._readers.get((job_id, name, _effective(name, sight)))
        glance = _end_of(reader.text) if reader else self._look(job_id, name, sight)
        return glance if glance.lines else self._kept(job_id, name) or glance

    def job_changed(self, job: Job) -> None:
        """Keep the ends of the texts of a job that has ended: the next one deletes them."""
        if job.state is not JobState.ENDED:
            return
        for name in texts_of(job.pool_directory):
            end = self._look(job.id, name, Sight.NOTHING_TYPED).lines
            if end:
                self._archive.keep_text(job.id, name, msgspec.json.encode(end))

    def _look(self, job_id: int, name: str, sight: Sight) -> Glance:
        text = self._text(job_id, name, sight)
        try:
            while text.poll():
                pass
            return _end_of(text)
        finally:
            text.close()

    def _kept(self, job_id: int, name: str) -> Glance | None:
        end = self._archive.text(job_id, name)
        if end is None:
            return None
        lines = msgspec.json.decode(end, type=list[Line])
        return Glance(lines, Cursor("", 0), "This is all that was kept of it.")

    def excerpt(self, job_id: int, name: str, sight: Sight, at: int) -> list[Line]:
        """Return the lines around an offset; raise `JobNotFound`, `TextNotFound`."""
        directory = self._registry.get(job_id).pool_directory
        token = self._registry.token_in_pool(job_id)
        return lines_around(at, mask(token, name, sight), open_text(directory, token, name))

    def whole(self, job_id: int, name: str, sight: Sight) -> MaskedText:
        """Return a text masked and in pieces, to be closed; raise `JobNotFound`, `TextNotFound`."""
        directory = self._registry.get(job_id).pool_directory
        token = self._registry.token_in_pool(job_id)
        return MaskedText(mask(token, name, sight), open_text(directory, token, name))

    def results(self, job_id: int) -> Results:
        """Return the results of a job's modules; raise `JobNotFound`, `TextNotFound`."""
        directory = self._registry.get(job_id).pool_directory
        return Results(directory, self._registry.token_in_pool(job_id))

    def masked(self, job_id: int, text: bytes) -> bytes:
        """Mask the token in a text that is at hand; raise `TextNotFound`."""
        masker = mask(self._registry.token_in_pool(job_id), SERIAL, Sight.ALL)
        return masker.feed(text) + masker.finish()

    def join(self, job_id: int, name: str, sight: Sight, tell: Callable[[], None]) -> _Reader:
        """Return the reader of a text, which calls `tell` from now on."""
        key = job_id, name, _effective(name, sight)
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = _Reader(self._text(job_id, name, sight))
            gevent.spawn(self._run, key, reader).link_exception(_log_failure)
        reader.ears.append(tell)
        return reader

    @staticmethod
    def leave(reader: _Reader, tell: Callable[[], None]) -> None:
        """Have `tell` called no more."""
        reader.ears.remove(tell)
        reader.left_at = time.monotonic()

    def _text(self, job_id: int, name: str, sight: Sight) -> Text:
        directory = self._registry.get(job_id).pool_directory
        growing = GrowingText(directory, name, lambda: self._registry.token_in_pool(job_id))
        return Text(growing, lambda token: mask(token, name, sight))

    def _run(self, key: tuple[int, str, Sight], reader: _Reader) -> None:
        try:
            reader.run()
        finally:
            del self._readers[key]
            reader.text.close()


class Watching:
    """What one stream watches, and how far it has told it."""

    def __init__(
        self, texts: Texts, wanted: Iterable[Wanted], sight: SightOn, tell: Callable[[], None]
    ) -> None:
        """Begin to watch; `close` ends it."""
        self._texts = texts
        self._sight = sight
        self._tell = tell
        self._told: dict[tuple[int, str], _Told] = {}
        for one in wanted:
            reader = texts.join(one.job_id, one.name, sight(one.job_id), tell)
            self._told[one.job_id, one.name] = _Told(reader, sight(one.job_id), one.cursor)

    @property
    def has_news(self) -> bool:
        """Whether there is something to take."""
        return any(told.version != told.reader.text.version for told in self._told.values())

    def take(self) -> list[News]:
        """Take what is new in every text, the newest end of what is too much."""
        return [news for key in self._told if (news := self._news(*key))]

    @property
    def cursors(self) -> str:
        """How far this stream has told each text, to go on there."""
        return ",".join(
            f"{job_id}:{name}:{told.cursor or ''}" for (job_id, name), told in self._told.items()
        )

    def close(self) -> None:
        """Watch no more."""
        for told in self._told.values():
            self._texts.leave(told.reader, self._tell)
        self._told.clear()

    def _news(self, job_id: int, name: str) -> News | None:
        told = self._told[job_id, name]
        sight = self._sight(job_id)
        if sight is not told.sight:
            self._texts.leave(told.reader, self._tell)
            told.reader = self._texts.join(job_id, name, sight, self._tell)
            told.sight, told.version = sight, 0
        if told.version == told.reader.text.version:
            return None
        told.version = told.reader.text.version
        content, told.cursor = told.reader.text.message(told.cursor)
        return News(job_id, name, content)


@dataclass
class _Told:
    """How far a stream has told one text."""

    reader: _Reader
    sight: Sight
    cursor: Cursor | None
    version: int = 0


def _end_of(text: Text) -> Glance:
    return Glance(text.since(None), text.end, text.problem)


def mask(token: JobToken, name: str, sight: Sight) -> Masker:
    """Return what masks a text for this sight."""
    hides = _effective(name, sight) is Sight.NOTHING_TYPED
    return Masker(token.reveal().encode(), TypedStrings() if hides else None)


def _effective(name: str, sight: Sight) -> Sight:
    """Only the log tells what was typed."""
    return sight if name == LOG else Sight.ALL


def _log_failure(greenlet: "gevent.Greenlet[..., None]") -> None:
    log.error("a reader of texts failed", exc_info=greenlet.exc_info)
