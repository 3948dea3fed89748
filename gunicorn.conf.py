"""How gunicorn serves devmode."""

import gevent

# Which greenlet spawned which is kept for nobody: with ten frames, a kilobyte for each.
gevent.config.track_greenlet_tree = False

from gevent import monkey  # noqa: E402 - after configuring

monkey.patch_all()  # before anything imports ssl, threading or a database driver

import gc  # noqa: E402 - after patching
import os  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

from gevent.event import Event  # noqa: E402

from devmode.cluster.schema import newer_schema_at  # noqa: E402
from devmode.config import WrongSetting, chosen, load  # noqa: E402

INSTANCE = Path(__file__).parent / "instance"

try:
    _settings = load(os.environ, INSTANCE)
except WrongSetting as error:
    sys.exit(str(error))

bind = [address for address in (_settings.bind, _settings.internal_address) if address]
workers = _settings.workers
worker_class = "gevent"
worker_connections = 4000
timeout = 30
graceful_timeout = 5
max_requests = 0  # a restart would drop every link to a command server
control_socket_disable = True

# What no browser sends is not kept in memory.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190


# Where the processes count, each in files of its own; kept when this configuration is read anew.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="devmode-metrics-")


def on_starting(server):
    """Refuse tables of a newer devmode; make and print a start code, unless one was chosen."""
    newer = newer_schema_at(_settings.database_url)
    if newer is not None:
        sys.exit(newer)
    if not chosen(os.environ, INSTANCE).start_code:
        os.environ["DEVMODE_START_CODE"] = _settings.start_code
        server.log.info("the start code is %s", _settings.start_code)


def post_worker_init(worker):
    """Begin to keep sessions, and end all that when the worker shuts down."""
    from devmode import logs
    from devmode.web.admission import drain, wait_until_all_left

    devmode = worker.wsgi.extensions["devmode"]
    logs.write(devmode.settings.log_format)
    devmode.start()
    # What has been made by now stays: looking for garbage in it would halt all else for 80 ms.
    gc.collect()
    gc.freeze()
    # Python's own 700 new objects are fewer than one page makes. Among what is old it is looked for
    # every million objects: what lives as long as a stream has to be free of cycles.
    gc.set_threshold(10_000, 10, 10)

    worker.leaving = Event()
    exit_soon = signal.getsignal(signal.SIGTERM)

    def leave(number, frame):
        exit_soon(number, frame)
        worker.leaving.set()

    # Gunicorn only notes it, and looks once a second: others could keep the sessions by then.
    signal.signal(signal.SIGTERM, leave)

    def end():
        worker.leaving.wait()
        drain()
        devmode.stop()
        wait_until_all_left()

    worker.ending = gevent.spawn(end)


def worker_exit(_server, worker):
    """Leave the sessions to whoever comes next, without making them wait for the lease.

    Streams are no requests to gunicorn: those who watch are waited for here.
    """
    if hasattr(worker, "ending"):
        worker.leaving.set()
        worker.ending.join(3)


def child_exit(_server, worker):
    """Let the gauges of a process end with it."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(_server):
    """Take the files of the metrics along."""
    folder = os.environ["PROMETHEUS_MULTIPROC_DIR"]
    if Path(folder).name.startswith("devmode-metrics-"):
        shutil.rmtree(folder, ignore_errors=True)
