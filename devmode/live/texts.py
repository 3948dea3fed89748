"""The texts that people watch: one reader for each, shared by all who see the same of it."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import gevent
import msgspec

from devmode.background import in_background
from devmode.commandserver.address import JobToken
from devmode.errors import HostAway
from devmode.jobs.archive import Archive
from devmode.jobs.elsewhere import Elsewhere
from devmode.jobs.job import Job, JobState
from devmode.jobs.registry import Registry
from devmode.jobs.texts import EXPECTED, LOG, GrowingText, open_text, texts_of
from devmode.live.distant import DistantText
from devmode.live.excerpts import MaskedText, lines_around
from devmode.live.finding import lines_with
from devmode.live.lines import Line
from devmode.live.masking import Masker, TypedStrings
from devmode.live.questions import EndOfText, Excerpt, TextNames, WholeText
from devmode.live.sight import Sight
from devmode.live.text import Cursor, ReadText, Text

POLL_S: Final = 0.1
"""How long news of a text wait at most, and how often a reader that is behind reads on."""
LINGER_S: Final = 10.0
"""How long a reader outlives its last viewer: streams are opened anew as tabs come and go."""
FLOOD_S: Final = 0.5
"""How often a text is read of which most has to be left out: a browser would be busy with it."""
PROBLEM_S: Final = 1.0
"""How often a file that is not there is looked for."""

MOST_FOUND: Final = 500
SEARCH_S: Final = 10.0
"""How many lines are found at most, and how long a search may take."""


@dataclass(frozen=True)
class Found:
    """The lines of a whole text that hold what was looked for."""

    lines: list[Line]
    is_all: bool


@dataclass(frozen=True)
class Wanted:
    """A text that somebody watches, from a cursor on if they have one."""

    job_id: int
    name: str
    cursor: Cursor | None


@dataclass(frozen=True)
class Glance:
    """The end of a text, for a page; its stream goes on at the cursor, if the text does."""

    lines: list[Line]
    cursor: Cursor | None
    problem: str


@dataclass(frozen=True)
class News:
    """What is new in a text, as JSON."""

    job_id: int
    name: str
    content: bytes


Pieces = MaskedText | Generator[bytes, None, None]
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

    def __init__(self, registry: Registry, elsewhere: Elsewhere, archive: Archive) -> None:
        """Read nothing yet."""
        self._registry = registry
        self._elsewhere = elsewhere
        self._archive = archive
        self._readers: dict[tuple[int, str, Sight], _Reader] = {}

    def names(self, job_id: int) -> list[str]:
        """Return the names of a job's texts, the log first; raise `JobNotFound`."""
        job = self._registry.get(job_id)
        there = texts_of(job.pool_directory) if self._registry.is_here(job) else self._told(job)
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
        job = self._registry.get(job_id)
        if not self._registry.is_here(job):
            return self._glance_elsewhere(job, name, sight)
        reader = self._readers.get((job_id, name, _effective(name, sight)))
        glance = _end_of(reader.text) if reader else self._look(job, name, sight)
        return glance if glance.lines else self._kept(job_id, name) or glance

    def job_changed(self, job: Job) -> None:
        """Keep the ends of the texts of a job that has ended: the next one deletes them."""
        if job.state is not JobState.ENDED or not self._registry.is_here(job):
            return
        for name in texts_of(job.pool_directory):
            end = self._look(job, name, Sight.NOTHING_TYPED).lines
            if end:
                self._archive.keep_text(job.id, name, msgspec.json.encode(end))

    def _told(self, job: Job) -> list[str]:
        try:
            return self._elsewhere.ask(job, TextNames(job.id), list[str])
        except HostAway:
            return list(EXPECTED)

    def _glance_elsewhere(self, job: Job, name: str, sight: Sight) -> Glance:
        try:
            return self._elsewhere.ask(job, EndOfText(job.id, name, sight), Glance)
        except HostAway as error:
            return Glance([], Cursor("", 0), f"{error.sentence} Its texts are there.")

    def _look(self, job: Job, name: str, sight: Sight) -> Glance:
        text = self._text(job, name, sight)
        try:
            # Once: that reads all of the end, and some are written faster than they are read.
            text.poll()
            return _end_of(text)
        finally:
            text.close()

    def _kept(self, job_id: int, name: str) -> Glance | None:
        end = self._archive.text(job_id, name)
        if end is None:
            return None
        lines = msgspec.json.decode(end, type=list[Line])
        return Glance(lines, None, "This is all that was kept of it.")

    def excerpt(self, job_id: int, name: str, sight: Sight, at: int) -> list[Line]:
        """Return the lines around an offset; raise as `whole` does."""
        job = self._registry.get(job_id)
        if not self._registry.is_here(job):
            return self._elsewhere.ask(job, Excerpt(job_id, name, sight, at), list[Line])
        token = self._registry.token_in_pool(job_id)
        file = open_text(job.pool_directory, token, name)
        return lines_around(at, mask(token, name, sight), file)

    def whole(self, job_id: int, name: str, sight: Sight) -> Pieces:
        """Return a text masked and in pieces, to be closed.

        Raises `JobNotFound`, `TextNotFound`, `HostAway`.
        """
        job = self._registry.get(job_id)
        if not self._registry.is_here(job):
            return self._whole_elsewhere(job, name, sight)
        token = self._registry.token_in_pool(job_id)
        return MaskedText(mask(token, name, sight), open_text(job.pool_directory, token, name))

    def found(self, job_id: int, name: str, sight: Sight, words: str) -> Found:
        """Return the lines that hold these words, some of too many; raise as `whole` does."""
        until = time.monotonic() + SEARCH_S
        lines: list[Line] = []
        with contextlib.closing(self.whole(job_id, name, sight)) as pieces:
            for more in lines_with(words, pieces):
                lines += more
                if len(lines) >= MOST_FOUND or time.monotonic() > until:
                    return Found(lines[:MOST_FOUND], is_all=False)
                gevent.sleep(0)
        return Found(lines, is_all=True)

    def _whole_elsewhere(self, job: Job, name: str, sight: Sight) -> Pieces:
        pieces = self._elsewhere.follow(job, WholeText(job.id, name, sight), bytes)
        # What is wrong is raised now, while it can still be told.
        return _begun(next(pieces, b""), pieces)

    def join(self, job_id: int, name: str, sight: Sight, tell: Callable[[], None]) -> _Reader:
        """Return the reader of a text, which calls `tell` from now on."""
        key = job_id, name, _effective(name, sight)
        reader = self._readers.get(key)
        if reader is None:
            text = self._text(self._registry.get(job_id), name, sight)
            reader = self._readers[key] = _Reader(text)
            failed = "a reader of texts failed"
            in_background(failed, self._run, key, reader, job=job_id, text=name)
        reader.ears.append(tell)
        return reader

    @staticmethod
    def leave(reader: _Reader, tell: Callable[[], None]) -> None:
        """Have `tell` called no more."""
        reader.ears.remove(tell)
        reader.left_at = time.monotonic()

    def _text(self, job: Job, name: str, sight: Sight) -> Text:
        if not self._registry.is_here(job):
            return DistantText(self._elsewhere, job, name, sight)
        growing = GrowingText(
            job.pool_directory, name, lambda: self._registry.token_in_pool(job.id)
        )
        return ReadText(growing, lambda token: mask(token, name, sight))

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
        try:
            for one in wanted:
                reader = texts.join(one.job_id, one.name, sight(one.job_id), tell)
                self._told[one.job_id, one.name] = _Told(reader, sight(one.job_id), one.cursor)
        except BaseException:
            self.close()
            raise

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


def _begun(first: bytes, others: Iterator[bytes]) -> Generator[bytes, None, None]:
    yield first
    yield from others


def _end_of(text: Text) -> Glance:
    return Glance(text.since(None), text.end, text.problem)


def mask(token: JobToken, name: str, sight: Sight) -> Masker:
    """Return what masks a text for this sight."""
    hides = _effective(name, sight) is Sight.NOTHING_TYPED
    return Masker(token.reveal().encode(), TypedStrings() if hides else None)


def _effective(name: str, sight: Sight) -> Sight:
    """Only the log tells what was typed."""
    return sight if name == LOG else Sight.ALL
