"""A job, made of what was seen of it: in its pool directory, by an openQA, or of its end."""

from dataclasses import replace
from pathlib import Path

from devmode.commandserver.address import Address
from devmode.jobs.job import NOWHERE, Job, JobState
from devmode.jobs.modules import Module
from devmode.jobs.pool import PoolReading
from devmode.jobs.remote import OpenqaPart


def job_in_pool(
    directory: Path, reading: PoolReading, job_id: int, host: str, part: OpenqaPart | None
) -> Job:
    """Return a job that runs in a pool directory of `host`, with what an openQA says of it."""
    return Job(
        id=job_id,
        name=reading.name,
        state=JobState.RUNNING,
        pool_directory=directory,
        started_at=reading.started_at,
        modules=reading.modules,
        current_module=reading.current_module,
        address=Address("127.0.0.1", reading.port, reading.token),
        vnc=f"{host}:{reading.vnc}",
        process=reading.process,
        openqa_id=reading.openqa_id,
        worker_id=reading.worker_id,
        paused=reading.paused,
        no_video=reading.no_video,
        machine_gone=reading.machine_gone,
        time_limit_s=reading.time_limit_s,
        openqa_url=part.url if part else None,
        openqa=part,
        host=host,
    )


def job_of_openqa(job_id: int, part: OpenqaPart) -> Job:
    """Return a job that runs where no devmode has looked, as an openQA tells of it."""
    facts = part.facts
    return Job(
        id=job_id,
        name=facts.name,
        state=JobState.RUNNING,
        pool_directory=NOWHERE,
        started_at=facts.started_at,
        modules=tuple(Module(name, category, result) for name, category, result in facts.modules),
        address=part.address,
        vnc=part.vnc,
        openqa_id=part.id,
        worker_id=facts.worker_id,
        openqa_url=part.url,
        openqa=part,
        time_limit_s=facts.time_limit_s,
    )


def ended_job(job: Job, at: float | None, result: str | None, modules: tuple[Module, ...]) -> Job:
    """Return what remains of a job that has ended."""
    return replace(
        job,
        state=JobState.ENDED,
        ended_at=at,
        result=result,
        modules=modules,
        address=None,
        vnc=None,
        process=None,
        openqa=None,
    )
