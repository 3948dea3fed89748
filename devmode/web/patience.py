"""A request body has to come whole and within some seconds, or its connection is needed for others.

Half a body may mean something else than the whole: nothing of it reaches a route.
"""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import gevent

from devmode.errors import CutShort, DevmodeError, TooSlow

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

BODY_S = 10.0
WASTED = 16 << 20
"""How many bytes of a body that is too long are read all the same: who still sends when the
connection closes is told of that (502 from a proxy) instead of the refusal."""
PIECE = 64 << 10
TROUBLE = "devmode.trouble"
"""In the environment of a request, the error that it is to be answered with."""

App = Callable[[dict[str, Any], "StartResponse"], Iterable[bytes]]


class Patience:
    """Reads the body before the application is called, which then never waits for one."""

    def __init__(self, app: App, longest: int) -> None:
        """Call `app`, which is to refuse bodies longer than `longest` bytes by their length."""
        self._app = app
        self._longest = longest

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request; one whose body is of no use goes without, and with `TROUBLE`."""
        length = environ.get("CONTENT_LENGTH") or "0"
        declared = int(length) if length.isdigit() else 0
        if "HTTP_TRANSFER_ENCODING" not in environ and not declared:
            return self._app(environ, start_response)
        try:
            body = self._whole(environ["wsgi.input"], declared)
        except DevmodeError as error:
            environ[TROUBLE] = error
            body = b""
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return self._app(environ, start_response)

    def _whole(self, stream: BinaryIO, declared: int) -> bytes:
        """Return a body of at least the bytes that were declared; raise `CutShort`, `TooSlow`."""
        with gevent.Timeout(BODY_S, TooSlow("The request came too slowly. Nothing was changed.")):
            body = self._read(stream)
        if len(body) < min(declared, self._longest + 1):
            raise CutShort("The request broke off in the middle. Nothing was changed.")
        return body

    def _read(self, stream: BinaryIO) -> bytes:
        body = stream.read(self._longest + 1)
        if len(body) > self._longest:
            wasted = 0
            while wasted < WASTED and (piece := stream.read(PIECE)):
                wasted += len(piece)
        return body
