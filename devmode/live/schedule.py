"""The schedule of a job as its page shows it: a row for each test module.

A test enters a module some fifty times; each time two or three rows show something else.
"""

from typing import NamedTuple

from devmode.jobs.job import Module

FEW = 4
"""So many rows that changed are told one by one, or as many as one of so many."""


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
    """Full name of the module that runs."""
    pause_at: object
    is_paused: bool
    is_editable: bool
    """Whether who looks may choose where to pause."""

    @property
    def rows(self) -> list[Row]:
        """A row for each module, in order."""
        offered = {module.full_name for module in ahead(self.modules, self.current)}
        return [self._row(module, offered) for module in self.modules]

    @property
    def done(self) -> int:
        """How many modules have a result."""
        return sum(module.has_result for module in self.modules)

    def changed_rows(self, before: "Schedule") -> list[Row] | None:
        """Return the rows that show something else than they did `before`.

        None where they can't be told apart by the names of their modules, or are so many that all
        of them is less.
        """
        names = [module.name for module in self.modules]
        # Modules of two categories may have one name; and html knows no carriage return.
        is_told_apart = len(set(names)) == len(names) and all(map(str.isprintable, names))
        if not is_told_apart or names != [module.name for module in before.modules]:
            return None
        pairs = zip(self.rows, before.rows, strict=True)
        rows = [row for row, former in pairs if row != former]
        return rows if len(rows) <= max(FEW, len(names) // FEW) else None

    def _row(self, module: Module, offered: set[str]) -> Row:
        name = module.full_name
        is_current, is_chosen = name == self.current, name == self.pause_at
        return Row(
            module,
            is_current,
            is_current and self.is_paused,
            is_chosen,
            self.is_editable and (is_chosen or name in offered),
        )


def ahead(modules: tuple[Module, ...], current: str | None) -> tuple[Module, ...]:
    """Return the modules that still come after the one of this full name."""
    names = [module.full_name for module in modules]
    return modules[names.index(current) + 1 :] if current in names else modules
