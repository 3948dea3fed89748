"""The table of jobs. All times are seconds since 1970."""

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from devmode.cluster.database import Base


class JobRow(Base):
    """One run of isotovideo that devmode has seen.

    Known again by its pool directory, the hash of its job token and its start: a pool directory is
    reused by the next job, and so is the token of an isotovideo that somebody starts by hand. A job
    that only an openQA has told of has neither host nor directory, and is known by its number
    there; its token, which openQA makes for it alone, tells that both are one. Where openQA hides
    the token, the number and the name do, which openQA begins with that number.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint(
            "host", "pool_directory", "token_hash", "started_at", name="jobs_each_run_once"
        ),
        Index("jobs_of_an_openqa_once", "openqa_url", "openqa_id", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str]
    pool_directory: Mapped[str]
    token_hash: Mapped[str]
    openqa_id: Mapped[int | None] = mapped_column(index=True)
    openqa_url: Mapped[str | None]
    """The instance that has told of the job; a pool directory tells only the number."""
    name: Mapped[str]
    started_at: Mapped[float]
    ended_at: Mapped[float | None] = mapped_column(index=True)
    result: Mapped[str | None]
    away_since: Mapped[float | None]
    """Since when its host has been missed, by the database's clock (`absences.py`)."""


class OpenqaInstance(Base):
    """An openQA, which one process asks for all."""

    __tablename__ = "openqa_instances"

    url: Mapped[str] = mapped_column(primary_key=True)
    process_id: Mapped[str]
    """Who asks; whoever finds that process dead takes its place by compare-and-swap."""
    trouble: Mapped[str | None]
    """Why it can't be asked just now, as a sentence."""


class OpenqaJob(Base):
    """What an openQA says of a job that runs; the row goes when it runs no more."""

    __tablename__ = "openqa_jobs"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    url: Mapped[str] = mapped_column(index=True)
    openqa_id: Mapped[int]
    sealed_token: Mapped[str | None]
    """The job token, readable only with the secret key of this devmode."""
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)


class UploadProgress(Base):
    """How far the uploads of a running job are, as its openQA worker told last."""

    __tablename__ = "upload_progress"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    progress: Mapped[dict[str, Any]] = mapped_column(JSON)


class KeptJob(Base):
    """What is kept of a job that has ended, for some days."""

    __tablename__ = "kept_jobs"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    ended_at: Mapped[float] = mapped_column(index=True)
    modules: Mapped[list[Any]] = mapped_column(JSON)
    """Name, category, result and run time of each, in the order of the schedule."""
    picture_at: Mapped[float | None]
    """When isotovideo wrote the last picture, if that is kept."""
