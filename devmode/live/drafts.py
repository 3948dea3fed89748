"""What a new needle begins with: a screenshot, the tags that were looked for, and the areas of the
needle that nearly matched.
"""

from dataclasses import dataclass

from devmode.errors import StateChanged, TextNotFound
from devmode.jobs.needles import NeedleArea, whole
from devmode.jobs.png import size_of
from devmode.jobs.steps import Step
from devmode.live.recorded import Recorded
from devmode.live.screens import Screens
from devmode.live.view import LiveView


@dataclass(frozen=True)
class Source:
    """A screenshot among the results of a job, and the module that recorded it, if one did."""

    screenshot: str
    module: str = ""


@dataclass(frozen=True)
class Draft:
    """A needle yet to be made of a screenshot."""

    source: Source
    width: int
    height: int
    tags: tuple[str, ...]
    areas: tuple[NeedleArea, ...]
    """Those of the needle that came nearest; empty where none was compared with the screenshot."""

    @property
    def beginning(self) -> tuple[NeedleArea, ...]:
        """The areas to begin with: the whole picture, if nothing better is known."""
        return self.areas or (whole(self.width, self.height),)


class Drafts:
    """Drafts needles of what was recorded and of what is seen.

    Every method raises `HostAway` and, where there is no such screenshot, `TextNotFound`.
    """

    def __init__(self, recorded: Recorded, screens: Screens) -> None:
        """Draft nothing yet."""
        self._recorded = recorded
        self._screens = screens

    def mismatch(self, view: LiveView) -> Source:
        """Return the screenshot that the test is paused at; raise `StateChanged` if it is not."""
        module = _module_of(view)
        step = self._mismatch_step(view, module)
        if step is None or step.screenshot is None:
            raise StateChanged("The test is not paused at a screen mismatch: name a screenshot.")
        return Source(step.screenshot, module)

    def present(self, view: LiveView) -> Source:
        """Hold the screen as it is now."""
        return Source(self._screens.hold(view.job))

    def of(self, view: LiveView, source: Source) -> Draft:
        """Draft a needle of a screenshot."""
        width, height = size_of(self._recorded.content(view.job.id, source.screenshot))
        if not (width and height):
            raise TextNotFound("This is no picture.")
        step = self._step(view, source)
        tags = " ".join(step.tags).split() if step else []
        areas = [
            NeedleArea(area.x, area.y, area.width, area.height)
            for area in (step.drawn if step else ())
            if area.x + area.width <= width and area.y + area.height <= height
        ]
        return Draft(source, width, height, tuple(tags), tuple(areas))

    def _step(self, view: LiveView, source: Source) -> Step | None:
        """Return the step that tells most of a screenshot: its own, or the present mismatch."""
        if not source.module:
            return self._mismatch_step(view, _module_of(view))
        steps = [shown.step for shown in self._recorded.steps(view.job.id, source.module)]
        return next((step for step in steps if step.screenshot == source.screenshot), None)

    def _mismatch_step(self, view: LiveView, module: str) -> Step | None:
        """Return the last screenshot that no needle matched, if the test waits for one."""
        if not view.mismatch or not module:
            return None
        steps = [shown.step for shown in self._recorded.steps(view.job.id, module)]
        unmatched = (
            step for step in reversed(steps) if step.tags and step.screenshot and not step.matched
        )
        return next(unmatched, None)


def _module_of(view: LiveView) -> str:
    """Return the short name of the module that runs, nothing if that is not known."""
    names = {module.full_name: module.name for module in view.job.modules}
    return names.get(view.scheduled_module or "", "")
