"""Masks secrets in a text that comes in pieces, in the same number of bytes.

Pure module: bytes in, bytes out. Wherever the pieces are cut, the result is the same. The job
token is always masked; what the test typed may be, as os-autoinst logs it (bmwqemu.pm, log_call):

    <<< testapi::type_string(string="…", max_interval=250, …)
    <<< testapi::assert_script_run(cmd="…", quiet=undef, …)
"""

import re
from collections.abc import Iterator
from typing import Final

MASK: Final = b"*"
_CALL = re.compile(rb"<<< [\w:]{1,128}\(")
_TYPED = re.compile(rb"""\b(?:string|text|cmd|program)=(["'])|\n""")
_LONGEST_BEGINNING: Final = 160
"""More than the longest match of the two expressions above."""
_INSIDE = {b'"': re.compile(rb'(?:\\[^\n]|[^"\\\n])*'), b"'": re.compile(rb"(?:\\[^\n]|[^'\\\n])*")}


class TypedStrings:
    """Finds what was typed in a log that comes in pieces."""

    def __init__(self) -> None:
        self._before = b""
        self._in_call = False
        self._quote = b""
        self._escaped = False

    def find(self, piece: bytes) -> Iterator[tuple[int, int]]:
        """Yield where in the next piece something typed begins and ends."""
        text, shift = self._before + piece, len(self._before)
        at = 0 if not self._quote else shift
        while at < len(text):
            if self._quote:
                end = self._end_of_string(text, at)
                yield at - shift, end - shift
                at = end
                continue
            match = (_TYPED if self._in_call else _CALL).search(text, at)
            if match is None:
                break
            at = match.end()
            self._quote = (match[1] or b"") if self._in_call else b""
            self._in_call = match[0] != b"\n"
        self._before = b"" if self._quote else text[max(at, len(text) - _LONGEST_BEGINNING) :]

    def _end_of_string(self, text: bytes, at: int) -> int:
        """A string ends with its quote, and in any case with its line."""
        if self._escaped and text[at : at + 1] != b"\n":
            at += 1
        self._escaped = False
        match = _INSIDE[self._quote].match(text, at)
        end = match.end() if match else at
        if end == len(text) - 1 and text[end:] == b"\\":
            self._escaped = True
            end += 1
        if end < len(text):
            self._quote = b""
        return end


class Masker:
    """Masks one text from its beginning, or from the beginning of a line, to its end."""

    def __init__(self, token: bytes, typed: TypedStrings | None = None) -> None:
        """Mask `token`, and what `typed` finds."""
        self._token = token
        self._stars = MASK * len(token)
        self._typed = typed
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what is sure by now, masked; what may begin the token waits for the next piece."""
        raw = self._held + piece
        sure = self._sure(raw)
        self._held = raw[sure:]
        return self._masked(raw[:sure])

    def finish(self) -> bytes:
        """Return the rest: what looks like the beginning of the token, masked as if it were."""
        rest, self._held = MASK * len(self._held), b""
        return rest

    @property
    def waiting(self) -> int:
        """How many bytes wait for the next piece."""
        return len(self._held)

    def _sure(self, raw: bytes) -> int:
        """Return where the longest end of `raw` that may become a token begins."""
        after_last = 0
        while (found := raw.find(self._token, after_last)) >= 0:
            after_last = found + len(self._token)
        begin = max(after_last, len(raw) - len(self._token) + 1)
        return next(
            (at for at in range(begin, len(raw)) if self._token.startswith(raw[at:])), len(raw)
        )

    def _masked(self, raw: bytes) -> bytes:
        masked = raw.replace(self._token, self._stars)
        if self._typed is None:
            return masked
        covered = bytearray(masked)
        for begin, end in self._typed.find(raw):
            covered[begin:end] = MASK * (end - begin)
        return bytes(covered)
