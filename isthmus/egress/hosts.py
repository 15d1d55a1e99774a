"""Which hosts and addresses are Salesforce's and public: pure decisions, without a look-up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from isthmus.values import OrgHost

HTTPS_PORT: Final = 443
HOST_LENGTH_MAX: Final = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LOGIN_HOSTS: Final = frozenset({"login.salesforce.com", "test.salesforce.com"})
_MY_DOMAIN = re.compile(
    rf"{_LABEL}(?:\.(?:sandbox|develop|scratch|trailblaze|demo|patch|free|stg))?\.my\.salesforce\.com"
)
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]{1,253})(?::([1-9][0-9]{0,4}))?/?")


class HostDenial(StrEnum):
    """Why a host is not one that we talk to."""

    SHAPE = "it is not of the form https://name"
    NOT_SALESFORCE = "it is not login.salesforce.com, test.salesforce.com or a My Domain (name.my.salesforce.com)"
    PLAIN_HTTP = "only https is allowed (plain http for a loopback address needs ISTHMUS_ALLOW_LOOPBACK_HTTP=1)"
    PORT = "only port 443 is allowed"
    LOOPBACK = "loopback addresses need ISTHMUS_ALLOW_LOOPBACK_HTTP=1"


@dataclass(frozen=True, slots=True)
class HostDenied:
    """A host that we do not talk to, and why."""

    reason: HostDenial


class AddressDenial(StrEnum):
    """Why an address is never dialled."""

    NOT_PUBLIC = "not a public address"
    TUNNELLED = "an IPv4 address inside an IPv6 one"
    LOOPBACK = "a loopback address, not allowed by the settings"


@dataclass(frozen=True, slots=True)
class Permitted:
    """An address that may be dialled."""

    address: IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class AddressDenied:
    """An address that is never dialled, and why."""

    reason: AddressDenial


Address: TypeAlias = IPv4Address | IPv6Address

_V4_REFUSED: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_V6_PUBLIC: Final = IPv6Network("2000::/3")
_V6_TUNNELS: Final = tuple(
    map(IPv6Network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)
_V6_REFUSED: Final = tuple(map(IPv6Network, ("2001:db8::/32", "2001::/23", "3fff::/20", "5f00::/16")))


def parse_login_host(unverified_text: str, *, allow_loopback_http: bool) -> OrgHost | HostDenied:
    """Return the org that a person named (`name.my.salesforce.com`, with or without `https://`), or why it is refused.

    Deliberately strict: no user info, path, query, IDN, trailing dot, numeric or encoded form; nothing is normalised
    but case and a single trailing slash.
    """
    text = unverified_text.strip(" ")
    if len(text) > HOST_LENGTH_MAX + 16 or not text.isascii():
        return HostDenied(HostDenial.SHAPE)
    text = text.lower()
    match = _ORIGIN.fullmatch(text if "://" in text else f"https://{text}")
    if match is None:
        return HostDenied(HostDenial.SHAPE)
    scheme, name, port_text = match.groups()
    port = int(port_text) if port_text else {"https": HTTPS_PORT, "http": 80}[scheme]
    host = OrgHost(scheme, name, port)
    denial = judge_host(host, loopback=allow_loopback_http)
    return host if denial is None else HostDenied(denial)


def judge_host(host: OrgHost, *, loopback: bool) -> HostDenial | None:
    """Return None if we may talk to `host`, otherwise why not. `loopback` admits 127.0.0.1 and localhost."""
    if is_loopback_name(host.name):
        return None if loopback and host.scheme in {"http", "https"} else HostDenial.LOOPBACK
    if host.name not in _LOGIN_HOSTS and _MY_DOMAIN.fullmatch(host.name) is None:
        return HostDenial.NOT_SALESFORCE
    if host.scheme != "https":
        return HostDenial.PLAIN_HTTP
    return None if host.port == HTTPS_PORT else HostDenial.PORT


def is_loopback_name(name: str) -> bool:
    """Whether `name` is one of the two spellings of this machine that we accept."""
    return name in {"127.0.0.1", "localhost"}


def permit_address(address: Address, *, loopback: bool) -> Permitted | AddressDenied:
    """Return whether `address` may be dialled: public ones only; loopback where the operator allows it."""
    if address in {ip_address("127.0.0.1"), ip_address("::1")}:
        return Permitted(address) if loopback else AddressDenied(AddressDenial.LOOPBACK)
    if isinstance(address, IPv4Address):
        refused = any(address in network for network in _V4_REFUSED)
        return AddressDenied(AddressDenial.NOT_PUBLIC) if refused else Permitted(address)
    if any(address in network for network in _V6_TUNNELS):
        return AddressDenied(AddressDenial.TUNNELLED)
    refused = address not in _V6_PUBLIC or any(address in network for network in _V6_REFUSED)
    return AddressDenied(AddressDenial.NOT_PUBLIC) if refused or address.scope_id else Permitted(address)
