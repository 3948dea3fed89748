"""Several devmodes served by gunicorn on one database, simulated jobs, and what is true of both."""

import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

ROOT = Path(__file__).parents[2]
START_CODE = "sesame"
LIMIT_S = 30.0
MODULES = 200


def until(condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Waits until something is true and returns it."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{limit_s} s were not enough for {what}"
        time.sleep(0.02)
    return found


class Gunicorn:
    """One gunicorn with its workers."""

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._log = folder / f"{name}.log"
        # A gunicorn that is killed leaves these files behind.
        counts = folder / f"{name}.metrics"
        counts.mkdir()
        self._environment = environment | {
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
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def begin(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> float:
        """Ends it as systemd does, and returns how many seconds that took."""
        assert self._process is not None
        began = time.monotonic()
        self._process.terminate()
        self._process.wait(LIMIT_S)
        return time.monotonic() - began

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
        self._witness = folder / f"{name}.witness"
        pool = folder / "pools" / name
        pool.mkdir()
        program = Path(__file__).with_name("simulated.py")
        command = [sys.executable, str(program), str(pool), str(self._witness), str(MODULES)]
        self._process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
        self._free = [f"m-{number}" for number in range(MODULES)]

    @property
    def witness(self) -> list[tuple[int, int, dict[str, Any]]]:
        """Of each command: which connection sent it, how many were in flight, and what it was."""
        lines = self._witness.read_text().splitlines() if self._witness.exists() else []
        return [tuple(json.loads(line)) for line in lines]

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

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(LIMIT_S)


class World:
    """Everything of one scenario."""

    def __init__(self, folder: Path, database_url: str, *gunicorns: int, **settings: str) -> None:
        (folder / "pools").mkdir()
        self.folder = folder
        self.jobs: list[SimulatedJob] = []
        self.engine: Engine = create_engine(database_url, pool_pre_ping=True)
        environment = os.environ | {
            "DEVMODE_DATABASE_URL": database_url,
            "DEVMODE_POOL_DIRECTORIES": str(folder / "pools" / "*"),
            "DEVMODE_START_CODE": START_CODE,
            "DEVMODE_SECRET_KEY": "only for tests",
            "DEVMODE_LOG_FORMAT": "json",
            "DEVMODE_HOST": "here",
            **{f"DEVMODE_{name.upper()}": value for name, value in settings.items()},
        }
        upgrade = [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"]
        subprocess.run(upgrade, cwd=ROOT, env=environment, check=True, capture_output=True)
        self.gunicorns = [
            Gunicorn(folder, f"gunicorn-{number}", environment | {"DEVMODE_WORKERS": str(workers)})
            for number, workers in enumerate(gunicorns)
        ]
        for gunicorn in self.gunicorns:
            gunicorn.begin()
        self._expected = sum(gunicorns)
        self.wait_until_complete()

    def wait_until_complete(self) -> None:
        """Waits until as many processes are there as there should be, and each has its lease."""
        until(lambda: len(self.alive()) == self._expected, "every process to begin", 60)

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

    # What the database says

    def rows(self, query: str, **values: object) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), values))

    def alive(self) -> list[str]:
        """The processes whose lease lasts, by the clock of this very machine."""
        found = self.rows("SELECT id FROM processes WHERE lease_until > :now", now=time.time())
        return [row.id for row in found]

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
        """One speaker at a time, nothing sent twice, nothing lost or out of order."""
        senders = [sender for sender, _command in job.steering]
        changes = [a for a, b in itertools.pairwise(senders) if a != b]
        assert len(changes) == len(set(changes)), f"two keepers spoke in turns: {job.steering}"
        modules = Counter(name for _sender, name in job.steering if name.startswith("m-"))
        assert not [name for name, times in modules.items() if times > 1], "sent twice"
        assert all(in_flight == 1 for _s, in_flight, command in job.witness
                   if command["cmd"] != "status"), "two commands in flight"  # fmt: skip
        settings = [t for kind, t in self.events_of(job) if kind == "setting"]
        told = [found[1] for t in settings if (found := re.search(r": (m-\d+)$", t))]
        assert len(told) == len(set(told)), f"told twice: {told}"
        sent = [name for _sender, name in job.steering if name.startswith("m-")]
        assert told == [name for name in sent if name in told], "told out of order"
        for gunicorn in self.gunicorns:
            assert "Traceback" not in gunicorn.log, gunicorn.log
