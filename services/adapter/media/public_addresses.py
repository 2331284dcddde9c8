"""Which addresses a download may talk to: public ones. Pure.

Checked where the connection is made, on the very address that is connected to, so that neither a redirect nor a name
that resolves differently the second time leads into a private network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Not public, though Python's tables do not say so of all of them: NAT64 of one's own network (RFC 8215), the old site
# addresses, IPv4 addresses written as IPv6 ones in two forgotten ways, and where Azure answers its own machines.
NEVER = tuple(
    ipaddress.ip_network(one)
    for one in ("64:ff9b:1::/48", "fec0::/10", "::/96", "::ffff:0:0:0/96", "168.63.129.16/32", "100.100.100.200/32")
)


class ForbiddenAddressError(Exception):
    """Raised for a host that has no public address; names the host, not what it resolved to."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} 不是公网地址，不会访问 / is no public address and is not fetched from")


def is_public(address: str) -> bool:
    """Whether the address belongs to the public internet, also looking through IPv6 wrappings of IPv4 addresses."""
    try:
        found: Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast and not _never(one) for one in _meant(found))


def _never(address: Address) -> bool:
    return any(address.version == network.version and address in network for network in NEVER)


def first_public(host: str, addresses: Iterable[str]) -> str:
    """The first public address. One private address among them refuses the host: it is not what it claims to be."""
    found = list(addresses)
    if not found or not all(is_public(one) for one in found):
        raise ForbiddenAddressError(host)
    return found[0]


def _meant(address: Address) -> list[Address]:
    """The address and every IPv4 address that it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner: list[Address] = [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
    if address.teredo is not None:
        inner += address.teredo
    if address in NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.ipv4_mapped is not None:
        return inner
    return [address, *inner]
