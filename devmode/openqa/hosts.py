"""To which hosts a link may go: what openQA names as a worker's host is only its word.

Without a setting: to the openQA's own machine. Where that is this one, to every address of it.
The name is looked up once and the address kept, so that it can't come to mean another one between
the check and the use.
"""

import ipaddress
import socket
import time
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import gevent

LOOKUP_S = 3.0
KEPT_S = 60.0
"""How long an address is good for, and that there is none."""
MOST_KEPT = 5000
"""More than any openQA has workers; one could tell of ever new names."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Refused(Exception):
    """No link may go there, or nobody knows where that is; the text is a sentence."""


class HostRule:
    """Which hosts are permitted for the jobs of one openQA."""

    def __init__(self, url: str, patterns: tuple[str, ...]) -> None:
        """Permit the host of the openQA at `url`, and what `patterns` name.

        A pattern is a host name, with `*` for any characters, an address or a network.
        """
        self._own_name = urlsplit(url).hostname or ""
        self._networks = [network for network in map(_network, patterns) if network is not None]
        self._names = [pattern.lower() for pattern in patterns if _network(pattern) is None]
        self._addresses: dict[str, tuple[float, tuple[Address, ...]]] = {}

    def address_of(self, host: str) -> str:
        """Return the address of a permitted host; raise `Refused`."""
        addresses = self._look_up(host)
        if not addresses:
            raise Refused(f"The worker's host name {host} can't be resolved to an address here.")
        if any(fnmatchcase(host.lower(), name) for name in self._names):
            return str(addresses[0])
        permitted = next((address for address in addresses if self._permits(address)), None)
        if permitted is None:
            raise Refused(
                f"No link may go to {host} ({addresses[0]}): DEVMODE_COMMAND_SERVER_HOSTS does not"
                " name it."
            )
        return str(permitted)

    def _permits(self, address: Address) -> bool:
        if any(address in network for network in self._networks):
            return True
        own = self._look_up(self._own_name)
        return address in own or (is_own(address) and any(map(is_own, own)))

    def _look_up(self, host: str) -> tuple[Address, ...]:
        until, addresses = self._addresses.pop(host, (0.0, ()))
        if time.monotonic() > until:
            addresses = look_up(host)
            until = time.monotonic() + KEPT_S
        # At the end: the first is the one that nobody has asked for in the longest time.
        self._addresses[host] = until, addresses
        if len(self._addresses) > MOST_KEPT:
            del self._addresses[next(iter(self._addresses))]
        return addresses


def look_up(host: str) -> tuple[Address, ...]:
    """Return the addresses of a host, none where that takes too long."""
    try:
        with gevent.Timeout(LOOKUP_S, TimeoutError()):
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    # The first comes first, each once; the interface of a link-local address is left out.
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return tuple(ipaddress.ip_address(text) for text in texts)


def is_own(address: Address) -> bool:
    """Tell whether an address is this machine's: nobody can bind another's."""
    if address.is_unspecified or address.is_multicast:
        return False
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _network(pattern: str) -> Network | None:
    try:
        return ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return None
