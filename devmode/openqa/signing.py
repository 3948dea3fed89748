"""Signs requests to openQA's API, which knows programs by a key and a secret.

Pure module: no sockets, no clock.
"""

import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """An API key of openQA; whoever has both halves acts for its user."""

    key: str
    secret: str = field(repr=False)


def signature(credentials: Credentials, target: str, at: int) -> dict[str, str]:
    """Return the headers of a request for `target`, path and query as sent, at a time in seconds.

    The hash is a hexadecimal HMAC-SHA1 (UserAgent.pm, Auth.pm); good for five minutes.
    """
    message = f"{target.replace('%20', '+')}{at}".encode()
    # SHA1 is openQA's choice; in an HMAC nothing is known against it.
    digest = hmac.new(credentials.secret.encode(), message, hashlib.sha1).hexdigest()
    return {
        "X-API-Key": credentials.key,
        "X-API-Microtime": str(at),
        "X-API-Hash": digest,
    }
