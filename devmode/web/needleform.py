"""The form in which a needle is made: what stands in its fields, and what needle is meant."""

from dataclasses import dataclass
from typing import Final

from werkzeug.datastructures import MultiDict

from devmode.digits import number_of
from devmode.errors import InvalidCommand
from devmode.jobs.needles import Needle, NeedleArea, suggested_name, whole
from devmode.live.drafts import Draft
from devmode.schemas import MOST_AREAS

NUMBERS: Final = ("xpos", "ypos", "width", "height")
FIELDS: Final = (*NUMBERS, "type", "match")
LONGEST: Final = 12_000
"""As long as all tags that there may be."""

Row = dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """Why the form was not taken."""

    sentence: str
    field: str
    """What it is about: `name`, `tags`, `areas`, `area-` and a number, or nothing of these."""


@dataclass(frozen=True)
class NeedleForm:
    """The fields as text, so that nothing that was typed is lost."""

    name: str
    tags: str
    rows: tuple[Row, ...]
    tentative: bool = False
    """Whether the only area is the whole picture, for want of a better one."""

    def with_row(self, draft: Draft) -> "NeedleForm":
        """Return the form with one more area."""
        row = _row(whole(draft.width, draft.height))
        return NeedleForm(self.name, self.tags, (*self.rows, row)[:MOST_AREAS])

    def without_row(self, number: str) -> "NeedleForm":
        """Return the form without the area of this number, if there is one."""
        kept = (row for count, row in enumerate(self.rows, 1) if str(count) != number)
        return NeedleForm(self.name, self.tags, tuple(kept))

    def needle(self) -> Needle:
        """Return the needle that is meant; raise `InvalidCommand` where a number is none."""
        areas = (_area(number, row) for number, row in enumerate(self.rows, 1))
        tags = dict.fromkeys(self.tags.split())
        return Needle(self.name.strip(), tuple(tags), tuple(areas))


def drafted(draft: Draft, day: str) -> NeedleForm:
    """Return the form that a draft begins with; `day` is part of the suggested name."""
    name = suggested_name((*draft.tags, draft.source.module), day)
    rows = tuple(_row(area) for area in draft.beginning)
    return NeedleForm(name, " ".join(draft.tags), rows, tentative=not draft.areas)


def filled_in(fields: MultiDict[str, str]) -> NeedleForm:
    """Return a form as it was sent."""
    columns = (fields.getlist(field) for field in FIELDS)
    # One area more than there may be, so that it is told.
    rows = list(zip(*columns, strict=False))[: MOST_AREAS + 1]
    return NeedleForm(
        name=fields.get("name", "")[:LONGEST],
        tags=fields.get("tags", "")[:LONGEST],
        rows=tuple(dict(zip(FIELDS, row, strict=True)) for row in rows),
    )


def _row(area: NeedleArea) -> Row:
    return {field: str(getattr(area, field)) for field in FIELDS}


def _area(number: int, row: Row) -> NeedleArea:
    values = {field: _whole_number(number, row[field]) for field in (*NUMBERS, "match")}
    return NeedleArea(**values, type=row["type"])


def _whole_number(number: int, text: str) -> int:
    value = number_of(text.strip())
    if value is None:
        raise InvalidCommand(f"Area {number}: “{text[:20]}” is not a number.", f"area-{number}")
    return value
