"""What Prometheus is told: counters and gauges of this process, summed over those of a gunicorn.

Processes share a directory of files that each maps into memory (`PROMETHEUS_MULTIPROC_DIR`, set
by gunicorn.conf.py before this module is imported), so whichever is asked tells of all.
"""

import os
from collections.abc import Callable

import gevent
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from devmode.beat import to_beat_s
from devmode.lag import Lag

GAUGED_EVERY_S = 2.0


def _gauge(name: str, text: str, mode: str = "livesum") -> Gauge:
    return Gauge(f"devmode_{name}", text, multiprocess_mode=mode)  # type: ignore[arg-type]


SESSIONS = _gauge("sessions", "Developer sessions that are kept")
LINKS = _gauge("links", "Links to command servers")
VIEWERS = _gauge("viewers", "Open event streams")
DATABASE_AWAY = _gauge("database_away", "Processes that can't reach the database")
HUB_LAG = _gauge("hub_lag_seconds", "Longest that any process let all else wait", mode="livemax")
COMMANDS = Counter(
    "devmode_commands", "Commands to command servers, by what became of them", ["outcome"]
)
COMMAND_SECONDS = Histogram(
    "devmode_command_seconds",
    "Time from a command to its fate",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
LOST_LINKS = Counter("devmode_lost_links", "Connections to command servers that were lost")
ADOPTIONS = Counter("devmode_adoptions", "Sessions taken over from a process that died or ended")
SUPERSEDED = Counter(
    "devmode_superseded_frames", "Pictures that a slow browser was not sent, as newer ones came"
)


def text() -> bytes:
    """Return everything in the format that Prometheus reads."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
    return generate_latest(registry)


Gauges = dict[Gauge, Callable[[], float]]


def gauge(gauges: Gauges) -> None:
    """Set each gauge to what its function returns, for ever (run in a greenlet)."""
    lag = Lag()
    while True:
        for target, measure in gauges.items():
            target.set(measure())
        HUB_LAG.set(lag.worst_s())
        gevent.sleep(to_beat_s(GAUGED_EVERY_S))
