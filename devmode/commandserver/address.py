"""Where a command server is, and the credential for it.

Pure module: no sockets, no Flask, no database.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


class JobToken:
    """The job token: whoever has it commands the job, so it never shows itself."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep a token; raise `ValueError` on one that could lead a URL astray."""
        if not _TOKEN.fullmatch(value):
            raise ValueError("a job token consists of letters, digits, - and _")
        self._value = value

    def reveal(self) -> str:
        """Return the token itself, for a handshake and nothing else."""
        return self._value

    def __repr__(self) -> str:
        """Hide the token."""
        return "JobToken(…)"

    def __eq__(self, other: object) -> bool:
        """Compare the tokens themselves."""
        return isinstance(other, JobToken) and other._value == self._value

    def __hash__(self) -> int:
        """Hash the token itself."""
        return hash(self._value)


@dataclass(frozen=True)
class Address:
    """A command server: isotovideo's `QEMUPORT + 1` on its host."""

    host: str
    port: int
    token: JobToken

    def url(self) -> str:
        """Return the websocket URL; it holds the token: never log, show or store it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{self.port}/{self.token.reveal()}/ws"
