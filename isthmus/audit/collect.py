"""What an audit reads, inside the mover: five objects, constant queries, typed rows out. No database, file or logger.

1. The org's own clock fixes the instant `t0` that everything is judged at.
2. Describes of the five objects choose among finite query variants.
3. UserLicense, PermissionSetLicense, PermissionSetLicenseAssign and User are read whole.
4. LoginHistory is read by disjoint windows up to t0 (`collecting.history`); each says so when it is done.
5. A reading that was interrupted goes on with step 4, from the windows that are done (`Resume`).
6. One closing message says how much was read, by which requests, and what was not readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

import msgspec

from isthmus.audit.collecting.collector import Collector, has_fields
from isthmus.audit.collecting.history import STATIC_PERCENT, finish_history, read_history
from isthmus.audit.collecting.logins import CollectFailed
from isthmus.audit.collecting.records import (
    CountRecord,
    LicenseRecord,
    LoginGroupRecord,
    OldestRecord,
    PslAssignRecord,
    PslPermissionsRecord,
    PslRecord,
    UserRecord,
    instant_or_none,
    permissions_of,
)
from isthmus.audit.model import (
    FEATURES_UNAVAILABLE,
    PERMISSIONS_UNAVAILABLE,
    PSLS_UNAVAILABLE,
    CollectedMessage,
    CollectFailure,
    FailedMessage,
    Resume,
    StartedMessage,
)
from isthmus.egress.errors import EgressError
from isthmus.salesforce import audit_queries as q
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.errors import (
    Expired,
    Incomplete,
    LeaseLost,
    Limited,
    Refused,
    SalesforceError,
    Transient,
)
from isthmus.salesforce.lease import ENDED
from isthmus.salesforce.schema import ObjectDescribe
from isthmus.salesforce.world import MoverWorld


class AuditJob(msgspec.Struct, frozen=True, tag_field="kind", tag="audit"):
    """Read one org. `as_of`: leave out logins at and after that instant; otherwise the org's own clock says when.

    `resume`: what an interrupted reading had done already; only the rest is read.
    """

    endpoints: list[Endpoint]
    as_of: datetime | None = None
    resume: Resume | None = None


def warm() -> None:
    """Drive once what would otherwise be loaded after lockdown: decoders, encoders and their types."""
    encoder = msgspec.json.Encoder()
    for record in (LicenseRecord, PslRecord, PslAssignRecord, UserRecord, LoginGroupRecord, OldestRecord, CountRecord):
        msgspec.json.Decoder(list[record]).decode(b"[]")
    at = instant_or_none("2026-01-01T00:00:00.000+0000")
    if at is not None:
        encoder.encode(StartedMessage(at))
    encoder.encode(FailedMessage(CollectFailure.NOT_READABLE, ""))


async def work(job: AuditJob, world: MoverWorld) -> None:
    """Read the org and report it; the last message is `CollectedMessage`, or `FailedMessage` with the reason."""
    session = world.sessions[0]
    if job.resume is None:
        collector = Collector(session, world.report)
    else:
        collector = Collector.of(session, world.report, job.resume.so_far)
    try:
        await _read(job, collector)
    except CollectFailed as failed:
        await collector.send(FailedMessage(failed.reason, failed.of))
    except (SalesforceError, LeaseLost, EgressError) as error:
        await collector.send(FailedMessage(_reason_of(error), ""))
    except ValueError:
        await collector.send(FailedMessage(CollectFailure.ANSWER_UNEXPECTED, ""))
    except ExceptionGroup as group:
        await collector.send(_failure_of(group))


async def _read(job: AuditJob, collector: Collector) -> None:
    resume = job.resume
    if resume is None:
        taken_at = await _begin(job, collector)
        await read_history(collector, taken_at)
    else:
        await collector.send(StartedMessage(resume.taken_at))
        await finish_history(collector, resume)
    await collector.send(CollectedMessage(**msgspec.structs.asdict(collector.so_far())))


async def _begin(job: AuditJob, collector: Collector) -> datetime:
    """Read everything but logins; return the instant that everything is judged at."""
    collector.note("clock", "GET /services/data (the Date header)", 0)
    taken_at = job.as_of or await collector.session.server_time()
    taken_at = taken_at.astimezone(UTC).replace(microsecond=0)
    await collector.send(StartedMessage(taken_at))
    await _read_licenses(collector)
    await _read_psls(collector)
    await _read_users(collector)
    await collector.progress(STATIC_PERCENT)
    return taken_at


async def _read_licenses(collector: Collector) -> None:
    describe = await collector.describe("UserLicense")
    _require(describe, "UserLicense", q.LICENSE_FIELDS)
    name = "licenses_metered" if has_fields(describe, q.LICENSE_METER_FIELDS) else "licenses"
    records = await collector.select_all(name, {}, LicenseRecord)
    await collector.send_rows("licenses", (record.row() for record in records))


async def _read_psls(collector: Collector) -> None:
    pools, grants = (
        await collector.describe("PermissionSetLicense"),
        await collector.describe("PermissionSetLicenseAssign"),
    )
    if not has_fields(pools, q.PSL_FIELDS) or not has_fields(grants, q.PSL_ASSIGN_FIELDS):
        collector.unavailable.append(PSLS_UNAVAILABLE)
        return
    records = await collector.select_all("psls", {}, PslRecord)
    granted = await _read_permissions(collector, pools) if records else {}
    await collector.send_rows("psls", (record.row(granted.get(record.id, ())) for record in records))
    async for page in collector.select("psl_assigns", {}, PslAssignRecord):
        await collector.send_rows("psl_assigns", (record.row() for record in page))


async def _read_permissions(collector: Collector, pools: ObjectDescribe | None) -> dict[str, tuple[str, ...]]:
    """Return what each pool can grant, by its id; nothing, and a note of it, where the org does not show it."""
    if pools is not None and any(f.name.startswith(q.PSL_PERMISSION_PREFIX) for f in pools.fields):
        try:
            records = await collector.select_all("psl_permissions", {}, PslPermissionsRecord)
        except Refused:
            records = []
        if records:
            return dict(permissions_of(record) for record in records)
    collector.unavailable.append(PERMISSIONS_UNAVAILABLE)
    return {}


async def _read_users(collector: Collector) -> None:
    describe = await collector.describe("User")
    _require(describe, "User", q.USER_FIELDS)
    visible = frozenset(f.name for f in describe.fields) if describe is not None else frozenset[str]()
    if not visible.issuperset(q.USER_FEATURE_FIELDS):
        collector.unavailable.append(FEATURES_UNAVAILABLE)
    async for page in collector.select(q.user_query(visible), {}, UserRecord):
        await collector.send_rows("users", (record.row() for record in page))


def _require(describe: ObjectDescribe | None, name: str, fields: Iterable[str]) -> None:
    if describe is None or not describe.queryable:
        raise CollectFailed(CollectFailure.NOT_READABLE, name)
    if not has_fields(describe, fields):
        raise CollectFailed(CollectFailure.FIELD_MISSING, name)


def _failure_of(group: BaseExceptionGroup[BaseException]) -> FailedMessage:
    """Return what the first error of several readers says; an error that is none of ours is raised again."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _failure_of(cast("BaseExceptionGroup[BaseException]", error))
        if isinstance(error, CollectFailed):
            return FailedMessage(error.reason, error.of)
        if isinstance(error, SalesforceError | LeaseLost | EgressError):
            return FailedMessage(_reason_of(error), "LoginHistory")
        if isinstance(error, ValueError):
            return FailedMessage(CollectFailure.ANSWER_UNEXPECTED, "LoginHistory")
    raise group


def _reason_of(error: SalesforceError | LeaseLost | EgressError) -> CollectFailure:
    if isinstance(error, LeaseLost):
        reasons = {
            "needs_reauth": CollectFailure.EXPIRED,
            "unavailable": CollectFailure.UNREACHABLE,
            "not_running": CollectFailure.KEEPER_GONE,
            ENDED: CollectFailure.KEEPER_GONE,
        }
        return reasons.get(error.reason, CollectFailure.LEASE_LOST)
    if isinstance(error, EgressError | Transient):
        return CollectFailure.UNREACHABLE
    if isinstance(error, Expired):
        return CollectFailure.EXPIRED
    if isinstance(error, Limited):
        return CollectFailure.LIMITED
    if isinstance(error, Incomplete):
        return CollectFailure.ROWS_DIFFER
    return CollectFailure.NOT_READABLE if isinstance(error, Refused) else CollectFailure.ANSWER_UNEXPECTED
