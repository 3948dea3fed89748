"""A request body has to come within some seconds, or its connection is needed for others."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import gevent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

BODY_S = 10.0
SLOW = b"The request took too long to come. Nothing was changed.\n"

App = Callable[[dict[str, Any], "StartResponse"], Iterable[bytes]]


class Patience:
    """Reads the body before the application is called, which then never waits for one."""

    def __init__(self, app: App, longest: int) -> None:
        """Call `app`; bodies longer than `longest` bytes are left for it to refuse."""
        self._app = app
        self._longest = longest

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request, with 408 if its body does not come."""
        length = environ.get("CONTENT_LENGTH") or "0"
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        if not chunked and not (length.isdigit() and 0 < int(length) <= self._longest):
            return self._app(environ, start_response)
        try:
            with gevent.Timeout(BODY_S):
                body = environ["wsgi.input"].read(self._longest + 1 if chunked else int(length))
        except gevent.Timeout:
            headers = [("Content-Type", "text/plain"), ("Connection", "close")]
            start_response("408 Request Timeout", headers)
            return [SLOW]
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return self._app(environ, start_response)
