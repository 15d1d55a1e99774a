"""Connections grouped by org, as pages and API show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.orgs.model import Connection, ConnectionState
from isthmus.values import OrgId, Purpose


@dataclass(frozen=True, slots=True)
class OrgView:
    """One org with its connections, the audit's first."""

    id: OrgId
    alias: str
    origin: str
    connections: tuple[Connection, ...]

    def of(self, purpose: str) -> Connection | None:
        """Return the connection for a purpose, if there is one."""
        return next((c for c in self.connections if c.purpose == purpose), None)


def by_org(connections: Sequence[Connection]) -> list[OrgView]:
    """Group connections by their org, orgs in order of their alias."""
    grouped: dict[OrgId, list[Connection]] = {}
    for connection in connections:
        grouped.setdefault(connection.org_id, []).append(connection)
    views = [
        OrgView(org, group[0].alias, group[0].instance_origin, tuple(sorted(group, key=lambda c: c.purpose.value)))
        for org, group in grouped.items()
    ]
    return sorted(views, key=lambda view: view.alias)


def usable(connections: Sequence[Connection], purpose: Purpose) -> list[Connection]:
    """Return the connections in force for a purpose, in order of their alias."""
    found = [c for c in connections if c.purpose is purpose and c.state is ConnectionState.ACTIVE]
    return sorted(found, key=lambda c: c.alias)
