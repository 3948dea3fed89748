"""The other hosts: where they are reached, and how to ask them something.

Each process writes beside its lease at which internal address its host is reached. A question is
one POST, the answer a sequence of sealed parts, which may go on for hours; who answers says at
least every second that they are still there.
"""

import http.client
import random
import time
from collections.abc import Callable, Iterator
from typing import Final

import gevent
import msgspec
import structlog

from devmode.cluster.leases import Lease
from devmode.cluster.seals import SEAL, NotSealed, Seals
from devmode.errors import DevmodeError, HostAway, error_of

SILENCE_S: Final = 4.0
"""How long a host that says nothing is waited for."""
PART_S: Final = 20.0
"""How long a part of an answer may take: a byte now and then is no answer."""
LEFT_ALONE_S: Final = 2.0
"""How long an address that was silent is asked nothing: a page asks several things in a row."""
LONGEST_TROUBLE: Final = 200
"""How much is logged of what a stranger may have said."""
LARGEST_PART: Final = 16 << 20
LENGTH: Final = 4
ALIVE, SAID, REFUSED, OVER = b"\0", b"\1", b"\2", b"\3"
"""The first byte of a part: nothing new; something said; an error; the end of the answer."""

log = structlog.stdlib.get_logger(__name__)


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """An error as it travels."""

    code: str
    sentence: str
    field: str = ""

    def encode(self) -> bytes:
        """Return it as it travels: a process from before there were fields reads a pair."""
        parts = (self.code, self.sentence, self.field)
        return msgspec.msgpack.encode(parts if self.field else parts[:2])

    def error(self) -> DevmodeError:
        """Return the error as the host raised it."""
        error = error_of(self.code)(self.sentence)
        error.field = self.field
        return error


class Peers:
    """Asks processes of other hosts, on behalf of this one."""

    def __init__(self, lease: Lease, seals: Seals, host: str) -> None:
        """Ask those that have a lease beside `lease`, on any host but `host`."""
        self._lease = lease
        self._seals = seals
        self._host = host
        self._silent_at: dict[str, float] = {}
        """When an address was last waited for in vain."""

    def when_changed(self, listener: Callable[[], None]) -> None:
        """Call `listener` when there may be others than before; it must not block."""
        self._lease.when_changed(listener)

    @property
    def hosts(self) -> set[str]:
        """The other hosts that can be asked."""
        return {host for host, _address in self._others()}

    def ask(self, host: str, question: bytes) -> Iterator[bytes]:
        """Ask a host and yield the parts of its answer, as they come.

        Raises what it raises; `HostAway` when it can't be reached, or is lost before the end.
        """
        addresses = self._addresses_of(host)
        if not addresses:
            raise HostAway(f"The host “{host}” can't be reached: no devmode runs there that says"
                           " where (DEVMODE_INTERNAL_ADDRESS).")  # fmt: skip
        speaking = [address for address in addresses if self._may_be_asked(address)]
        address, connection = self._connected(host, random.sample(speaking, len(speaking)))
        try:
            yield from self._answer(connection, host, question)
        except (OSError, http.client.HTTPException, NotSealed) as error:
            if isinstance(error, TimeoutError):
                self._leave_alone([address])
            trouble = f"{error or type(error).__name__}"[:LONGEST_TROUBLE]
            log.info("a host did not answer", host=host, trouble=trouble)
            raise _away(host) from error
        finally:
            connection.close()

    def place_of(self, host: str) -> str:
        """Return the network address of a host, as its processes say it; raise `HostAway`."""
        for address in self._addresses_of(host):
            return split_address(address)[0]
        raise _away(host)

    def _addresses_of(self, asked: str) -> list[str]:
        return [address for host, address in self._others() if host == asked]

    def _others(self) -> set[tuple[str, str]]:
        return {
            (holder.host, holder.address)
            for holder in self._lease.holders
            if holder.address and holder.host != self._host
        }

    def _connected(self, host: str, addresses: list[str]) -> tuple[str, http.client.HTTPConnection]:
        for address in addresses:
            connection = http.client.HTTPConnection(*split_address(address), timeout=SILENCE_S)
            try:
                connection.connect()
            except TimeoutError as error:
                log.info("host %s can't be reached: %s", host, error)
                # Nor by another port.
                self._leave_alone(addresses)
                break
            except OSError as error:
                log.info("a host can't be reached", host=host, trouble=str(error))
            else:
                return address, connection
        raise _away(host)

    def _leave_alone(self, addresses: list[str]) -> None:
        self._silent_at |= dict.fromkeys(addresses, time.monotonic())

    def _may_be_asked(self, address: str) -> bool:
        since = self._silent_at.get(address)
        return since is None or time.monotonic() - since > LEFT_ALONE_S

    def _answer(
        self, connection: http.client.HTTPConnection, host: str, question: bytes
    ) -> Iterator[bytes]:
        sealed, answer = self._seals.ask(host, question, self._lease.database_time)
        with _in_time():
            connection.request("POST", "/", sealed)
            response = connection.getresponse()
        if response.status != http.client.OK:
            raise NotSealed(f"it refuses with status {response.status}")
        while True:
            with _in_time():
                part = answer.open(_part(response))
            kind, content = part[:1], part[1:]
            if kind == REFUSED:
                raise msgspec.msgpack.decode(content, type=Refusal).error()
            if kind == OVER:
                return
            if kind == SAID:
                yield content


def framed(sealed: bytes) -> bytes:
    """Return a sealed part as it travels."""
    return len(sealed).to_bytes(LENGTH, "big") + sealed


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`."""
    host, _colon, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _in_time() -> gevent.Timeout:
    return gevent.Timeout(PART_S, TimeoutError("it says too little at a time"))


def _part(response: http.client.HTTPResponse) -> bytes:
    length = int.from_bytes(_exactly(response, LENGTH), "big")
    if not SEAL < length <= LARGEST_PART:
        raise NotSealed("a part of no possible length")
    return _exactly(response, length)


def _exactly(response: http.client.HTTPResponse, length: int) -> bytes:
    data = response.read(length)
    if len(data) < length:
        raise http.client.IncompleteRead(data, length - len(data))
    return data


def _away(host: str) -> HostAway:
    return HostAway(f"The host “{host}” can't be reached just now.")
