"""Work that nobody waits for: if it fails, the log says so."""

from collections.abc import Callable
from functools import partial

import gevent
import structlog
from gevent import Greenlet

log = structlog.stdlib.get_logger(__name__)


def in_background(
    trouble: str, do: Callable[..., object], *arguments: object, **fields: object
) -> "Greenlet[..., object]":
    """Do something in a greenlet of its own; if it fails, `trouble` is logged with the fields."""
    greenlet = gevent.spawn(do, *arguments)
    greenlet.link_exception(partial(_log_failure, trouble, fields))
    return greenlet


def _log_failure(trouble: str, fields: dict[str, object], failed: "Greenlet[..., object]") -> None:
    log.error(trouble, **fields, exc_info=failed.exc_info)
