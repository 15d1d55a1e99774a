"""What a worker may work on, and whose it is: asked of definer functions, each of which knows one kind of subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString
from uuid import UUID

from isthmus.db.database import Database
from isthmus.orgs.model import RunKind
from isthmus.values import TenantId

SUBJECT_FUNCTIONS: Final[dict[RunKind, tuple[LiteralString, LiteralString]]] = {
    RunKind.SYNC: ("sync.run_subject", "run"),
    RunKind.AUDIT: ("audit.audit_subject", "audit"),
    RunKind.SCHEMA: ("orgs.connection_subject", "connection"),
    RunKind.ACTIVATION: ("sync.activation_subject", "sync"),
    RunKind.LOOK: ("sync.look_subject", "look"),
}
"""Function and argument name; each answers only while the subject is to be worked on."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is worked on: its tenant and the connections that it uses."""

    kind: RunKind
    tenant_id: TenantId
    connections: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    tenant_id: TenantId
    connections: list[UUID]


async def subject_of(database: Database, kind: RunKind, subject: UUID) -> Subject | None:
    """Return the subject of that kind and id, or None if there is nothing to work on."""
    function, argument = SUBJECT_FUNCTIONS[kind]
    async with database.system() as tx:
        rows = await tx.call(function, row=_Row, arguments={argument: subject})
    return Subject(kind, rows[0].tenant_id, tuple(rows[0].connections)) if rows else None


async def find_subject(database: Database, subject: UUID) -> Subject | None:
    """Return the subject with that id, of whatever kind."""
    for kind in RunKind:
        found = await subject_of(database, kind, subject)
        if found is not None:
            return found
    return None
