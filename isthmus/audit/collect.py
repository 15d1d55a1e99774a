"""What an audit reads, inside the mover: five objects, constant queries, typed rows out. No database, file or logger.

1. The org's own clock fixes the instant `t0` that everything is judged at.
2. Describes of the five objects choose among finite query variants.
3. UserLicense, PermissionSetLicense, PermissionSetLicenseAssign and User are read whole.
4. LoginHistory is read by disjoint windows up to t0 (`audit.logins`).
5. One closing message says how much was read, by which requests, and what was not readable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar, cast

import msgspec

from isthmus.audit.collecting.estimate import Counted, calls_estimated, groups_per_login
from isthmus.audit.collecting.logins import Block, CollectFailed, blocks, count_of, read_blocks
from isthmus.audit.collecting.pace import Pace
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
    DAYS_KEPT,
    FEATURES_UNAVAILABLE,
    PERMISSIONS_UNAVAILABLE,
    PSLS_UNAVAILABLE,
    AuditMessage,
    CollectedMessage,
    CollectFailure,
    FailedMessage,
    ProgressMessage,
    RequestLine,
    StartedMessage,
    UnknownWordMessage,
)
from isthmus.egress.errors import EgressError
from isthmus.egress.policy import HoleValue
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
from isthmus.salesforce.query import audit_pages
from isthmus.salesforce.schema import ObjectDescribe
from isthmus.salesforce.session import Session
from isthmus.salesforce.world import MESSAGE_BYTES_MAX, MoverWorld, Report
from isthmus.values import ApiName

READERS: Final = 4
"""Windows of LoginHistory that are read at the same time."""
CHUNK_BYTES_MAX: Final = MESSAGE_BYTES_MAX - 1024
WORD_LENGTH_MAX: Final = 80
CALLS_FREE: Final = 1_000
"""Up to so many calls for logins are made without asking what is left of the day's allowance."""
ALLOWANCE_PERCENT: Final = 25
"""The share of what is left of the day's allowance that reading logins may use."""
OLDER_LOGINS_UNAVAILABLE: Final = "older logins"
STATIC_PERCENT: Final = 10

Record = TypeVar("Record")


class AuditJob(msgspec.Struct, frozen=True, tag_field="kind", tag="audit"):
    """Read one org. `as_of`: leave out logins at and after that instant; otherwise the org's own clock says when."""

    endpoints: list[Endpoint]
    as_of: datetime | None = None


@dataclass(slots=True)
class _Count:
    times: int = 0
    rows: int = 0


@dataclass(slots=True)
class _Reading:
    """One reading on its way: where it reads, where it reports, what it has sent so far."""

    session: Session
    report: Report
    encoder: msgspec.json.Encoder = field(default_factory=msgspec.json.Encoder)
    sent: dict[tuple[str, str], _Count] = field(default_factory=dict[tuple[str, str], _Count])
    unavailable: list[str] = field(default_factory=list[str])
    rows: int = 0
    login_rows: int = 0
    calls_estimated: int = 0

    async def send(self, message: AuditMessage) -> None:
        await self.report.send(self.encoder.encode(message))

    async def send_rows(self, kind: str, rows: Iterable[msgspec.Struct]) -> None:
        """Report rows in messages that are as full as they may be."""
        head, tail = b'{"kind":"' + kind.encode() + b'","rows":[', b"]}"
        parts: list[bytes] = []
        size = 0
        for row in rows:
            part = self.encoder.encode(row)
            if parts and size + len(part) + 1 > CHUNK_BYTES_MAX:
                await self.report.send(head + b",".join(parts) + tail)
                parts, size = [], 0
            parts.append(part)
            size += len(part) + 1
        if parts:
            await self.report.send(head + b",".join(parts) + tail)

    async def progress(self, percent: int) -> None:
        await self.send(ProgressMessage(percent, self.rows, self.session.calls))

    def note(self, name: str, text: str, rows: int) -> None:
        count = self.sent.setdefault((name, text), _Count())
        count.times += 1
        count.rows += rows

    async def describe(self, name: str) -> ObjectDescribe | None:
        """Return the describe, or None if the connected user does not see the object."""
        self.note("describe", f"GET /sobjects/{name}/describe", 0)
        try:
            return await self.session.describe(ApiName(name))
        except Refused:
            return None

    async def select(self, name: str, holes: Mapping[str, HoleValue], row: type[Record]) -> AsyncIterator[list[Record]]:
        """Yield the pages of a constant query. One that the org refuses was sent all the same, and is noted."""
        read = 0
        try:
            async for page in audit_pages(self.session, name, holes, row):
                read += len(page.rows)
                yield list(page.rows)
        finally:
            self.note(name, q.AUDIT_QUERIES[name].text, read)

    async def select_all(self, name: str, holes: Mapping[str, HoleValue], row: type[Record]) -> list[Record]:
        """Return all rows of a constant query that has few."""
        return [record async for page in self.select(name, holes, row) for record in page]


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
    reading = _Reading(world.sessions[0], world.report)
    try:
        await _read(job, reading)
    except CollectFailed as failed:
        await reading.send(FailedMessage(failed.reason, failed.of))
    except (SalesforceError, LeaseLost, EgressError) as error:
        await reading.send(FailedMessage(_reason_of(error), ""))
    except ValueError:
        await reading.send(FailedMessage(CollectFailure.ANSWER_UNEXPECTED, ""))
    except ExceptionGroup as group:
        await reading.send(_failure_of(group))


async def _read(job: AuditJob, reading: _Reading) -> None:
    reading.note("clock", "GET /services/data (the Date header)", 0)
    taken_at = job.as_of or await reading.session.server_time()
    taken_at = taken_at.astimezone(UTC).replace(microsecond=0)
    await reading.send(StartedMessage(taken_at))
    await _read_licenses(reading)
    await _read_psls(reading)
    await _read_users(reading)
    await reading.progress(STATIC_PERCENT)
    start = await _read_logins(reading, taken_at)
    await reading.send(
        CollectedMessage(
            history_start=start,
            login_rows=reading.login_rows,
            unavailable=tuple(reading.unavailable),
            requests=tuple(
                RequestLine(name, text, count.times, count.rows) for (name, text), count in reading.sent.items()
            ),
            api_calls=reading.session.calls,
            calls_estimated=reading.calls_estimated,
        )
    )


async def _read_licenses(reading: _Reading) -> None:
    describe = await reading.describe("UserLicense")
    _require(describe, "UserLicense", q.LICENSE_FIELDS)
    name = "licenses_metered" if _has(describe, q.LICENSE_METER_FIELDS) else "licenses"
    records = await reading.select_all(name, {}, LicenseRecord)
    reading.rows += len(records)
    await reading.send_rows("licenses", (record.row() for record in records))


async def _read_psls(reading: _Reading) -> None:
    pools, grants = await reading.describe("PermissionSetLicense"), await reading.describe("PermissionSetLicenseAssign")
    if not _has(pools, q.PSL_FIELDS) or not _has(grants, q.PSL_ASSIGN_FIELDS):
        reading.unavailable.append(PSLS_UNAVAILABLE)
        return
    records = await reading.select_all("psls", {}, PslRecord)
    reading.rows += len(records)
    granted = await _read_permissions(reading, pools) if records else {}
    await reading.send_rows("psls", (record.row(granted.get(record.id, ())) for record in records))
    async for page in reading.select("psl_assigns", {}, PslAssignRecord):
        reading.rows += len(page)
        await reading.send_rows("psl_assigns", (record.row() for record in page))


async def _read_permissions(reading: _Reading, pools: ObjectDescribe | None) -> dict[str, tuple[str, ...]]:
    """Return what each pool can grant, by its id; nothing, and a note of it, where the org does not show it."""
    if pools is not None and any(f.name.startswith(q.PSL_PERMISSION_PREFIX) for f in pools.fields):
        try:
            records = await reading.select_all("psl_permissions", {}, PslPermissionsRecord)
        except Refused:
            records = []
        if records:
            return dict(permissions_of(record) for record in records)
    reading.unavailable.append(PERMISSIONS_UNAVAILABLE)
    return {}


async def _read_users(reading: _Reading) -> None:
    describe = await reading.describe("User")
    _require(describe, "User", q.USER_FIELDS)
    visible = frozenset(f.name for f in describe.fields) if describe is not None else frozenset[str]()
    if not visible.issuperset(q.USER_FEATURE_FIELDS):
        reading.unavailable.append(FEATURES_UNAVAILABLE)
    async for page in reading.select(q.user_query(visible), {}, UserRecord):
        reading.rows += len(page)
        await reading.send_rows("users", (record.row() for record in page))


async def _read_logins(reading: _Reading, taken_at: datetime) -> datetime | None:
    """Read the login history up to `taken_at`; return where it begins, or None if there is none to see."""
    describe = await reading.describe("LoginHistory")
    if not _has(describe, q.LOGIN_FIELDS):
        reading.unavailable.append("LoginHistory")
        return None
    grouped = "logins_subtype" if _has(describe, q.LOGIN_SUBTYPE_GROUPS) else "logins"
    oldest = [instant_or_none(r.first_time) for r in await reading.select_all("logins_oldest", {}, OldestRecord)]
    known = [at for at in oldest if at is not None]
    if not known or min(known) >= taken_at:
        return None
    earliest_kept = datetime.combine(taken_at.date() - timedelta(days=DAYS_KEPT - 1), datetime.min.time(), UTC)
    start = max(min(known).replace(microsecond=0), earliest_kept)

    async def count(since: datetime, until: datetime) -> list[CountRecord]:
        return await reading.select_all("logins_count", {"since": since, "until": until}, CountRecord)

    async def groups(since: datetime, until: datetime) -> list[LoginGroupRecord]:
        return await reading.select_all(grouped, {"since": since, "until": until}, LoginGroupRecord)

    counted = [(window, await count_of(window, count)) for window in blocks(start, taken_at)]
    counted = await _affordable(reading, counted, await groups_per_login(counted, groups))
    todo = iter(counted)
    done, pace = 0, Pace()

    async def reader() -> None:
        nonlocal done
        for window, expected in todo:
            async for block in read_blocks(window, count, groups, pace, expected):
                await _report_block(reading, block)
            done += 1
            await reading.progress(STATIC_PERCENT + (100 - STATIC_PERCENT) * done // len(counted))

    async with asyncio.TaskGroup() as readers:
        for _ in range(READERS):
            readers.create_task(reader())
    return counted[0][0].since if counted else None


async def _affordable(reading: _Reading, counted: Counted, ratio: float) -> Counted:
    """Return the newest blocks that a share of the day's API allowance pays for; note what is left out."""
    costs = [calls_estimated(window, logins, ratio) for window, logins in counted]
    reading.calls_estimated = reading.session.calls + sum(costs)
    if sum(costs) <= CALLS_FREE:
        return counted
    reading.note("limits", "GET /limits", 0)
    try:
        limits = await reading.session.limits()
    except Refused:
        return counted  # the allowance is not visible; a limit that is reached ends the audit with its own failure
    left = (limits.max - limits.used) * ALLOWANCE_PERCENT // 100
    kept, cost = len(counted), 0
    while kept and cost + costs[kept - 1] <= left:
        kept -= 1
        cost += costs[kept]
    if kept:
        reading.unavailable.append(OLDER_LOGINS_UNAVAILABLE)
    if kept == len(counted):
        raise CollectFailed(CollectFailure.LIMITED, "LoginHistory")
    return counted[kept:]


async def _report_block(reading: _Reading, block: Block) -> None:
    reading.login_rows += block.logins
    await reading.send_rows("logins", block.rows)
    for (vocabulary, word), count in sorted(block.unknown.items()):
        await reading.send(UnknownWordMessage(vocabulary, word[:WORD_LENGTH_MAX], count))


def _has(describe: ObjectDescribe | None, names: Iterable[str]) -> bool:
    return describe is not None and describe.queryable and {f.name for f in describe.fields}.issuperset(names)


def _require(describe: ObjectDescribe | None, name: str, fields: Iterable[str]) -> None:
    if describe is None or not describe.queryable:
        raise CollectFailed(CollectFailure.NOT_READABLE, name)
    if not _has(describe, fields):
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
