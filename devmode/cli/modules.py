"""The test modules of a job's schedule, as people name them.

Pure module: no sockets, no Flask, no database, no clock.
"""

from devmode.schemas import RESULTS, Job, Module


def full_name(module: Module) -> str:
    """Return the name that means this module alone."""
    return f"{module.category}-{module.name}"


def has_result(module: Module) -> bool:
    """Tell whether it has ended, or was left out."""
    return module.result in RESULTS


def has_told(module: Module) -> bool:
    """Tell whether it has told any result, be it not its last."""
    return module.result not in ("", "none", "running")


def named(job: Job, text: str) -> tuple[Module, ...]:
    """Return the modules that are meant: by the full name one, without the category any number."""
    return tuple(module for module in job.modules if text in (module.name, full_name(module)))
