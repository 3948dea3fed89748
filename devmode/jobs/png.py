"""What devmode has to know of a PNG: how large it is, and whether it is there to its end.

Pure module: bytes in. Whoever wrote them may be hostile.
"""

import struct
from typing import Final

from devmode.schemas import LARGEST_SIDE

LARGEST_PICTURE: Final = 8 << 20
"""Bytes; more than any picture of a screen takes."""
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
_HEAD: Final = struct.Struct(">16sII")
HEAD: Final = _HEAD.size
"""How many of its first bytes tell the size."""


def size_of(picture: bytes) -> tuple[int, int]:
    """Return width and height by the first `HEAD` bytes; nothing by nothing if it is no screen."""
    if len(picture) < HEAD:
        return 0, 0
    signature, width, height = _HEAD.unpack_from(picture)
    possible = 0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE
    return (width, height) if possible and signature == _SIGNATURE else (0, 0)


def is_whole(picture: bytes) -> bool:
    """Whether this is a PNG from its signature to its end, of a size that a screen can have."""
    return size_of(picture) != (0, 0) and picture.endswith(_END)
