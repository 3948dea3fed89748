"""Reads one pool directory: isotovideo's working directory, and hostile until proven otherwise.

Its files are opened as `files.py` says. Of `vars.json` and `job.json` only the settings named here
are looked at, since they hold passwords and the token.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from devmode.commandserver.address import JobToken
from devmode.commandserver.perl import is_true
from devmode.digits import integer_of
from devmode.jobs.files import (
    Version,
    contents,
    is_exhaustion,
    json_contents,
    opened,
    settled_version,
)
from devmode.jobs.modules import LARGEST_RECORD, Module, is_module_name, record_file
from devmode.jobs.processes import Process, process_in
from devmode.jobs.variables import VARIABLES, read_variables
from devmode.openqa.answers import DEFAULT_TIME_LIMIT_S, MOST_MODULES

DEFAULT_QEMUPORT: Final = 15222
DEFAULT_VNC: Final = 90
"""What isotovideo takes when `vars.json` names none (bmwqemu.pm)."""
SMALL: Final = 64 << 10
LARGE: Final = 1 << 20
LONGEST_FAILURE: Final = 200
RESULTS: Final = "testresults"
_NOTHING: Final = (0, 0, 0)
"""The version of what is not there."""


class UnreadablePool(Exception):
    """The pool directory can't be read, for a reason that a person should know."""


@dataclass(frozen=True, slots=True)
class PoolReading:
    """What a pool directory says about its job."""

    token: JobToken
    name: str
    port: int
    vnc: int
    started_at: float
    process: Process | None
    """None when isotovideo does not run, killed or not."""
    modules: tuple[Module, ...]
    """The schedule, each module with its result if it has one."""
    current_module: str | None
    openqa_id: int | None
    worker_id: int | None
    """Of the worker in openQA's database."""
    paused: str | None
    """The reason of a pause; pauses on failure are not told here."""
    no_video: bool
    """NOVIDEO: there are no pictures of a screen that does not change."""
    machine: int | None
    """The pid of its QEMU; other backends leave no trace of theirs."""
    machine_gone: bool
    """Whether there was a QEMU, and it has ended."""
    time_limit_s: int | None
    """MAX_JOB_TIME; None where nothing limits the job."""
    failure: str | None
    """Why isotovideo gave up, if it has ended and did."""

    @property
    def at_work(self) -> list[int]:
        """The pids of isotovideo and of its QEMU, as far as they run."""
        isotovideo = self.process.pid if self.process else None
        machine = None if self.machine_gone else self.machine
        return [pid for pid in (isotovideo, machine) if pid is not None]


@dataclass(frozen=True, slots=True)
class _Settings:
    """What `vars.json` and, of a job of openQA's worker, `job.json` say."""

    token: JobToken
    name: str
    port: int
    vnc: int
    openqa_id: int | None
    worker_id: int | None
    no_video: bool
    time_limit_s: int | None


@dataclass
class Known:
    """What earlier readings of the same job found; versions are of the moment of the reading.

    A version is None if what was read may have changed meanwhile.
    """

    settings: _Settings | None = None
    settings_versions: tuple[Version | None, Version | None] = (None, None)
    modules: tuple[Module, ...] = ()
    modules_version: Version | None = None
    told: dict[tuple[str, str], Module] = field(default_factory=dict)
    """Each module by its name and category."""


def read_pool(directory: Path, known: Known | None = None) -> PoolReading | None:
    """Read a pool directory; None while it holds no job.

    What is `known` from earlier readings is not read again while it is the same: most of the time
    would go there. Raises `UnreadablePool`.
    """
    known = known or Known()
    try:
        # No database keeps any other name.
        str(directory).encode()
        with opened(directory) as pool:
            settings = _settings(directory, pool, known)
            return _reading(pool, settings, known) if settings else None
    except FileNotFoundError:
        return None
    except UnicodeEncodeError as error:
        raise UnreadablePool("its name is not UTF-8") from error
    except NotADirectoryError as error:
        raise UnreadablePool("it is not a directory, or a symbolic link") from error
    except OSError as error:
        raise UnreadablePool(error.strerror or "it can't be read") from error


def is_anothers(directory: Path, started_at: float) -> bool:
    """Tell whether a later run has begun in a pool directory than the one that did `started_at`."""
    try:
        with opened(directory) as pool:
            return _written_at(pool, "os-autoinst.pid") != started_at
    except FileNotFoundError:
        return False  # it has gone, with the run or to make room for the next
    except OSError:
        return True


def is_read(name: str) -> bool:
    """Tell whether a reading depends on what has this name, in a pool directory or its results."""
    return name.endswith((".json", ".pid")) or name == RESULTS


def _settings(directory: Path, pool: int, known: Known) -> _Settings | None:
    versions = _version(pool, VARIABLES), _version(pool, "job.json")
    if None in versions or versions != known.settings_versions:
        known.settings = _read_settings(directory, pool)
        known.settings_versions = versions
    return known.settings


def _read_settings(directory: Path, pool: int) -> _Settings | None:
    settings = read_variables(pool)
    if settings is None:
        return None
    try:
        token = JobToken(str(settings.get("JOBTOKEN") or ""))
    except ValueError as error:
        raise UnreadablePool(f"its job token can't be used: {error}") from error
    job = json_contents(pool, "job.json", LARGE)
    job = job if isinstance(job, dict) else {}
    return _Settings(
        token=token,
        # No database keeps a NUL.
        name=str(settings.get("NAME") or directory.name).replace("\0", "")[:255],
        port=_port(settings.get("QEMUPORT"), DEFAULT_QEMUPORT) + 1,
        vnc=5900 + _port(settings.get("VNC"), DEFAULT_VNC),
        openqa_id=integer_of(job.get("id")),
        worker_id=integer_of(settings.get("WORKER_ID")),
        no_video=is_true(settings.get("NOVIDEO")),
        time_limit_s=_time_limit(settings, job),
    )


def _reading(pool: int, settings: _Settings, known: Known) -> PoolReading:
    status = json_contents(pool, "autoinst-status.json", SMALL)
    status = status if isinstance(status, dict) else {}
    modules = _modules(pool, known)
    process = _process(pool)
    machine = _pid(pool, "qemu.pid")
    return PoolReading(
        token=settings.token,
        name=settings.name,
        port=settings.port,
        vnc=settings.vnc,
        started_at=_started_at(pool),
        process=process,
        modules=modules,
        current_module=_full_name(status.get("current_test"), modules),
        openqa_id=settings.openqa_id,
        worker_id=settings.worker_id,
        paused=_reason(status.get("test_execution_paused")),
        no_video=settings.no_video,
        machine=machine,
        machine_gone=machine is not None and process_in(pool, machine) is None,
        time_limit_s=settings.time_limit_s,
        failure=_failure(pool) if process is None else None,
    )


def _modules(pool: int, known: Known) -> tuple[Module, ...]:
    version = _version(pool, RESULTS)
    if version is None or version != known.modules_version:
        modules = _read_modules(pool, known.told)
        # What was read twice, as it was new, is held in memory once.
        known.modules = known.modules if modules == known.modules else modules
        known.modules_version = version
    return known.modules


def _version(pool: int, name: str) -> Version | None:
    """Return the version of a file, or of the folder of results: another one after any change.

    isotovideo renames into place whatever it writes into that folder (bmwqemu.pm).
    """
    try:
        facts = os.stat(name, dir_fd=pool, follow_symlinks=False)
    except FileNotFoundError:
        return _NOTHING
    except OSError:
        return None
    return settled_version(facts)


def _read_modules(pool: int, known: dict[tuple[str, str], Module]) -> tuple[Module, ...]:
    try:
        with opened(RESULTS, pool) as folder:
            order = json_contents(folder, "test_order.json", LARGE)
            entries = order if isinstance(order, list) else []
            names = [
                # Many jobs have modules of the same names.
                (sys.intern(name), sys.intern(str(entry.get("category", ""))))
                for entry in entries[:MOST_MODULES]
                if isinstance(entry, dict) and (name := _module_name(entry.get("name")))
            ]
            return tuple(_module(folder, name, category, known) for name, category in names)
    except OSError as error:
        if is_exhaustion(error):
            raise
        return ()


def _module(folder: int, name: str, category: str, known: dict[tuple[str, str], Module]) -> Module:
    """Return a module as it was `known`, unless it has told something new."""
    version = _record_version(folder, name)
    module = known.get((name, category))
    if module is None or module.version != version:
        module = known[name, category] = _read_module(folder, name, category, version)
    return module


def _record_version(folder: int, name: str) -> str:
    try:
        facts = os.stat(record_file(name), dir_fd=folder, follow_symlinks=False)
    except (OSError, ValueError):
        return ""
    return f"{facts.st_ino}-{facts.st_mtime_ns}-{facts.st_size}"


def _read_module(folder: int, name: str, category: str, version: str) -> Module:
    content = json_contents(folder, record_file(name), LARGEST_RECORD) if version else None
    told = content if isinstance(content, dict) else {}
    result = told.get("result")
    if not isinstance(result, str) or len(result) >= 32:
        result = ""
    return Module(name, category, result, integer_of(told.get("execution_time")), version)


def _module_name(value: Any) -> str | None:
    return value if isinstance(value, str) and is_module_name(value) else None


def _full_name(current: Any, modules: tuple[Module, ...]) -> str | None:
    return next((module.full_name for module in modules if module.name == current), None)


def _process(pool: int) -> Process | None:
    pid = _pid(pool, "os-autoinst.pid")
    return process_in(pool, pid) if pid is not None else None


def _failure(pool: int) -> str | None:
    """What isotovideo left behind of its trouble; no later run removes it (bmwqemu.pm)."""
    state = json_contents(pool, "base_state.json", SMALL)
    message = state.get("msg") if isinstance(state, dict) else None
    if not isinstance(message, str):
        return None
    told_at = _written_at(pool, "base_state.json")
    line = " ".join(message.replace("\0", "").split())[:LONGEST_FAILURE]
    return line if line and told_at >= _started_at(pool) else None


def _pid(pool: int, name: str) -> int | None:
    text = contents(pool, name, 64)
    pid = integer_of((text or b"").decode("ascii", "replace").strip())
    return pid if pid is not None and pid > 1 else None


def _time_limit(settings: dict[str, Any], job: dict[str, Any]) -> int | None:
    """MAX_JOB_TIME, after which the openQA worker kills the job; nothing kills any other job.

    Whoever sets it for a job without a worker wants to be reminded all the same.
    """
    for named in (settings, job.get("settings")):
        limit = integer_of(named.get("MAX_JOB_TIME")) if isinstance(named, dict) else None
        if limit:
            return limit
    return DEFAULT_TIME_LIMIT_S if "id" in job else None


def _started_at(pool: int) -> float:
    try:
        return _written_at(pool, "os-autoinst.pid")
    except FileNotFoundError:
        return _written_at(pool, VARIABLES)


def _written_at(pool: int, name: str) -> float:
    return os.stat(name, dir_fd=pool, follow_symlinks=False).st_mtime


def _port(value: Any, default: int) -> int:
    number = integer_of(value)
    return number if number is not None and 0 <= number < 60000 else default


def _reason(value: Any) -> str | None:
    return value if isinstance(value, str) and value not in ("", "0") else None
