"""What stands in production: processes behind a proxy, and machines that systemd has booted."""

from tests.databases import postgresql
from tests.processes.fixtures import apache, proxied_world, proxy

__all__ = ["apache", "postgresql", "proxied_world", "proxy"]
