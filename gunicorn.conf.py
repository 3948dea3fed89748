"""How gunicorn serves devmode."""

from gevent import monkey

monkey.patch_all()  # before anything imports ssl, threading or a database driver

import os  # noqa: E402 - after patching
import secrets  # noqa: E402

import gevent  # noqa: E402

bind = os.environ.get("DEVMODE_BIND", "127.0.0.1:8000")
worker_class = "gevent"
workers = int(os.environ.get("DEVMODE_WORKERS", "1"))
worker_connections = 4000
timeout = 30
graceful_timeout = 5
max_requests = 0  # a restart would drop every link to a command server
control_socket_disable = True


def on_starting(server):
    """Make and print a start code, unless whoever starts gunicorn chose one."""
    if not os.environ.get("DEVMODE_START_CODE"):
        os.environ["DEVMODE_START_CODE"] = secrets.token_urlsafe(9)
        server.log.info("the start code is %s", os.environ["DEVMODE_START_CODE"])


def post_worker_init(worker):
    """Begin to keep sessions, and end the streams when the worker shuts down: it waits for them."""
    from devmode.web.stream import drain

    worker.wsgi.extensions["devmode"].start()

    def watch():
        while worker.alive:
            gevent.sleep(0.25)
        drain()

    gevent.spawn(watch)


def worker_exit(_server, worker):
    """Leave the sessions to whoever comes next, without making them wait for the lease."""
    if worker.wsgi is not None:
        worker.wsgi.extensions["devmode"].stop()
