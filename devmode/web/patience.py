"""A request body has to come within some seconds, or its connection is needed for others."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import gevent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

BODY_S = 10.0
WASTED = 16 << 20
"""How many bytes of a body that is too long are read all the same: who still sends when the
connection closes is told of that (502 from a proxy) instead of the refusal."""
PIECE = 64 << 10
SLOW = b"The request took too long to come. Nothing was changed.\n"

App = Callable[[dict[str, Any], "StartResponse"], Iterable[bytes]]


class Patience:
    """Reads the body before the application is called, which then never waits for one."""

    def __init__(self, app: App, longest: int) -> None:
        """Call `app`, which is to refuse bodies longer than `longest` bytes by their length."""
        self._app = app
        self._longest = longest

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request, with 408 if its body does not come."""
        length = environ.get("CONTENT_LENGTH") or "0"
        if "HTTP_TRANSFER_ENCODING" not in environ and not (length.isdigit() and int(length)):
            return self._app(environ, start_response)
        try:
            with gevent.Timeout(BODY_S):
                body = self._read(environ["wsgi.input"])
        except gevent.Timeout:
            headers = [("Content-Type", "text/plain"), ("Connection", "close")]
            start_response("408 Request Timeout", headers)
            return [SLOW]
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return self._app(environ, start_response)

    def _read(self, stream: BinaryIO) -> bytes:
        body = stream.read(self._longest + 1)
        if len(body) > self._longest:
            wasted = 0
            while wasted < WASTED and (piece := stream.read(PIECE)):
                wasted += len(piece)
        return body
