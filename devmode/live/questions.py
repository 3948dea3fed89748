"""What a process asks another host about a job there, besides `devmode/jobs/elsewhere.py`.

Each names a job, and at most a text, a module or a result of it by the names that pages use too:
whoever answers checks them as it checks those of a visitor.
"""

from dataclasses import dataclass

import msgspec

from devmode.jobs.screenshots import Picture
from devmode.live.lines import Line
from devmode.live.sight import Sight


class FollowScreen(msgspec.Struct, tag=True, frozen=True):
    """What does the SUT show? The answer, of `Seen`, goes on while it is read."""

    job_id: int


class LatestPicture(msgspec.Struct, tag=True, frozen=True):
    """Which picture is the latest, or the last? Answered by a `Picture` or None."""

    job_id: int


class HoldPicture(msgspec.Struct, tag=True, frozen=True):
    """Hold the latest picture among the results. Answered by its name there."""

    job_id: int


class FollowText(msgspec.Struct, tag=True, frozen=True):
    """What is in a text behind a cursor? The answer, of `Grown`, goes on while it is read."""

    job_id: int
    name: str
    sight: Sight
    cursor: str


class TextNames(msgspec.Struct, tag=True, frozen=True):
    """Which texts does a job have? Answered by their names."""

    job_id: int


class EndOfText(msgspec.Struct, tag=True, frozen=True):
    """What is the end of a text? Answered by a `Glance`."""

    job_id: int
    name: str
    sight: Sight


class Excerpt(msgspec.Struct, tag=True, frozen=True):
    """What stands around an offset? Answered by a list of lines."""

    job_id: int
    name: str
    sight: Sight
    at: int


class WholeText(msgspec.Struct, tag=True, frozen=True):
    """What is the whole text? Answered by pieces of bytes."""

    job_id: int
    name: str
    sight: Sight


class Steps(msgspec.Struct, tag=True, frozen=True):
    """What did a module record? Answered by a list of `ShownStep`."""

    job_id: int
    module: str


class Result(msgspec.Struct, tag=True, frozen=True):
    """What is in a result? Answered by the bytes of a picture, or of a masked text."""

    job_id: int
    name: str


class Thumbnail(msgspec.Struct, tag=True, frozen=True):
    """What does a result look like, in small? Answered by the bytes of a picture."""

    job_id: int
    name: str


@dataclass(frozen=True)
class Seen:
    """A screen as another host sees it."""

    picture: Picture | None
    problem: str | None


@dataclass(frozen=True)
class Grown:
    """What a text has behind a cursor, and how it is."""

    generation: str
    begin: int
    """What was known from this offset on is replaced."""
    lines: list[Line]
    unfinished: Line | None
    problem: str
    is_flooded: bool
