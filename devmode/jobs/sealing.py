"""Seals job tokens, so that one process can leave them in the database for the others."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from devmode.commandserver.address import JobToken


class Seal:
    """Whoever has the secret key of devmode can open what was sealed with it."""

    def __init__(self, secret_key: str) -> None:
        """Use a key of its own, made of the secret one."""
        digest = hashlib.sha256(b"devmode job tokens " + secret_key.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))

    def close(self, token: JobToken) -> str:
        """Return a text that tells nobody the token."""
        return self._fernet.encrypt(token.reveal().encode()).decode()

    def open(self, text: str) -> JobToken | None:
        """Return the sealed token; None where another key, or none, has sealed it."""
        try:
            return JobToken(self._fernet.decrypt(text.encode()).decode())
        except (InvalidToken, ValueError):
            return None
