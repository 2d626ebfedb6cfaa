"""Whose word counts about where a request came from: proxies named by the operator, and by default nobody's. Pure."""

import ipaddress
from collections.abc import Sequence
from typing import Self

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """Addresses and networks of reverse proxies.

    >>> TrustedProxies.parse("10.0.0.0/8").client("10.0.0.1", ["203.0.113.7, 198.51.100.4, 10.0.0.2"])
    '198.51.100.4'
    """

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = networks

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the proxies of a comma-separated list of addresses and networks. Raises `ValueError`."""
        return cls([ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()])

    def __contains__(self, host: str) -> bool:
        address = _address(host)
        return address is not None and self._is_known(address)

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return a request's client: the peer, or what trusted proxies say in the values of X-Forwarded-For.

        Each proxy adds the address it was called from at the end, so the client is the last that is no trusted proxy;
        what stands before it came from the client, who may write anything.
        """
        client = peer
        for said in reversed(",".join(forwarded_for).split(",")):
            if client not in self:
                return client
            address = _address(_without_port(said.strip()))
            if address is None:
                return client
            client = str(address)
        return client

    def _is_known(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def checked(text: str) -> str:
    """Return a list of proxies as it is. Raises `ValueError` when it is none."""
    TrustedProxies.parse(text)
    return text


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows an IPv4 caller so.
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
