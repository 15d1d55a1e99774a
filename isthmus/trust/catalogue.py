"""Reading the live catalogue: what may be written where, who may read credentials, how new the server is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.db.database import TenantTx
from isthmus.db.gate import VERSION_FLOORS, version_fault
from isthmus.trust.model import Outcome, Verdict

VERSION_BASE: Final = 10_000
EXPECTED_ENVELOPES: Final = frozenset({"wrapped_key", "refresh_token", "access_token", "client_secret"})


@dataclass(frozen=True, slots=True)
class WritableColumn:
    """A column of a sync table that the worker may write. `width` is -1 where the type has no fixed width."""

    place: str
    type: str
    width: int


@dataclass(frozen=True, slots=True)
class CredentialColumn:
    """A column of the credentials that is not a number, an id or a time."""

    name: str
    domain: str
    readers: int


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """The server's version: 180006 is 18.6."""

    number: int


async def worker_columns(tx: TenantTx) -> list[WritableColumn]:
    """Return every column of the sync tables that the worker's role may insert or update."""
    return await tx.fetch_all(
        """
        select c.relname || '.' || a.attname as place, format_type(t.oid, null) as type, t.typlen::int as width
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = 'sync'
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        join pg_catalog.pg_type t on t.oid = a.atttypid
        where c.relkind in ('r', 'p')
            and (has_column_privilege('isthmus_worker', c.oid, a.attnum, 'INSERT')
                or has_column_privilege('isthmus_worker', c.oid, a.attnum, 'UPDATE'))
        order by 1
        """,
        row=WritableColumn,
    )


async def credential_columns(tx: TenantTx) -> list[CredentialColumn]:
    """Return the secret columns of the credentials with their type and how many foreign serving roles may read them."""
    return await tx.fetch_all(
        """
        select a.attname::text as name, t.typname::text as domain,
            (select count(*)::int from unnest(array['isthmus_portal', 'isthmus_worker']) role
                where has_column_privilege(role, a.attrelid, a.attnum, 'SELECT')) as readers
        from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
        where a.attrelid = 'orgs.credential'::regclass and a.attnum > 0 and not a.attisdropped
            and t.typname not in ('uuid', 'int8', 'timestamptz')
        order by a.attnum
        """,
        row=CredentialColumn,
    )


async def server_version(tx: TenantTx) -> int:
    """Return the server's version number."""
    found = await tx.fetch_one("select current_setting('server_version_num')::int as number", row=ServerVersion)
    return found.number if found else 0


def judge_worker_columns(columns: Sequence[WritableColumn]) -> Outcome:
    """Kept if no column that the worker may write can hold text or bytes."""
    wide = [column for column in columns if column.width < 0]
    if not columns:
        return Outcome(Verdict.WITHDRAWN, ("The catalogue shows no sync table at all.",), "Run isthmus doctor.")
    kinds = ", ".join(sorted({column.type for column in columns}))
    evidence = (
        f"{len(columns)} columns that the worker may write, {len(wide)} of them without a fixed width.",
        f"Their types: {kinds}.",
        *(f"{column.place} is {column.type}." for column in wide),
    )
    if wide:
        return Outcome(Verdict.WITHDRAWN, evidence, "Take these rights from isthmus_worker; the schema was changed.")
    return Outcome(Verdict.KEPT, evidence)


def judge_credentials(columns: Sequence[CredentialColumn], sealed: int) -> Outcome:
    """Kept if each secret column accepts envelopes only and neither portal nor worker may read it."""
    faults = [
        *(f"{c.name} is of type {c.domain}, not envelope." for c in columns if c.domain != "envelope"),
        *(f"{c.name} can be read by another role than the keeper's." for c in columns if c.readers),
        *(f"{name} is missing." for name in sorted(EXPECTED_ENVELOPES - {c.name for c in columns})),
    ]
    evidence = (
        f"{len(columns)} secret columns accept AES-256-GCM envelopes only; {sealed} connections are sealed now.",
        "Portal and worker have no right to read any of them.",
    )
    if faults:
        return Outcome(Verdict.WITHDRAWN, tuple(faults), "Restore the schema of this version of Isthmus.")
    return Outcome(Verdict.KEPT, evidence)


def judge_version(number: int) -> Outcome:
    """Kept if the gate finds nothing against the version."""
    major, minor = divmod(number, VERSION_BASE)
    fault = version_fault(number)
    floors = ", ".join(f"{m}.{f}" for m, f in VERSION_FLOORS.items())
    evidence = (f"PostgreSQL {major}.{minor}.", f"The floors are {floors}.")
    if fault is not None:
        return Outcome(Verdict.WITHDRAWN, (*evidence, str(fault)), "Upgrade PostgreSQL to its floor or newer.")
    return Outcome(Verdict.KEPT, evidence)
