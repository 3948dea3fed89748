"""For how long a command waits."""

import math
import time
from collections.abc import Callable
from threading import Thread

import click

from devmode.cli.exits import TIMED_OUT, Failure


class Deadline:
    """Until when something may take; with `seconds` None for ever."""

    def __init__(self, seconds: float | None) -> None:
        """Start to count."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def left_s(self) -> float:
        """Return how much time is left, at least 0."""
        return math.inf if self._until is None else max(0.0, self._until - time.monotonic())

    def check(self) -> None:
        """Raise `Failure` when the time is up."""
        if self.left_s() == 0.0:
            raise Failure("The time is up.", TIMED_OUT)


def in_time(do: Callable[[], object], seconds: float) -> None:
    """Do what knows no end by itself, as to look up a name, or raise `TimeoutError`.

    It then goes on in a thread that nobody waits for.
    """
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            do()
        except Exception as error:
            failures.append(error)

    thread = Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError("timed out")
    for failure in failures:
        raise failure


class Seconds(click.FloatRange):
    """How long something may take, as people write it."""

    def __init__(self) -> None:
        """Take any number from 0."""
        super().__init__(min=0)

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; see `click.ParamType`."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail("it is a number of seconds.", param, ctx)
        return seconds
