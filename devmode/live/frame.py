"""One picture on its way to the browsers: encoded once, whoever gets it."""

from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property

import msgspec

from devmode.jobs.screenshots import Picture


@dataclass(frozen=True)
class Frame:
    """A picture of a job's screen.

    It travels inside of the stream, which costs a tenth of what a request of its own would cost
    (docs/performance.md).
    """

    job_id: int
    picture: Picture

    @cached_property
    def url(self) -> bytes:
        """The picture as the address of itself."""
        return b"data:image/png;base64," + b64encode(self.picture.data)

    @cached_property
    def event(self) -> bytes:
        """The picture as the streams of pages send it: JSON in a server-sent event."""
        width, height = self.picture.size
        shown = {
            "src": self.url.decode("ascii"),
            "width": width,
            "height": height,
            "at": self.picture.place.written_at,
        }
        said = msgspec.json.encode({"job": self.job_id, "picture": shown})
        return b"data: %b\n\n" % said
