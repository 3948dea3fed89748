"""Jobs as an API tells them, made up."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from devmode import schemas

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXECUTION = schemas.Execution(
    known=False,
    module=None,
    api_function=None,
    paused=False,
    pause_reason=None,
    pause_at=None,
    pause_on_mismatch=None,
    pause_on_next_command=None,
    pause_on_failure=None,
)
JOB = schemas.Job(
    id=1,
    name="a-job",
    state="running",
    origin=schemas.Origin(kind="pool_directory", openqa_id=None, openqa_page=None),
    started_at=NOW,
    ended_at=None,
    deadline=None,
    result=None,
    modules=(),
    execution=EXECUTION,
    link="connected",
    session=None,
    headline=schemas.Headline(kind="running", title="Running", detail=""),
    revision="",
)


def job(name: str = "a-job", **changes: Any) -> schemas.Job:
    return replace(JOB, name=name, **changes)


def running(detail: str) -> schemas.Job:
    return job(headline=schemas.Headline(kind="running", title="Running", detail=detail))


def ended(result: str = "passed") -> schemas.Job:
    headline = schemas.Headline(kind="ended", title="Ended", detail=result)
    return job(state="ended", result=result, headline=headline)


def paused(module: str) -> schemas.Job:
    headline = schemas.Headline(kind="paused", title=f"Paused at module {module}", detail="")
    execution = replace(EXECUTION, known=True, module=module, paused=True)
    return job(execution=execution, headline=headline)


def event(kind: str, text: str, who: str | None = None) -> schemas.Event:
    return schemas.Event(at=NOW, who=who, kind=kind, group="people", text=text)


def step(caption: str, result: str = "ok", **changes: Any) -> schemas.Step:
    nothing: dict[str, Any] = {"screenshot": None, "text": None, "matched": None}
    nothing |= {"tags": (), "candidates": (), "drawn": ()}
    return schemas.Step(caption=caption, result=result, **nothing | changes)


def in_module(module: str | None, **results: str) -> schemas.Job:
    """A job whose schedule has modules of one category, by their names."""
    modules = tuple(
        schemas.Module(name=name, category="console", result=result)
        for name, result in results.items()
    )
    return job(execution=replace(EXECUTION, known=True, module=module), modules=modules)
