"""Several devmodes served by gunicorn on one database, simulated jobs, and what is true of both."""

import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask_migrate import upgrade
from sqlalchemy import Engine, create_engine, text

from app import create_app
from devmode.config import Settings
from devmode.extensions import db
from tests.children import children
from tests.ports import free_port
from tests.waiting import LIMIT_S, until

ROOT = Path(__file__).parents[2]
START_CODE = "sesame"
MODULES = 200
BLOCKED = re.compile(r"appears to be blocked\n.*?\n={20}", re.DOTALL)
BEGINNING = ", in init_process"
"""What gevent's monitor says of a greenlet, and how it says so of a worker that loads devmode."""
FRAME = '  File "'
"""It stands in each of them, unless the process had just gone on when it was looked at."""
BLOCKED_S = 1.0
"""How long one greenlet may keep all others of its process waiting."""
LEFT_OVER = {
    "commands without a session": "SELECT 1 FROM session_commands WHERE state != 'done'"
    " AND job_id NOT IN (SELECT job_id FROM developer_sessions)",
    "sessions without a job": "SELECT 1 FROM developer_sessions JOIN jobs ON id = job_id"
    " WHERE ended_at IS NOT NULL",
    "tabs without a process": "SELECT 1 FROM presence WHERE process_id NOT IN"
    " (SELECT id FROM processes WHERE lease_until > :now)",
}
"""What is there for a moment only."""
EXHAUSTED = re.compile(r"Traceback [^{]*?OSError: \[Errno 24\]")
"""What gevent logs where it can't accept a connection for want of a file descriptor."""


class Gunicorn:
    """One gunicorn with its workers."""

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        self.port = free_port()
        self._log = folder / f"{name}.log"
        # A gunicorn that is killed leaves these files behind.
        counts = folder / f"{name}.metrics"
        counts.mkdir()
        self.environment = environment | {
            "DEVMODE_BIND": f"127.0.0.1:{self.port}",
            "PROMETHEUS_MULTIPROC_DIR": str(counts),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        """Pids of the workers that are alive."""
        return children(self.pid)

    def begin(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def command(self) -> list[str]:
        return [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"]

    def stop(self) -> None:
        """Ends it as systemd does."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(LIMIT_S)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def reload(self) -> None:
        """Replaces every worker, one generation by the next."""
        os.kill(self.pid, signal.SIGHUP)

    def pid_of(self, process_id: str) -> int | None:
        """Which worker goes by this name among the processes of devmode."""
        for line in self.log.splitlines():
            if process_id in line and '"lease taken"' in line:
                return int(json.loads(line)["pid"])
        return None


class SimulatedJob:
    """A simulated job and the witness that it bears."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.number: int | None = None
        self.pool = self.folder_of_pools(folder) / name
        self._witness = folder / f"{name}.witness"
        self.pool.mkdir()
        command = self.command(str(self.pool), str(self._witness), str(MODULES))
        self._process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
        self._free = [f"m-{number}" for number in range(MODULES)]

    def folder_of_pools(self, folder: Path) -> Path:
        return folder / "pools"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("simulated.py")), *arguments]

    @property
    def witness(self) -> list[tuple[int, list[str], dict[str, Any]]]:
        """Of each command: which connection sent it, what was in flight, and what it was."""
        return [(sender, in_flight, command) for _at, sender, in_flight, command in self._lines]

    @property
    def steered_at(self) -> list[float]:
        """When each command came that changes anything."""
        return [
            at for at, _sender, _in_flight, command in self._lines if command["cmd"] != "status"
        ]

    @property
    def _lines(self) -> list[Any]:
        lines = self._witness.read_text().splitlines() if self._witness.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def steering(self) -> list[tuple[int, str]]:
        """Of each command that changes anything: which connection sent it, and its module."""
        return [
            (sender, str(command.get("name") or command["cmd"]))
            for sender, _in_flight, command in self.witness
            if command["cmd"] != "status"
        ]

    def unused_module(self) -> str:
        return self._free.pop()

    def cut_connections(self) -> None:
        self._process.send_signal(signal.SIGUSR1)

    def flood(self) -> None:
        """Have the command server send more than anybody reads."""
        self._process.send_signal(signal.SIGUSR2)

    def end_command_server(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def begin_command_server(self) -> None:
        """Have it listen where it did."""
        self._process.send_signal(signal.SIGHUP)

    def freeze(self) -> None:
        """Have its command server take what it is sent, and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(LIMIT_S)


def make_tables(database_url: str) -> None:
    """Makes them as an installation does, but here: another process takes seconds to begin."""
    app = create_app(Settings(database_url=database_url, secret_key="only for tests"))
    with app.app_context():
        upgrade()
        db.engine.dispose()


class World:
    """Everything of one scenario."""

    def __init__(self, folder: Path, database_url: str, *gunicorns: int, **settings: str) -> None:
        (folder / "pools").mkdir(exist_ok=True)
        self.folder = folder
        self.jobs: list[SimulatedJob] = []
        self.confirmed: dict[str, list[str]] = defaultdict(list)
        """The modules of each job of which somebody was told that it will pause there."""
        self.engine: Engine = create_engine(database_url, pool_pre_ping=True)
        environment = os.environ | {
            "DEVMODE_DATABASE_URL": database_url,
            "DEVMODE_POOL_DIRECTORIES": str(folder / "pools" / "*"),
            "DEVMODE_START_CODE": START_CODE,
            "DEVMODE_SECRET_KEY": "only for tests",
            "DEVMODE_LOG_FORMAT": "json",
            "DEVMODE_HOST": "here",
            # gevent's own monitor logs which greenlet lets no other run for so many seconds.
            "GEVENT_MONITOR_THREAD_ENABLE": "true",
            "GEVENT_MAX_BLOCKING_TIME": str(BLOCKED_S),
            **{f"DEVMODE_{name.upper()}": value for name, value in settings.items()},
        }
        make_tables(database_url)
        self.gunicorns = [
            self.new_gunicorn(number, environment | {"DEVMODE_WORKERS": str(workers)})
            for number, workers in enumerate(gunicorns)
        ]
        for gunicorn in self.gunicorns:
            gunicorn.begin()
        self._expected = sum(gunicorns)
        self.wait_until_complete()

    def new_gunicorn(self, number: int, environment: dict[str, str]) -> Gunicorn:
        return Gunicorn(self.folder, f"gunicorn-{number}", environment)

    def wait_until_complete(self) -> None:
        """Waits until as many processes are there as there should be, and each has its lease."""
        until(lambda: len(self.alive()) == self._expected, "every process to begin")

    def start_job(self) -> SimulatedJob:
        job = SimulatedJob(self.folder, f"job-{len(self.jobs)}")
        self.jobs.append(job)
        until(lambda: self.number_of(job), "the job to be found")
        return job

    def end(self) -> None:
        for gunicorn in self.gunicorns:
            gunicorn.kill()
        for job in self.jobs:
            job.stop()
        self.engine.dispose()

    @property
    def descriptors(self) -> int:
        """How many file descriptors all workers have open."""
        pids = [pid for gunicorn in self.gunicorns for pid in gunicorn.workers]
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)

    # What the database says

    def rows(self, query: str, **values: object) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), values))

    @contextmanager
    def holding(self, query: str, **values: object) -> Iterator[None]:
        """Holds what a query locks."""
        with self.engine.begin() as connection:
            connection.execute(text(query), values)
            yield

    def alive(self) -> list[str]:
        """The processes whose lease lasts."""
        query = "SELECT id FROM processes WHERE lease_until > :now"
        return [row.id for row in self.rows(query, now=self.database_time())]

    def database_time(self) -> float:
        """What the clock of the database shows: that of this very machine."""
        return time.time()

    def number_of(self, job: SimulatedJob) -> int | None:
        if job.number is None:
            found = self.rows("SELECT id FROM jobs WHERE name = :name", name=job.name)
            job.number = found[0].id if found else None
        return job.number

    def session_of(self, job: SimulatedJob) -> Any:
        query = "SELECT * FROM developer_sessions WHERE job_id = :job"
        found = self.rows(query, job=self.number_of(job))
        return found[0] if found else None

    def events_of(self, job: SimulatedJob) -> list[tuple[str, str]]:
        query = "SELECT kind, text FROM session_events WHERE job_id = :job ORDER BY id"
        return [tuple(row) for row in self.rows(query, job=self.number_of(job))]

    def commands_of(self, job: SimulatedJob) -> list[str]:
        """In which state each command is that somebody asked for."""
        query = "SELECT state FROM session_commands WHERE job_id = :job ORDER BY id"
        return [row.state for row in self.rows(query, job=self.number_of(job))]

    def keeper_of(self, job: SimulatedJob) -> tuple[Gunicorn, int]:
        """Which gunicorn, and which of its workers, keeps the session of a job."""

        def keeper() -> tuple[Gunicorn, int] | None:
            session = self.session_of(job)
            assert session is not None, "nobody controls the job"
            pids = ((gunicorn, gunicorn.pid_of(session.process_id)) for gunicorn in self.gunicorns)
            return next(((gunicorn, pid) for gunicorn, pid in pids if pid), None)

        found: tuple[Gunicorn, int] = until(keeper, "a keeper")
        return found

    # What is true whatever happened

    def check(self, job: SimulatedJob) -> None:
        """One speaker at a time, nothing sent twice, nothing lost, out of order or left over."""
        self._check_commands(job)
        self._check_timeline(job)
        until(lambda: not self._left_over(), f"the end of {self._left_over()}")
        for gunicorn in self.gunicorns:
            log = EXHAUSTED.sub("", BLOCKED.sub("", gunicorn.log))
            assert "Traceback" not in log, log
            blocked = [report for report in BLOCKED.findall(gunicorn.log) if FRAME in report]
            assert all(BEGINNING in report for report in blocked), blocked

    def _left_over(self) -> list[str]:
        now = self.database_time()
        return [what for what, query in LEFT_OVER.items() if self.rows(query, now=now)]

    def _check_commands(self, job: SimulatedJob) -> None:
        query = "SELECT kind, at FROM session_events WHERE job_id = :job ORDER BY id"
        events = self.rows(query, job=self.number_of(job))
        self._check_speakers(job, [at for kind, at in events if kind in ("started", "adopted")])
        modules = Counter(name for _sender, name in job.steering if name.startswith("m-"))
        assert not [name for name, times in modules.items() if times > 1], "sent twice"
        # Two processes that don't know of a session yet may ask at the same moment. Then the second
        # `status` lies there till something follows, which is handled right after it.
        assert all({*in_flight} <= {"status"} for _sender, in_flight, command in job.witness
                   if command["cmd"] != "status"), f"two in flight: {job.witness}"  # fmt: skip
        turns = [(kind, at) for kind, at in events if kind in ("started", "ended")]
        for came_at in job.steered_at:
            before = [kind for kind, at in turns if at < came_at]
            assert before[-1:] == ["started"], f"sent for nobody: {job.steering}"

    @staticmethod
    def _check_speakers(job: SimulatedJob, begun: list[float]) -> None:
        """Who has been followed by another speaks again only where a term has begun meanwhile."""
        followed: set[int] = set()
        steering = zip(job.steered_at, job.steering, strict=True)
        for (before, (last, _)), (at, (sender, _)) in itertools.pairwise(steering):
            if sender == last:
                continue
            followed.add(last)
            has_begun = any(before < then < at for then in begun)
            assert has_begun or sender not in followed, f"two spoke in turns: {job.steering}"

    def _check_timeline(self, job: SimulatedJob) -> None:
        settings = [t for kind, t in self.events_of(job) if kind == "setting"]
        told = [found[1] for t in settings if (found := re.search(r": (m-\d+)$", t))]
        assert len(told) == len(set(told)), f"told twice: {told}"
        sent = [name for _sender, name in job.steering if name.startswith("m-")]
        assert told == [name for name in sent if name in told], "told out of order"
        untold = [module for module in self.confirmed[job.name] if module not in told]
        assert not untold, f"confirmed, and not told: {untold}"
