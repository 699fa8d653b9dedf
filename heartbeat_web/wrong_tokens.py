"""Wrong tokens: how many a client may try, in memory and within bounds."""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

TRIES_OF_ONE = 10
TRIES_OF_ALL = 100
_SECONDS = 60.0
_MOST_CLIENTS = 1_000
_IPV6_NETWORK = 64
"""Bits of the network that one household or machine has to itself."""


@dataclass
class _Tries:
    """A bucket that holds a number of tries and is full again after a minute."""

    most: int
    left: float
    at: float

    def refill(self, now: float) -> None:
        self.left = min(self.most, self.left + (now - self.at) * self.most / _SECONDS)
        self.at = now

    @property
    def wait(self) -> int:
        """Seconds until there is a try again; 0 while there is one."""
        return 0 if self.left >= 1 else math.ceil((1 - self.left) * _SECONDS / self.most)


@dataclass
class WrongTokens:
    """Counts the wrong tokens of each client address, and of all together.

    A client without a wrong token of late is never made to wait, so that nobody locks out
    another one's right token.
    """

    clock: Callable[[], float] = time.monotonic
    _all: _Tries = field(init=False)
    _clients: OrderedDict[str, _Tries] = field(default_factory=OrderedDict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Begin with every try left."""
        self._all = _Tries(TRIES_OF_ALL, TRIES_OF_ALL, self.clock())

    def wait(self, client: str) -> int:
        """Seconds for which no token of that client is looked at; 0 for none."""
        with self._lock:
            now = self.clock()
            self._all.refill(now)
            tries = self._clients.get(_network(client))
            if tries is None:
                return 0
            tries.refill(now)
            if tries.left >= tries.most:
                del self._clients[_network(client)]
                return 0
            return max(tries.wait, self._all.wait)

    def count(self, client: str) -> None:
        """Count a wrong token of that client."""
        with self._lock:
            now = self.clock()
            name = _network(client)
            tries = self._clients.pop(name, _Tries(TRIES_OF_ONE, TRIES_OF_ONE, now))
            for each in (tries, self._all):
                each.refill(now)
                each.left = max(0.0, each.left - 1)
            self._clients[name] = tries
            if len(self._clients) > _MOST_CLIENTS:
                self._clients.popitem(last=False)


def _network(client: str) -> str:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
    return client
