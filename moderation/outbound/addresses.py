"""Which addresses a URL given by a user may lead to.

Anybody who can name a webhook's address could otherwise have our server knock at its own loopback, at the
neighbours in its network, or at a cloud's metadata service (server-side request forgery). The ranges are those of
the IANA special-purpose registries; ``ipaddress.is_global`` alone lets some of them through (192.88.99.0/24,
3fff::/20, and IPv4 addresses inside IPv6 ones).
"""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

DENIED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
"""The only part of IPv6 that is handed out for use on the Internet."""

DENIED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise, through anybody's relay
        "3fff::/20",
    )
)
NAT64 = IPv6Network("64:ff9b::/96")


def unwrap(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 address carries (mapped, NAT64, 6to4), or the address itself."""
    if not isinstance(address, IPv6Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: IPAddress) -> bool:
    """Tell whether an address is one of the public Internet, and no second spelling of one that is not.

    A NAT64 address is judged by the IPv4 address in it, because in an IPv6-only network every IPv4 receiver looks
    like that; 6to4, which nobody needs any more, is refused whatever it carries.
    """
    inner = unwrap(address)
    if isinstance(inner, IPv4Address):
        if isinstance(address, IPv6Address) and address.sixtofour is not None:
            return False
        return inner.is_global and not any(inner in network for network in DENIED_V4)
    return (
        inner in GLOBAL_V6 and inner.scope_id is None and inner.is_global and not any(inner in network for network in DENIED_V6)
    )


def within(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    """Tell whether an address, or the IPv4 address in it, belongs to one of the networks."""
    spellings = {address, unwrap(address)}
    return any(spelling in network for network in networks for spelling in spellings)


def split_allowed(entries: Sequence[str]) -> tuple[frozenset[str], tuple[IPNetwork, ...]]:
    """Return the operator's exceptions as host names (lower case) and networks; an address is a network of one."""
    names, networks = set(), []
    for entry in entries:
        word = entry.strip().lower()
        if not word:
            continue
        try:
            networks.append(ip_network(word, strict=False))
        except ValueError:
            names.add(word.rstrip("."))
    return frozenset(names), tuple(networks)


def literal(host: str) -> IPAddress | None:
    """Return the address that a host is when it is written as one in the usual way, else None."""
    try:
        return ip_address(host)
    except ValueError:
        return None
