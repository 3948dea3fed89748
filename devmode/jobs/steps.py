"""The steps of a test module, as `result-NAME.json` tells them (basetest.pm, save_test_result).

Pure module. The file is written by whoever may write into the pool directory: what is not as it
should be is left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from devmode.schemas import LARGEST_SIDE, DrawnArea

MOST_STEPS: Final = 2000
MOST_NEEDLES: Final = 50
MOST_AREAS: Final = 50
_FILE = re.compile(r"[\w+@:,~-][\w.+@:,~-]{0,200}\.(?:png|txt)")


@dataclass(frozen=True)
class Needle:
    """A needle that was compared with the screen."""

    name: str
    areas: tuple[DrawnArea, ...]

    @property
    def similarity(self) -> int:
        """How similar its areas are on the average, in percent."""
        return sum(area.similarity for area in self.areas) // max(1, len(self.areas))


@dataclass(frozen=True)
class Step:
    """One thing that a module recorded: a screenshot, with or without needles, or a text."""

    result: str
    title: str
    screenshot: str | None
    text: str | None
    tags: tuple[str, ...]
    matched: Needle | None
    candidates: tuple[Needle, ...]
    """The needles that did not match, the most similar first."""

    @property
    def failed(self) -> bool:
        """Whether this step is why the module failed."""
        return self.result == "fail"

    @property
    def drawn(self) -> tuple[DrawnArea, ...]:
        """The areas of the needle that matched, or else of the one that nearly did."""
        needle = self.matched or next(iter(self.candidates), None)
        return needle.areas if needle else ()

    @property
    def caption(self) -> str:
        """The step in a few words."""
        if self.matched:
            return f"{self.matched.name} {self.matched.similarity} %"
        if self.tags:
            return ", ".join(self.tags)
        return self.title or ("screenshot" if self.screenshot else self.result)


def is_result_file(name: str) -> bool:
    """Whether a result may have this name: no folder, nothing hidden."""
    return _FILE.fullmatch(name) is not None


def read_steps(content: Any) -> tuple[Step, ...]:
    """Return the steps of a decoded result file, in order."""
    details = content.get("details") if isinstance(content, dict) else None
    return tuple(_step(detail) for detail in _dicts(details, MOST_STEPS))


def _step(detail: dict[str, Any]) -> Step:
    candidates = [_needle(needle, "name") for needle in _dicts(detail.get("needles"), MOST_NEEDLES)]
    tags = detail.get("tags")
    return Step(
        result=_text(detail.get("result")) or "unk",
        title=_text(detail.get("title")),
        screenshot=_file(detail.get("screenshot")),
        text=_file(detail.get("text")),
        tags=tuple(_text(tag) for tag in tags[:MOST_NEEDLES]) if isinstance(tags, list) else (),
        matched=_needle(detail, "needle") if _text(detail.get("needle")) else None,
        candidates=tuple(sorted(candidates, key=lambda needle: -needle.similarity)),
    )


def _needle(facts: dict[str, Any], name: str) -> Needle:
    areas = tuple(_area(area) for area in _dicts(facts.get("area"), MOST_AREAS))
    return Needle(_text(facts.get(name)), areas)


def _area(facts: dict[str, Any]) -> DrawnArea:
    return DrawnArea(
        x=_pixels(facts.get("x")),
        y=_pixels(facts.get("y")),
        width=_pixels(facts.get("w")),
        height=_pixels(facts.get("h")),
        matched=facts.get("result") == "ok",
        similarity=min(100, _pixels(facts.get("similarity"))),
    )


def _dicts(value: Any, most: int) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value[:most] if isinstance(item, dict))


def _text(value: Any) -> str:
    return value[:500] if isinstance(value, str) else ""


def _file(value: Any) -> str | None:
    return value if isinstance(value, str) and is_result_file(value) else None


def _pixels(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(min(max(value, 0), LARGEST_SIDE)) if value == value else 0  # NaN differs from itself
