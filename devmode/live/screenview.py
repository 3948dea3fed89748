"""What the page says about the SUT's screen, besides showing the picture. Pure."""

from dataclasses import dataclass

from devmode.jobs.job import Job, JobState


@dataclass(frozen=True)
class ScreenFacts:
    """What there is of a screen."""

    has_picture: bool = False
    is_live: bool = False
    """False for a screenshot of the results, shown for want of a live picture."""
    problem: str | None = None
    """Why there are no live pictures."""


@dataclass(frozen=True)
class ScreenView:
    """Words about the screen: in the place of a picture, and below it."""

    cover: str = ""
    note: str = ""
    elsewhere: str | None = None
    """The page of openQA that shows what can't be shown here."""


def screen_view(job: Job, facts: ScreenFacts) -> ScreenView:
    """Say why there is no picture, or what one should know about the one there is."""
    if not facts.has_picture:
        seen = job.page and f"{job.page}#live" if job.is_out_of_sight else None
        return ScreenView(_cover(job, facts), facts.problem or "", seen)
    return ScreenView(note=_note(job, facts))


def _cover(job: Job, facts: ScreenFacts) -> str:
    if job.state is JobState.ENDED:
        return "No picture of this job was kept."
    if facts.problem:
        return "No picture can be shown."
    if job.is_out_of_sight:
        return (
            "Pictures lie in the job's pool directory, which is not on this machine."
            " They are shown here once devmode runs on the worker's host too."
        )
    if job.no_video:
        return "NOVIDEO is set: isotovideo writes no picture before the screen changes."
    if not job.modules:
        return "The SUT starts…"
    return "Waiting for the first picture…"


def _note(job: Job, facts: ScreenFacts) -> str:
    if job.state is JobState.ENDED:
        return "The last picture of this job."
    if facts.problem:
        return f"{facts.problem} Until then the latest screenshot of the results is shown."
    if job.machine_gone:
        return "The virtual machine is off. This was its last picture."
    if not facts.is_live:
        # As short as what follows: nothing below moves when the first live picture comes.
        return "Not live yet: from the results."
    return "A picture comes with every change."
