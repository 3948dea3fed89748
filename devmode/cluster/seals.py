"""Seals what hosts say to each other: nobody else can make it up or change it.

A sealed question names whom it is for, when it was asked by the database's clock, and a number
that is used once. Each part of the answer is sealed for that one question and in its order, so
that an answer can't be forged, mixed up or cut short either. Sealed is not secret: what hosts say
can be read by who can listen between them.

Knows no socket and no clock.
"""

import hmac
import secrets
from collections import OrderedDict
from typing import Final

import msgspec

FRESH_S: Final = 10.0
"""How old a question may be, and for how long it is remembered that it was asked."""
SEAL: Final = 32
_PURPOSE: Final = b"devmode: what hosts say to each other, 1"


class NotSealed(Exception):
    """Nobody who knows the secret said this to us just now."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """What is asked, of whom, and when."""

    receiver: str
    at: float
    number: bytes
    content: bytes


class Answer:
    """Seals or opens the parts of the answer to one question, in their order."""

    def __init__(self, key: bytes, question: Question) -> None:
        """Begin with the first part."""
        self._key = hmac.digest(key, b"answer" + question.number, "sha256")
        self._parts = 0

    def seal(self, part: bytes) -> bytes:
        """Return the next part with its seal."""
        return self._seal_of(part) + part

    def open(self, sealed: bytes) -> bytes:
        """Return what the next part says; raise `NotSealed`."""
        part = sealed[SEAL:]
        if not hmac.compare_digest(self._seal_of(part), sealed[:SEAL]):
            raise NotSealed("an answer from elsewhere")
        return part

    def _seal_of(self, part: bytes) -> bytes:
        self._parts += 1
        return hmac.digest(self._key, self._parts.to_bytes(8, "big") + part, "sha256")


class Seals:
    """Seals and opens questions; remembers which were asked lately."""

    def __init__(self, secret_key: str) -> None:
        """Use a key that follows from the secret, and from which nobody gets back to it."""
        self._key = hmac.digest(secret_key.encode(), _PURPOSE, "sha256")
        self._asked: OrderedDict[bytes, float] = OrderedDict()

    def ask(self, receiver: str, content: bytes, now: float) -> tuple[bytes, Answer]:
        """Return a sealed question, and what opens its answer."""
        question = Question(receiver, now, secrets.token_bytes(16), content)
        encoded = msgspec.msgpack.encode(question)
        return hmac.digest(self._key, encoded, "sha256") + encoded, Answer(self._key, question)

    def open(self, sealed: bytes, receiver: str, now: float) -> tuple[bytes, Answer]:
        """Return what is asked of `receiver`, and what seals the answer; raise `NotSealed`."""
        encoded = sealed[SEAL:]
        if not hmac.compare_digest(hmac.digest(self._key, encoded, "sha256"), sealed[:SEAL]):
            raise NotSealed("it is not sealed with this devmode's secret key")
        question = msgspec.msgpack.decode(encoded, type=Question)
        if question.receiver != receiver:
            raise NotSealed("it is for another host")
        if not abs(now - question.at) <= FRESH_S:
            raise NotSealed("it is too old")
        self._forget(now)
        if question.number in self._asked:
            raise NotSealed("it was asked before")
        self._asked[question.number] = now
        return question.content, Answer(self._key, question)

    def _forget(self, now: float) -> None:
        """A question may come from the future by as much as it may be old."""
        while self._asked and now - next(iter(self._asked.values())) > 2 * FRESH_S:
            self._asked.popitem(last=False)
