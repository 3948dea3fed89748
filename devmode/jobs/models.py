"""The table of jobs. All times are seconds since 1970."""

from typing import Any

from sqlalchemy import JSON, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from devmode.cluster.database import Base


class JobRow(Base):
    """One run of isotovideo that devmode has seen.

    Known again by its pool directory, the hash of its job token and its start: a pool directory is
    reused by the next job, and so is the token of an isotovideo that somebody starts by hand.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint(
            "host", "pool_directory", "token_hash", "started_at", name="jobs_each_run_once"
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str]
    pool_directory: Mapped[str]
    token_hash: Mapped[str]
    openqa_id: Mapped[int | None] = mapped_column(index=True)
    name: Mapped[str]
    started_at: Mapped[float]
    ended_at: Mapped[float | None]
    result: Mapped[str | None]


class KeptJob(Base):
    """What is kept of a job that has ended, for some days."""

    __tablename__ = "kept_jobs"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    ended_at: Mapped[float] = mapped_column(index=True)
    modules: Mapped[list[Any]] = mapped_column(JSON)
    """Name, category and result of each, in the order of the schedule."""
    picture_at: Mapped[float | None]
    """When isotovideo wrote the last picture, if that is kept."""
