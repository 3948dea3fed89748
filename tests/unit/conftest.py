"""What unit tests share: databases of both kinds."""

from tests.databases import database_url, postgresql

__all__ = ["database_url", "postgresql"]
