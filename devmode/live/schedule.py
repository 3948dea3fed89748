"""The schedule of a job as its page shows it: a row for each test module.

A test enters a module some fifty times; each time two or three rows show something else.
"""

from collections.abc import Sequence
from typing import NamedTuple

from devmode.commandserver.execution import ExecutionState
from devmode.jobs.job import Job, JobState
from devmode.jobs.modules import Module, done
from devmode.schemas import HOOK

FEW = 4
"""This many changed rows are told one by one; in a long schedule, one row in this many."""


class Row(NamedTuple):
    """One test module, with all that its row shows."""

    module: Module
    is_current: bool
    is_paused: bool
    """Whether the test pauses in it now."""
    is_chosen: bool
    """Whether the test will pause at it."""
    is_offered: bool
    """Whether that may be changed now."""


class Schedule(NamedTuple):
    """The modules, and all that their rows depend on besides."""

    modules: tuple[Module, ...]
    current: str | None
    """Full name of the module that runs, itself or its post-fail hook."""
    pause_at: object
    is_paused: bool
    is_editable: bool
    """Whether who looks may choose where to pause."""

    @property
    def rows(self) -> list[Row]:
        """A row for each module, in order."""
        return self.rows_at(range(len(self.modules)))

    @property
    def done(self) -> int:
        """How many modules have a result."""
        return done(self.modules, self.current)

    def changed_rows(self, before: "Schedule") -> list[Row] | None:
        """Return the rows that show something else than they did `before`.

        None where they can't be told apart by the names of their modules, or are so many that all
        of them is less.
        """
        names = full_names(self.modules)
        if self.modules is not before.modules and names != full_names(before.modules):
            return None
        places = self._places_to_compare(before, names)
        pairs = zip(self.rows_at(places), before.rows_at(places), strict=True)
        rows = [row for row, former in pairs if row != former]
        is_less = len(rows) <= max(FEW, len(names) // FEW)
        return rows if is_less and self._tells_apart(rows) else None

    def _places_to_compare(self, before: "Schedule", names: list[str]) -> Sequence[int]:
        """Return which rows may show something else; to whoever may choose, any."""
        if self.is_editable or before.is_editable:
            return range(len(names))
        marked = {self.current, before.current, self.pause_at, before.pause_at}
        modules = zip(names, self.modules, before.modules, strict=True)
        return [
            place
            for place, (name, module, former) in enumerate(modules)
            if name in marked or module is not former
        ]

    def _tells_apart(self, rows: list[Row]) -> bool:
        """Modules of two categories may have one name; and html knows no carriage return."""
        names = [module.name for module in self.modules]
        told = [row.module.name for row in rows]
        return all(names.count(name) == 1 and name.isprintable() for name in told)

    def rows_at(self, places: Sequence[int]) -> list[Row]:
        """Return the rows of the modules at these places."""
        offered_from = first_ahead(self.modules, self.current) if self.is_editable else None
        return [self._row(place, offered_from) for place in places]

    def _row(self, place: int, offered_from: int | None) -> Row:
        module = self.modules[place]
        name = module.full_name
        is_current, is_chosen = name == self.current, name == self.pause_at
        return Row(
            module,
            is_current,
            is_current and self.is_paused,
            is_chosen,
            offered_from is not None and (is_chosen or place >= offered_from),
        )


def first_ahead(modules: tuple[Module, ...], current: str | None) -> int:
    """Return the place of the first module that still comes after the one of this full name."""
    names = full_names(modules)
    return names.index(current) + 1 if current in names else 0


def module_of(name: str | None) -> str | None:
    """Return the full name of the module that os-autoinst is in, in its post-fail hook too."""
    return name and name.removesuffix(HOOK)


def current_module(job: Job, execution: ExecutionState) -> str | None:
    """Return the full name of the module that runs, as os-autoinst tells it."""
    if job.state is JobState.ENDED:
        return None
    return execution.module or (None if execution.known else job.current_module)


def modules_ahead(job: Job, execution: ExecutionState) -> tuple[Module, ...]:
    """Return the modules that still come after the one that runs."""
    current = module_of(current_module(job, execution))
    return job.modules[first_ahead(job.modules, current) :]


def full_names(modules: tuple[Module, ...]) -> list[str]:
    """Return how os-autoinst calls these modules."""
    return [module.full_name for module in modules]
