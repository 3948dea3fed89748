"""What the API and its clients say to each other.

One set of types: the server validates with them and makes the OpenAPI document from them, the
command line reads answers with them. Their docstrings are the document's descriptions.

Pure module: no sockets, no Flask, no database, no clock.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

RESULTS: Final = frozenset({"ok", "softfail", "fail", "skip"})
"""What a test module can end with; whatever else it tells is no result, or not its last."""
HOOK: Final = " (post fail hook)"
"""What os-autoinst adds to the full name of a module while its hook runs (basetest.pm)."""

Name = Annotated[str, Meta(min_length=1, max_length=1000)]
ModuleName = Annotated[
    str,
    Meta(max_length=1000, description="Full name of a test module, `category-name`."),
]
Revision = Annotated[
    str,
    Meta(
        max_length=100,
        description="The `revision` of the job that this answers: if the job went on meanwhile,"
        " nothing is done and the error is `state_changed`. Without it nothing is compared.",
    ),
]
JobRevision = Annotated[
    str,
    Meta(
        description="Names the present pause or run of the test, for requests to answer."
        " Empty while nobody controls the job."
    ),
]
Deadline = Annotated[
    datetime,
    Meta(description="When MAX_JOB_TIME is up: the openQA worker that runs the job ends it then."),
]
LONGEST_REASON: Final = 120
LONGEST_COMMENT: Final = 4000
Reason = Annotated[str, Meta(max_length=LONGEST_REASON, description="A few words for people.")]
Sentence = Annotated[str, Meta(description="A sentence for people.")]


class Request(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A body or a query; what is not known is refused, so that a typing error is noticed."""


class Act(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is asked of the test."""

    revision: Revision | None = None


class Resume(Act, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the paused test goes on: with `ignore_failure` as if it had not failed."""

    ignore_failure: bool = False


class SettingsChange(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the test pauses; what is left out stays as it is, `pause_at` null is nowhere."""

    pause_at: ModuleName | UnsetType | None = UNSET
    pause_on_mismatch: Literal["off", "assert_screen", "check_screen"] | UnsetType = UNSET
    pause_on_next_command: bool | UnsetType = UNSET
    pause_on_failure: bool | UnsetType = UNSET


class Release(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How to let go: clear every pause setting and continue, leave all as it is, or cancel.

    A `reason` is for a job that is cancelled: it stands in the timeline, and in openQA.
    """

    then: Literal["continue", "stay", "cancel"] = "continue"
    reason: Reason = ""


class Restart(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Why the job is run again; it stands in the timeline, and in openQA."""

    reason: Reason = ""


class Comment(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is to stand in openQA, after the name of who asks for it."""

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_COMMENT)]


LARGEST_SIDE: Final = 10_000
"""No screen is wider or higher, in pixels."""
SIMILARITY: Final = 96
"""In percent: what os-autoinst takes for an area that says nothing else."""
MOST_AREAS: Final = 50
MOST_TAGS: Final = 50
LONGEST_TAG: Final = 200
LONGEST_NEEDLE_NAME: Final = 100
NEEDLE_NAME: Final = "[A-Za-z0-9_-][A-Za-z0-9._-]*"

AreaType = Literal["match", "exclude", "ocr"]
Pixels = Annotated[int, Meta(ge=0, le=LARGEST_SIDE)]
Size = Annotated[int, Meta(ge=1, le=LARGEST_SIDE)]


class NeedleArea(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A part of the screenshot, in pixels, as os-autoinst names it.

    `match` is how similar the screen has to be there, in percent; only for the type `match`.
    """

    xpos: Pixels
    ypos: Pixels
    width: Size
    height: Size
    type: AreaType = "match"
    match: Annotated[int, Meta(ge=1, le=100)] = SIMILARITY


class NewNeedle(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A needle to be made of a screenshot among the results of the job.

    Without one it is the screenshot of the screen mismatch that the test is paused at. At least
    one area is of the type `match`, and all of them are within the screenshot.
    """

    name: Annotated[
        str,
        Meta(
            max_length=LONGEST_NEEDLE_NAME,
            pattern=f"^{NEEDLE_NAME}$",
            description="Of its two files, `NAME.png` and `NAME.json`.",
        ),
    ]
    tags: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=LONGEST_TAG)], ...],
        Meta(min_length=1, max_length=MOST_TAGS),
    ]
    areas: Annotated[tuple[NeedleArea, ...], Meta(min_length=1, max_length=MOST_AREAS)]
    screenshot: Annotated[str, Meta(max_length=250)] | None = None


class HandOver(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The developer who asks for control."""

    to: Name


class Decline(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The developer who asks for control and does not get it."""

    who: Name


class Module(Struct, kw_only=True, frozen=True):
    """One test module of the schedule."""

    name: str
    category: str
    result: str


class Execution(Struct, kw_only=True, frozen=True):
    """The test as its command server tells it: `known` says whether it has told anything yet.

    A setting that it does not tell is null.
    """

    known: bool
    module: ModuleName | None
    api_function: str | None
    paused: bool
    pause_reason: str | None
    pause_at: ModuleName | None
    pause_on_mismatch: str | None
    pause_on_next_command: bool | None
    pause_on_failure: bool | None


class Session(Struct, kw_only=True, frozen=True):
    """Who controls the job, who asks them for control, and whether they are away."""

    developer: str
    started_at: datetime
    tabs: int
    requested_by: str | None
    away: bool


class Headline(Struct, kw_only=True, frozen=True):
    """The status line of the page."""

    kind: Literal["connecting", "running", "paused", "trouble", "stopping", "ended"]
    title: str
    detail: str


class Origin(Struct, kw_only=True, frozen=True):
    """Where the job comes from: a pool directory on a host with devmode, or an openQA alone.

    `openqa_id` is its number in openQA, if a worker runs it; `openqa_page` its page there.
    """

    kind: Literal["pool_directory", "openqa"]
    openqa_id: int | None
    openqa_page: str | None


class Job(Struct, kw_only=True, frozen=True):
    """One run of isotovideo."""

    id: int
    name: str
    state: Literal["running", "ended"]
    origin: Origin
    started_at: datetime
    ended_at: datetime | None
    deadline: Deadline | None
    result: str | None
    modules: tuple[Module, ...]
    execution: Execution
    link: Literal["connected", "connecting", "reconnecting", "closed"]
    session: Session | None
    headline: Headline
    revision: JobRevision


class Jobs(Struct, kw_only=True, frozen=True):
    """Every job that runs, and those that ended lately."""

    jobs: tuple[Job, ...]


class Finding(Struct, kw_only=True, frozen=True):
    """One step on the way to a command server: what was seen, and what to change."""

    step: str
    outcome: Literal["fine", "failed", "not_tried"]
    seen: str
    advice: str


class Examination(Struct, kw_only=True, frozen=True):
    """Why a job's command server can or can't be reached, in the order of the way to it."""

    job_id: int
    reachable: bool
    findings: tuple[Finding, ...]


class Texts(Struct, kw_only=True, frozen=True):
    """The names of the texts of a job, the log first; the first two may still be to come."""

    names: tuple[str, ...]


Group = Literal["modules", "pauses", "settings", "people", "connection"]
"""What the events of a timeline are about."""


class Narrowing(Request, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Events of this group alone; without it, all of them."""

    only: Group | UnsetType = UNSET


class Event(Struct, kw_only=True, frozen=True):
    """Something that happened in a job: `who` is null where that was nobody."""

    at: datetime
    who: str | None
    kind: str
    group: Group
    text: Sentence


class Timeline(Struct, kw_only=True, frozen=True):
    """What happened in a job, the oldest first."""

    events: tuple[Event, ...]


class DrawnArea(Struct, kw_only=True, frozen=True):
    """A part of a screenshot that was compared with a needle, in pixels and percent."""

    x: int
    y: int
    width: int
    height: int
    matched: bool
    similarity: int


class ComparedNeedle(Struct, kw_only=True, frozen=True):
    """A needle that a screenshot was compared with, and how similar it is, in percent."""

    name: str
    similarity: int


class Step(Struct, kw_only=True, frozen=True):
    """One thing that a module recorded: a screenshot, with or without needles, or a text.

    `screenshot` and `text` are files among the results of the job. `candidates` are the needles
    that did not match, the most similar first; `drawn` the areas of the one that matched, or else
    of the one that nearly did.
    """

    caption: str
    result: str
    screenshot: str | None
    text: str | None
    tags: tuple[str, ...]
    matched: ComparedNeedle | None
    candidates: tuple[ComparedNeedle, ...]
    drawn: tuple[DrawnArea, ...]


class Steps(Struct, kw_only=True, frozen=True):
    """What a module recorded; nothing if it has not told that yet."""

    steps: tuple[Step, ...]


class Answer(Job, kw_only=True, frozen=True):
    """What was done, and the job as it is now."""

    message: Sentence


class Problem(Struct, kw_only=True, frozen=True):
    """What went wrong, by RFC 9457; `code` is for programs."""

    type: str
    title: str
    status: int
    detail: Sentence
    code: str
