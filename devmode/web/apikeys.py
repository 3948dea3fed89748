"""How openQA's workers prove who they are: an API key that signs the address and the time.

Source of the rule: OpenQA::UserAgent and OpenQA::Shared::Controller::Auth. The body is not signed,
and a request that somebody overhears can be sent again within the tolerance.
"""

import hmac
from collections.abc import Mapping

from werkzeug.datastructures import Headers

from devmode.digits import number_of
from devmode.openqa.signing import Credentials, signature

TOLERANCE_S = 300.0


def is_signed(secrets: Mapping[str, str], headers: Headers, target: str, now: float) -> bool:
    """Tell whether a request for `target`, path and query as sent, is signed by a known key."""
    key, sent_at = headers.get("X-API-Key", ""), headers.get("X-API-Microtime", "")
    secret = secrets.get(key)
    if secret is None or not _is_timely(sent_at, now):
        return False
    expected = signature(Credentials(key, secret), target, int(sent_at))["X-API-Hash"]
    given = headers.get("X-API-Hash", "").lower()
    return hmac.compare_digest(expected.encode(), given.encode())


def _is_timely(sent_at: str, now: float) -> bool:
    at = number_of(sent_at)
    return at is not None and abs(now - at) <= TOLERANCE_S
