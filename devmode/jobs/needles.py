"""A needle: what a screen has to look like, as os-autoinst reads it (needle.pm, tinycv.pm).

Pure module: no files, no clock. A needle is two files, a screenshot and the JSON made here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from devmode.errors import InvalidCommand
from devmode.schemas import (
    LONGEST_NEEDLE_NAME,
    LONGEST_TAG,
    MOST_AREAS,
    MOST_TAGS,
    NEEDLE_NAME,
    SIMILARITY,
    AreaType,
)

TYPES: Final[tuple[str, ...]] = get_args(AreaType)


@dataclass(frozen=True)
class NeedleArea:
    """A part of the screenshot, in pixels: to be found, to be left out, or to be read."""

    xpos: int
    ypos: int
    width: int
    height: int
    type: str = "match"
    match: int = SIMILARITY
    """How similar the screen has to be, in percent; of the type `match` only."""

    @property
    def facts(self) -> dict[str, Any]:
        """What os-autoinst is told of it."""
        place = {"xpos": self.xpos, "ypos": self.ypos, "width": self.width, "height": self.height}
        similarity = {"match": self.match} if self.type == "match" else {}
        return {**place, "type": self.type, **similarity}


@dataclass(frozen=True)
class Needle:
    """What a screen has to look like, and the tags by which a test looks for it."""

    name: str
    tags: tuple[str, ...]
    areas: tuple[NeedleArea, ...]

    @property
    def json(self) -> bytes:
        """The content of its JSON file."""
        facts = {
            "area": [area.facts for area in self.areas],
            "properties": [],
            "tags": sorted(set(self.tags)),
        }
        return msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"


def whole(width: int, height: int) -> NeedleArea:
    """Return an area as large as a picture."""
    return NeedleArea(0, 0, width, height)


def suggested_name(words: Iterable[str], day: str) -> str:
    """Return a name as openQA suggests it: the first tag, or whatever there is, and the day."""
    first = next(filter(None, words), "needle")
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", first).lstrip(".") or "needle"
    return f"{name[: LONGEST_NEEDLE_NAME - len(day) - 1]}-{day}"


def check(needle: Needle, width: int, height: int) -> None:
    """Raise `InvalidCommand` unless os-autoinst can use a needle of a picture of this size."""
    if len(needle.name) > LONGEST_NEEDLE_NAME or not re.fullmatch(NEEDLE_NAME, needle.name):
        raise InvalidCommand(
            f"A name has up to {LONGEST_NEEDLE_NAME} letters from A to Z, digits, and the"
            " characters . _ -, and does not begin with a dot.",
            "name",
        )
    _check_tags(needle.tags)
    if len(needle.areas) > MOST_AREAS:
        raise InvalidCommand(f"A needle has at most {MOST_AREAS} areas.", "areas")
    for number, area in enumerate(needle.areas, 1):
        _check_area(number, area, width, height)
    if all(area.type != "match" for area in needle.areas):
        # tinycv.pm takes what no area contradicts for a match.
        raise InvalidCommand(
            "A needle needs an area of the type match: without one it would match every screen.",
            "areas",
        )


def _check_tags(tags: tuple[str, ...]) -> None:
    if not 0 < len(tags) <= MOST_TAGS:
        raise InvalidCommand(f"A needle has one to {MOST_TAGS} tags: tests look for them.", "tags")
    for tag in tags:
        # os-autoinst takes a space for the end of a tag.
        if not 0 < len(tag) <= LONGEST_TAG or not tag.isprintable() or " " in tag:
            raise InvalidCommand(
                f"A tag has one to {LONGEST_TAG} characters that can be seen, and no space.",
                "tags",
            )


def _check_area(number: int, area: NeedleArea, width: int, height: int) -> None:
    which = f"Area {number}"
    if area.type not in TYPES:
        raise _unusable(number, f"{which}: its type is one of {', '.join(TYPES)}.")
    if area.width < 1 or area.height < 1:
        raise _unusable(number, f"{which}: its width and height are at least 1.")
    inside = area.xpos >= 0 and area.ypos >= 0
    if not inside or area.xpos + area.width > width or area.ypos + area.height > height:
        raise _unusable(number, f"{which} leaves the picture, which is {width} × {height} pixels.")
    if not 1 <= area.match <= 100:
        raise _unusable(number, f"{which}: its match is 1 to 100 percent.")


def _unusable(number: int, sentence: str) -> InvalidCommand:
    return InvalidCommand(sentence, f"area-{number}")
