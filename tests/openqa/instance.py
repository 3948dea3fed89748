"""A real openQA from Debian's packages, in processes and a folder of its own, without systemd.

Web UI, websocket server, scheduler, one worker with os-autoinst's null backend and, when asked for,
the livehandler. What they write stays below the folder, and they listen on the loopback only, but
for the command server of a job, which os-autoinst opens on all interfaces.
"""

import contextlib
import hashlib
import hmac
import http.client
import http.cookiejar
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from demo.ports import Ports
from demo.settings import DISTRIBUTION
from tests.databases import OWNER, PostgresqlServer
from tests.openqa.ports import BasePort
from tests.waiting import LIMIT_S

SCRIPTS = Path("/usr/share/openqa/script")
CONTROL_GROUPS = Path("/sys/fs/cgroup/systemd")
KEY = "1234567890ABCDEF"
"""Both halves of the API key that openQA's fake sign-in gives to its user Demo."""
START_S = 150.0
SLOW_OPENQA_S = 150.0
"""How long devmode may take to hear of a job: the slower openQA is, the less it is asked."""

OPENQA_INI = """\
[global]
audit_enabled = 0
appname = openQA
[auth]
method = Fake
[logging]
level = {log_level}
"""

WORKERS_INI = """\
[global]
WORKER_CLASS = null
WORKER_HOSTNAME = 127.0.0.1
LOG_LEVEL = debug
RETRY_DELAY = 1
"""


class OpenQA:
    """One openQA instance; whoever makes one calls `stop` in the end.

    People sign in as Demo (administrator), otherdeveloper (administrator) or nobody (no role), the
    names that openQA's fake sign-in knows; `grant` changes what they may do afterwards.
    """

    key = KEY
    secret = KEY

    def __init__(
        self, folder: Path, postgresql: PostgresqlServer, log_level: str = "debug"
    ) -> None:
        self.folder = folder
        self._port = BasePort()
        self._worker_ports = Ports()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        database = postgresql.new_database()
        self._database = urllib.parse.urlsplit(database).path.removeprefix("/")
        self._sockets = postgresql.folder
        self._environment = os.environ | {
            "OPENQA_CONFIG": str(folder / "etc"),
            "OPENQA_BASEDIR": str(folder),
            "OPENQA_BASE_PORT": str(self.port),
            "OPENQA_SCHEDULER_SCHEDULE_TICK_MS": "500",
            "OPENQA_UPLOAD_DELAY": "1",
            # A worker that uses a connection just when the web UI closes it hangs now and then.
            "MOJO_KEEP_ALIVE_TIMEOUT": "600",
            # One that looks up names in threads (Net::DNS::Native) ends itself now and then.
            "MOJO_NO_NNR": "1",
            # Where the web UI keeps what is live of a job.
            "TMPDIR": str(folder / "tmp"),
            # A worker ends whatever is in the control group of its job, which has the job's number:
            # another openQA's job of that number too.
            "OPENQA_CGROUP_SLICE": f"{CONTROL_GROUPS.name}/{self._control_group.name}",
        }
        self._make_folders(log_level)

    @property
    def _control_group(self) -> Path:
        return CONTROL_GROUPS / f"devmode-tests-{self.port}"

    @property
    def port(self) -> int:
        """Of the web UI; the websocket server is on the next one, the livehandler after it."""
        return self._port.number

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websockets_url(self) -> str:
        """Of openQA's websocket server."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def livehandler_port(self) -> int:
        """Where openQA's page and its worker look for the livehandler when there is no proxy."""
        return self.port + 2

    @property
    def proxy_port(self) -> int:
        """Free for a proxy before all of it; the second one above too."""
        return self.port + 5

    @property
    def apache_port(self) -> int:
        """Free for Apache before all of it."""
        return self.port + 9

    @property
    def worker_instance(self) -> int:
        """The number of the worker, of which os-autoinst makes its ports."""
        return (self._worker_ports.qemuport - 20002) // 10

    @property
    def command_server_port(self) -> int:
        """Where os-autoinst's command server listens while the worker runs a job."""
        return self._worker_ports.qemuport + 1

    @property
    def pool(self) -> Path:
        """The pool directory of the worker."""
        return self.folder / "openqa" / "pool" / str(self.worker_instance)

    def start(self) -> None:
        """Start everything but the livehandler, and wait until a job could be run."""
        self.start_pages()
        self.start_service("openqa-scheduler", "daemon", "-m", "production")
        instance = str(self.worker_instance)
        self.start_service(
            "worker", "--instance", instance, "--host", self.url, "--no-cleanup", "--verbose"
        )
        self._wait_for("worker", self._has_worker)

    def start_pages(self) -> None:
        """Start what people talk to, without anything that runs a job."""
        made = self._run("initdb", "--init_database")
        assert made.wait() == 0, self.log("initdb")
        self.start_service("openqa", "prefork", "-w", "3", "-m", "production", "--proxy")
        self.start_service("openqa-websockets", "daemon", "-m", "production")
        self._wait_for("openqa", lambda: _answers(self.url))
        # The first sign-in makes the API key of the worker.
        self.sign_in("Demo")
        self._wait_for("openqa-websockets", lambda: _answers(self.websockets_url))

    def start_livehandler(self) -> str:
        """Start openQA's own livehandler, apart from devmode in its place; return its URL."""
        port = self.port + 8
        listen = f"http://127.0.0.1:{port}"
        self.start_service("openqa-livehandler", "daemon", "-m", "production", "-l", listen)
        self._wait_for("openqa-livehandler", lambda: _answers(listen))
        return listen

    def start_service(self, name: str, *arguments: str) -> None:
        self._processes[name] = self._run(name, *arguments)

    def pid_of(self, name: str) -> int:
        return self._processes[name].pid

    def stop_service(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End all services, the worker with its job first; may be called twice."""
        for name in reversed(list(self._processes)):
            self.stop_service(name)
        with contextlib.suppress(OSError):  # a worker that may make none has none
            self._control_group.rmdir()
        self._worker_ports.release()
        self._port.release()

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")

    def job_log(self) -> str:
        """What isotovideo has logged of the last job."""
        log = self.pool / "autoinst-log.txt"
        return log.read_text(errors="replace") if log.exists() else ""

    def request(self, method: str, path: str, **form: str | int) -> Any:
        """Ask the API with the administrator's key and return its JSON."""
        body = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(
            self.url + path, body, signed(path, KEY, KEY), method=method
        )
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return json.load(answer)

    def post_job(self, *modules: str, **settings: str | int) -> int:
        """Have a job scheduled for the worker and return its number."""
        schedule = ",".join(f"tests/{module}" for module in modules)
        job = {
            "DISTRI": "demo",
            "VERSION": "1",
            "FLAVOR": "grub",
            "ARCH": "x86_64",
            "MACHINE": "null",
            "TEST": "tour",
            "BACKEND": "null",
            "WORKER_CLASS": "null",
            "XRES": 720,
            "YRES": 400,
            **({"SCHEDULE": schedule} if modules else {}),
            **settings,
        }
        return int(self.request("POST", "/api/v1/jobs", **job)["id"])

    def job(self, number: int) -> dict[str, Any]:
        """What the API tells of a job."""
        job: dict[str, Any] = self.request("GET", f"/api/v1/jobs/{number}")["job"]
        return job

    def run_job(self, *modules: str, **settings: str | int) -> int:
        """Post a job and wait until openQA knows its command server."""
        number = self.post_job(*modules, **settings)
        self._wait_for("worker", lambda: self._has_command_server(number))
        return number

    def end_job(self, number: int) -> None:
        """Cancel a job and wait until the worker is free again."""
        with contextlib.suppress(urllib.error.HTTPError):
            self.request("POST", f"/api/v1/jobs/{number}/cancel")
        # One that ends by itself in the same moment stays cancelled: openQA looks before it writes.
        self._wait_for("worker", lambda: self.job(number)["state"] in ("done", "cancelled"))
        self._wait_for("worker", lambda: self._worker().get("jobid") is None)
        # The worker takes it for the next job's, and ends that as having no tests: of a job that
        # was cancelled before isotovideo began, it is all there is.
        (self.pool / "autoinst-status.json").unlink(missing_ok=True)

    def sign_in(self, name: str) -> http.cookiejar.CookieJar:
        """Sign somebody in and return their cookies, as a browser would hold them."""
        cookies = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        browser.open(f"{self.url}/login?user={name}", timeout=LIMIT_S).close()
        return cookies

    def sign_out(self, cookies: http.cookiejar.CookieJar) -> None:
        """Sign out as a browser with these cookies would."""
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        browser.open(f"{self.url}/logout", timeout=LIMIT_S).close()

    def session_cookie(self, name: str) -> str:
        """Sign somebody in and return the value of openQA's cookie `mojolicious`."""
        return next(cookie.value or "" for cookie in self.sign_in(name))

    def grant(self, name: str, *, operator: bool, administrator: bool) -> None:
        """Change the roles of somebody who has signed in; the next sign-in resets them."""
        self.execute(
            "UPDATE users SET is_operator = %s, is_admin = %s WHERE username = %s",
            (int(operator), int(administrator), name),
        )

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Look into openQA's database, or change it."""
        with psycopg.connect(
            host=str(self._sockets), user=OWNER, dbname=self._database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def _make_folders(self, log_level: str) -> None:
        base = self.folder / "openqa"
        (self.folder / "tmp").mkdir()
        for folder in ("db", "images", "testresults", "webui/cache", "share/factory/tmp"):
            (base / folder).mkdir(parents=True)
        for kind in ("iso", "hdd", "repo", "other"):
            (base / "share/factory" / kind).mkdir()
        self.pool.mkdir(parents=True)
        shutil.copytree(DISTRIBUTION, base / "share/tests/demo")
        configuration = self.folder / "etc"
        configuration.mkdir()
        (configuration / "openqa.ini").write_text(OPENQA_INI.format(log_level=log_level))
        (configuration / "workers.ini").write_text(WORKERS_INI)
        (configuration / "client.conf").write_text(
            f"[127.0.0.1]\nkey = {KEY}\nsecret = {KEY}\n"
            f"[127.0.0.1:{self.port}]\nkey = {KEY}\nsecret = {KEY}\n"
        )
        (configuration / "database.ini").write_text(
            f"[production]\ndsn = dbi:Pg:dbname={self._database};host={self._sockets}\n"
            f"user = {OWNER}\n"
        )

    def _run(self, script: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{script}.log").open("ab") as log:
            return subprocess.Popen(
                # If whoever tests is killed, openQA ends instead of living on unseen.
                ["setpriv", "--pdeathsig", "TERM", str(SCRIPTS / script), *arguments],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _worker(self) -> dict[str, Any]:
        workers = self.request("GET", "/api/v1/workers")["workers"]
        return next((worker for worker in workers if worker["alive"]), {})

    def _has_worker(self) -> bool:
        return self._worker().get("status") == "idle"

    def _has_command_server(self, number: int) -> bool:
        worker = self._worker()
        # The worker keeps the address of its last job's until it has told the state of this one.
        if self.job(number)["state"] != "running":
            return False
        return worker.get("jobid") == number and bool(worker["properties"].get("CMD_SRV_URL"))

    def _wait_for(self, service: str, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + START_S
        while not condition():
            process = self._processes[service]
            assert process.poll() is None, f"{service} has ended:\n{self.log(service)[-4000:]}"
            assert time.monotonic() < deadline, f"{service} is slow:\n{self.log(service)[-4000:]}"
            time.sleep(0.1)


def signed(path: str, key: str, secret: str) -> dict[str, str]:
    """Return the headers by which openQA's API knows who asks."""
    now = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"{path}{now}".encode(), hashlib.sha1).hexdigest()
    return {"X-API-Key": key, "X-API-Microtime": now, "X-API-Hash": digest}


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=LIMIT_S).close()
    except urllib.error.HTTPError as error:
        return error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    return True
