"""Computes every promise of the trust page, live, for one installation and one tenant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db import gate
from isthmus.db.database import Database, TenantTx
from isthmus.db.errors import DatabaseError
from isthmus.db.ticket import Ticket
from isthmus.orgs.connections import list_connections
from isthmus.orgs.keeper_client import KeeperClient, KeeperUnavailable
from isthmus.orgs.model import Connection, Custody
from isthmus.trust import catalogue, keeping, promises, requests
from isthmus.trust.channels import channel_lines
from isthmus.trust.confinement import Attestation, judge_confinement, latest_attestations
from isthmus.trust.model import Outcome, PromiseReport, Verdict, report


@dataclass(frozen=True, slots=True)
class TrustWorld:
    """What the checks look at. `database` is opened as the caller's own role."""

    database: Database
    keeper: KeeperClient
    settings: Settings
    clock: Clock


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read for the checks, once for all of them."""

    attestations: list[Attestation]
    connections: list[Connection]
    worker_columns: list[catalogue.WritableColumn]
    credential_columns: list[catalogue.CredentialColumn]
    version: int
    running_on_revoked: int


@dataclass(frozen=True, slots=True)
class _Count:
    count: int


FAULTS_SHOWN_MAX: Final = 20
UNREACHABLE: Final = Outcome(
    Verdict.NOT_YET_KNOWN,
    ("The keeper does not answer just now, so its facts could not be read.",),
    "Start it (isthmus up) and reload this page.",
)


async def compute(world: TrustWorld, ticket: Ticket) -> list[PromiseReport]:
    """Return one report per promise, in the order of the page.

    A check whose facts the keeper does not give is `not yet known`; none is left out. Raises `DatabaseError` when the
    database does not answer, because then nothing at all is known.
    """
    async with world.database.tenant(ticket) as tx:
        seen = await _look(tx)
        channels = await channel_lines(tx, world.settings)
    row_security = await _row_security(world)
    custody = await _custody(world)
    now = world.clock.now()

    def kept(judge: Callable[[Custody], Outcome]) -> Outcome:
        return UNREACHABLE if custody is None else judge(custody)

    outcomes = (
        (promises.NO_RECORD_STORED, catalogue.judge_worker_columns(seen.worker_columns)),
        (promises.CONFINEMENT, judge_confinement(seen.attestations, now)),
        (promises.AUDIT_READS, requests.judge_audit_reads()),
        (promises.EGRESS, requests.judge_egress(loopback=world.settings.allow_loopback_http, channels=channels)),
        (promises.REVOCATION, keeping.judge_revocation(seen.connections, seen.running_on_revoked)),
        (
            promises.SEALED_TOKENS,
            kept(lambda facts: catalogue.judge_credentials(seen.credential_columns, facts.connections_sealed)),
        ),
        (promises.KEY_CUSTODY, kept(keeping.judge_key)),
        (promises.PKCE, kept(keeping.judge_pkce)),
        (promises.SCOPES, keeping.judge_scopes(seen.connections)),
        (promises.ROW_SECURITY, row_security),
        (promises.DATABASE_VERSION, catalogue.judge_version(seen.version)),
        (promises.NO_CRASH_DUMP, kept(lambda facts: keeping.judge_process(facts, seen.attestations))),
    )
    return [report(promise, outcome, now) for promise, outcome in outcomes]


async def _look(tx: TenantTx) -> Seen:
    return Seen(
        attestations=await latest_attestations(tx),
        connections=await list_connections(tx),
        worker_columns=await catalogue.worker_columns(tx),
        credential_columns=await catalogue.credential_columns(tx),
        version=await catalogue.server_version(tx),
        running_on_revoked=await _running_on_revoked(tx),
    )


async def _running_on_revoked(tx: TenantTx) -> int:
    found = await tx.fetch_one(
        """
        select count(*)::int as count from sync.run r
        join sync.definition d on d.id = r.sync_id
        join orgs.connection c on c.id in (d.source_connection, d.target_connection)
        where c.state = 'revoked' and r.state = 'running' and c.revoked_at < now() - interval '60 seconds'
        """,
        row=_Count,
    )
    return found.count if found else 0


async def _row_security(world: TrustWorld) -> Outcome:
    try:
        async with world.database.gate_connection() as connection:
            faults = await gate.check(connection, world.database.role)
    except DatabaseError:
        return Outcome(Verdict.NOT_YET_KNOWN, ("The gate could not be run just now.",), "Reload this page.")
    shown = tuple(str(fault) for fault in faults[:FAULTS_SHOWN_MAX])
    lints = f"{len(gate.lint_names())} lints of the catalogue ran as {world.database.role}: {len(faults)} faults."
    if faults:
        return Outcome(Verdict.WITHDRAWN, (lints, *shown), "Undo what was changed in the database; see isthmus doctor.")
    return Outcome(Verdict.KEPT, (lints,))


async def _custody(world: TrustWorld) -> Custody | None:
    try:
        return await world.keeper.custody()
    except KeeperUnavailable:
        return None
