"""The finite list of requests, and the plants that must be refused by the policy that guards it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final

from isthmus.egress.hosts import AddressDenied, HostDenied, parse_login_host, permit_address
from isthmus.egress.policy import Call, Denied, Hole, Method, Route, RouteName, decide
from isthmus.salesforce import routes
from isthmus.salesforce.routes import ROUTES
from isthmus.trust.model import Outcome, Verdict
from isthmus.values import OrgHost, Purpose

_HOST: Final = OrgHost("https", "plant.my.salesforce.com", 443)
_V: Final = {"version": "62.0"}
_AUDIT_PLANTS: Final[Mapping[str, Call]] = MappingProxyType(
    {
        "a query of our own": Call(routes.QUERY, {**_V, "soql": "SELECT Id FROM Contact"}),
        "an upsert": Call(routes.UPSERT, {**_V, "object": "Account", "key": "Id"}),
        "a bulk export": Call(routes.EXPORT_CREATE, _V),
        "a bulk load": Call(routes.INGEST_CREATE, _V),
        "a new field": Call(routes.FIELD_CREATE, _V),
        "an unlisted request": Call(RouteName("anything"), _V),
    }
)
_HOST_PLANTS: Final = (
    "example.com",
    "http://login.salesforce.com",
    "https://login.salesforce.com:8443",
    "https://login.salesforce.com.example.com",
    "https://example.com/.my.salesforce.com",
    "https://user@login.salesforce.com",
    "169.254.169.254",
)
_ADDRESS_PLANTS: Final = ("10.0.0.1", "169.254.169.254", "192.168.1.1", "::ffff:10.0.0.1", "fd00::1", "0.0.0.0")  # noqa: S104 to be refused
_HARMLESS_HOLES: Final = frozenset({Hole.VERSION, Hole.API_NAME, Hole.ID, Hole.INSTANT, Hole.COUNT, Hole.QUERY_LOCATOR})


@dataclass(frozen=True, slots=True)
class ListedRequest:
    """One request of the list as the page shows it."""

    name: str
    method: str
    path: str
    purposes: str


def listed_requests() -> list[ListedRequest]:
    """Return every request that can be sent, in the order of the table."""
    return [
        ListedRequest(
            route.name, route.method.value, _shown(route), ", ".join(sorted(str(reach) for reach in route.reaches))
        )
        for route in ROUTES.values()
    ]


def judge_audit_reads() -> Outcome:
    """Kept if every plant on an audit connection is refused and every route that it reaches only reads."""
    passed = [
        name
        for name, call in _AUDIT_PLANTS.items()
        if not isinstance(decide(call, Purpose.AUDIT, _HOST, ROUTES, loopback=False), Denied)
    ]
    reached = [route for route in ROUTES.values() if Purpose.AUDIT in route.reaches]
    writing = [r.name for r in reached if r.method is not Method.GET or set(r.holes.values()) - _HARMLESS_HOLES]
    evidence = (
        f"{len(reached)} of {len(ROUTES)} requests can be sent over an audit connection; {len(writing)} could write.",
        f"{len(_AUDIT_PLANTS)} planted requests ({', '.join(_AUDIT_PLANTS)}): {len(passed)} let through.",
    )
    if passed or writing:
        return Outcome(Verdict.WITHDRAWN, evidence, f"The route table was changed: {', '.join([*passed, *writing])}.")
    return Outcome(Verdict.KEPT, evidence)


def judge_egress(*, loopback: bool, channels: tuple[str, ...] = ()) -> Outcome:
    """Kept if every planted host and address is refused. `loopback` is the operator's own switch, shown as it is.

    `channels`: a line for each place that notices go to, shown as it is too.
    """
    hosts = [h for h in _HOST_PLANTS if not isinstance(parse_login_host(h, allow_loopback_http=loopback), HostDenied)]
    addresses = [
        text
        for text in _ADDRESS_PLANTS
        if not isinstance(permit_address(ip_address(text), loopback=loopback), AddressDenied)
    ]
    evidence = (
        f"{len(ROUTES)} requests are listed; nothing else can be built.",
        f"{len(_HOST_PLANTS)} planted hosts: {len(hosts)} let through.",
        f"{len(_ADDRESS_PLANTS)} planted addresses: {len(addresses)} let through.",
        "Plain http to this machine's own loopback address is allowed by ISTHMUS_ALLOW_LOOPBACK_HTTP=1."
        if loopback
        else "Plain http is refused everywhere.",
        *channels,
    )
    if hosts or addresses:
        return Outcome(
            Verdict.WITHDRAWN, evidence, f"The policy lets these through: {', '.join([*hosts, *addresses])}."
        )
    if loopback:
        return Outcome(
            Verdict.WITHDRAWN,
            evidence,
            "This is an installation for trying things out: requests may also go, unencrypted, to this machine itself. "
            "Unset ISTHMUS_ALLOW_LOOPBACK_HTTP for real orgs.",
        )
    return Outcome(Verdict.KEPT, evidence)


def _shown(route: Route) -> str:
    query = "&".join(f"{name}={text}" for name, text in (*route.query, *route.optional_query))
    return f"{route.path}?{query}" if query else route.path
