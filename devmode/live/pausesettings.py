"""The pause settings as the command server has them, and what each can be set to."""

from collections.abc import Iterable
from dataclasses import dataclass

from devmode.commandserver.execution import ExecutionState, Mismatch
from devmode.jobs.modules import Module
from devmode.sessions.actions import shown_setting

OptionGroup = tuple[str, tuple[tuple[str, str], ...]]
"""What stands above some options, and each of these: what it sends and what it shows."""

_MISMATCHES: tuple[OptionGroup, ...] = (
    (
        "",
        (
            (Mismatch.OFF.value, "no"),
            (Mismatch.ASSERT_SCREEN.value, "assert_screen"),
            (Mismatch.CHECK_SCREEN.value, "assert_screen and check_screen"),
        ),
    ),
)


@dataclass(frozen=True)
class Setting:
    """A pause setting as the command server has it."""

    name: str
    label: str
    help: str
    value: str
    known: bool
    supported: bool = True
    options: tuple[OptionGroup, ...] = ()


@dataclass(frozen=True)
class Settings:
    """The four pause settings."""

    pause_at: Setting
    pause_on_mismatch: Setting
    pause_on_next_command: Setting
    pause_on_failure: Setting


def settings_of(execution: ExecutionState, offered: Iterable[Module]) -> Settings:
    """Return the settings, with those modules that one may choose to pause at."""
    return Settings(
        pause_at=_setting(
            execution, "pause_at", "Pause at module",
            "The test pauses when it reaches this module.",
            options=_modules(execution.pause_at, offered),
        ),
        pause_on_mismatch=_setting(
            execution, "pause_on_mismatch", "Pause on screen mismatch",
            "The test pauses instead of failing when no needle matches in time.",
            options=_MISMATCHES,
        ),
        pause_on_next_command=_setting(
            execution, "pause_on_next_command", "Pause on next command",
            "The test pauses before whatever it does next.",
        ),
        pause_on_failure=_setting(
            execution, "pause_on_failure", "Pause on failure",
            "The test pauses when a module dies or an API function fails;"
            " a screen mismatch has its own setting.",
            supported=execution.supports_pausing or not execution.known,
        ),
    )  # fmt: skip


def _setting(
    execution: ExecutionState,
    name: str,
    label: str,
    help_text: str,
    *,
    options: tuple[OptionGroup, ...] = (),
    supported: bool = True,
) -> Setting:
    value = shown_setting(execution, name) if execution.known else None
    return Setting(name, label, help_text, value or "", value is not None, supported, options)


def _modules(chosen: object, offered: Iterable[Module]) -> tuple[OptionGroup, ...]:
    """Return modules by category, and the one that is set though it is not offered any more."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for module in offered:
        groups.setdefault(module.category, []).append((module.full_name, module.name))
    options: list[OptionGroup] = [("", (("", "nowhere"),))]
    names = {name for group in groups.values() for name, _label in group}
    if isinstance(chosen, str) and chosen not in names:
        options.append(("", ((chosen, chosen),)))
    return (*options, *((category, tuple(group)) for category, group in groups.items()))
