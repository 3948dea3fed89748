"""Tables that processes keep about themselves and for each other.

All times are seconds since 1970 by the database's clock.
"""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from devmode.cluster.database import Base


class Process(Base):
    """One devmode process and its lease on everything that it keeps."""

    __tablename__ = "processes"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    lease_until: Mapped[float] = mapped_column(index=True)
    address: Mapped[str | None]
    """Where processes of other hosts reach this one, `HOST:PORT`."""
    incarnation: Mapped[str | None]
    """What tells others of the same kernel that it has died (`incarnations.py`)."""


class Change(Base):
    """One change that other processes may want to know of, in the order of its commit."""

    __tablename__ = "changes"
    __table_args__ = {"sqlite_autoincrement": True}

    sequence: Mapped[int] = mapped_column(primary_key=True)
    process_id: Mapped[str]
    topic: Mapped[str]
    subject: Mapped[str]
    at: Mapped[float] = mapped_column(index=True)


class Presence(Base):
    """How many tabs of one user have one job open in one process; lapses with the process."""

    __tablename__ = "presence"

    process_id: Mapped[str] = mapped_column(
        ForeignKey("processes.id", ondelete="CASCADE"), primary_key=True
    )
    job_id: Mapped[int] = mapped_column(primary_key=True, index=True)
    user_id: Mapped[int] = mapped_column(primary_key=True)
    tabs: Mapped[int]


class Looker(Base):
    """A process in which somebody looks at the screen of a job; lapses with the process."""

    __tablename__ = "lookers"

    process_id: Mapped[str] = mapped_column(
        ForeignKey("processes.id", ondelete="CASCADE"), primary_key=True
    )
    job_id: Mapped[int] = mapped_column(primary_key=True, index=True)
