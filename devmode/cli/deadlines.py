"""For how long a command waits."""

import math
import time

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
