"""Worlds of several processes, and what stands before them."""

from tests.databases import postgresql
from tests.processes.fixtures import (
    apache,
    file_world,
    proxied_world,
    proxy,
    served_world,
    world,
)

__all__ = ["apache", "file_world", "postgresql", "proxied_world", "proxy", "served_world", "world"]
