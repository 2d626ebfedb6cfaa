"""Where a notification may go: the address is resolved once, judged, and that very address is connected to."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from shared.errors import Reject

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# Addresses of this prefix carry an IPv4 address (NAT64, RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# All that IANA has given out as public IPv6 so far, and what lies in it and is not (documentation, RFC 9637).
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")
# Public by the registries, private by what answers there: protocol assignments, among them Oracle's metadata service
# (192.0.0.192), and the service that every machine in Azure reaches its host by.
_PRIVATE_IN_PRACTICE = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16/32"))


class Target(Struct, frozen=True):
    """A checked destination: connect to `address`, speak as if to `host`."""

    scheme: str
    host: str
    port: int
    address: str
    path: str

    @property
    def url(self) -> str:
        """The address in place of the name, so that nothing resolves the name a second time."""
        literal = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{literal}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


class AddressGuard:
    """Lets requests out to public addresses, and to the private networks an operator has named."""

    def __init__(self, allowed: Sequence[Network] = (), resolve: Resolve | None = None) -> None:
        self._allowed = allowed
        self._resolve = resolve or resolve_host

    def check_form(self, url: str) -> SplitResult:
        """Return the parsed address. Raises `Reject` for anything but http(s) to a host, without user or fragment."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Reject(f"not an address: {error}") from error
        if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
            raise Reject("an address starts with https:// and names a host")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise Reject("an address holds no user, password or fragment")
        if not url.isprintable() or " " in url or "\\" in url:
            raise Reject("an address holds no spaces, control characters or backslashes")
        return parts

    async def admit(self, url: str) -> Target:
        """Return where to connect. Raises `Reject` when any address of the host is not one to send to."""
        parts = self.check_form(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            # As it goes over the wire: headers and TLS know no other letters.
            host = host.encode("idna").decode("ascii")
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError, ValueError) as error:
            raise Reject(f"{host} cannot be resolved") from error
        if not found:
            raise Reject(f"{host} cannot be resolved")
        for address in found:
            if not self._is_allowed(address) and not is_public(address):
                raise Reject(f"{host} is not on the public internet")
        if parts.scheme == "http" and not all(map(self._is_allowed, found)):
            raise Reject("plain http is for networks the operator has allowed")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, port, str(found[0]), path)

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._allowed if network.version == address.version)


def is_public(address: Address) -> bool:
    """Return whether an address is on the public internet, looking through every form that hides an IPv4 one."""
    if isinstance(address, ipaddress.IPv4Address):
        is_taken = any(address in network for network in _PRIVATE_IN_PRACTICE)
        return address.is_global and not address.is_multicast and not is_taken
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address.is_global and address in _PUBLIC_IPV6 and address not in _DOCUMENTATION


async def resolve_host(host: str, port: int) -> list[str]:
    """Return every address of a host, as this machine resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
