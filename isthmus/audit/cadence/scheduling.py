"""Schedules of audits as portal and CLI handle them, as role isthmus_portal: show one, change it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from isthmus.audit.cadence.cadence import (
    KEEP_DAYS_DEFAULT,
    KEEP_DAYS_MAX,
    MONTH_DAY_MAX,
    WEEKDAYS,
    Cadence,
    Rhythm,
    clock_text,
    in_words,
    next_due,
    read_zone,
    refuse,
)
from isthmus.db.database import TenantTx
from isthmus.values import Alias, ConnectionId, UserText

_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
FOREVER: Final = "forever"


class ScheduleChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change; what is not named stays as it is."""

    cadence: Rhythm | None = None
    weekday: str | None = None
    day: Annotated[int, Meta(ge=1, le=MONTH_DAY_MAX)] | None = None
    at: str | None = None
    zone: str | None = None
    keep_days: Annotated[int, Meta(ge=1, le=KEEP_DAYS_MAX)] | Literal["forever"] | None = None


class ScheduleView(msgspec.Struct, frozen=True):
    """When an org is audited by itself, and how long the names are kept.

    `chosen`: somebody decided this; otherwise it is the usual one, which begins with the first finished audit
    (`next_at` is None until then, and where audits are off).
    """

    connection: ConnectionId
    org: str
    cadence: Rhythm
    weekday: str
    day: int
    at: str
    zone: str
    keep_days: int | Literal["forever"]
    chosen: bool
    next_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class _Row:
    alias: Alias
    cadence: Rhythm | None
    weekday: int | None
    month_day: int | None
    minute: int | None
    zone: str | None
    keep_days: int | None
    chosen: bool
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Kept:
    alias: Alias
    cadence: Cadence
    keep_days: int | None
    chosen: bool
    due_at: datetime | None


async def schedule_of(tx: TenantTx, connection: ConnectionId) -> ScheduleView | None:
    """Return the schedule of an audit connection, the usual one if nobody chose; None if it is no such connection."""
    kept = await _read(tx, connection)
    return None if kept is None else _view(connection, kept)


async def change_schedule(
    tx: TenantTx, connection: ConnectionId, change: ScheduleChange, now: datetime
) -> ScheduleView | None:
    """Change the schedule of an audit connection; return it as it is then, None if there is no such connection.

    Raises `ScheduleRefused`.
    """
    kept = await _read(tx, connection)
    if kept is None:
        return None
    cadence = changed(kept.cadence, change)
    keep_days = kept.keep_days if change.keep_days is None else _days(change.keep_days)
    due_at = kept.due_at if kept.chosen and cadence == kept.cadence else next_due(cadence, now)
    await tx.execute(
        """
        insert into audit.schedule
            (connection_id, cadence, weekday, month_day, minute, zone, keep_days, chosen_at, due_at)
        values (%(connection)s, %(cadence)s::audit.cadence, %(weekday)s, %(month_day)s, %(minute)s, %(zone)s,
            %(keep_days)s, now(), %(due_at)s)
        on conflict (tenant_id, connection_id) do update set cadence = excluded.cadence, weekday = excluded.weekday,
            month_day = excluded.month_day, minute = excluded.minute, zone = excluded.zone,
            keep_days = excluded.keep_days, chosen_at = excluded.chosen_at, due_at = excluded.due_at
        """,
        connection=connection,
        cadence=cadence.rhythm,
        weekday=cadence.weekday,
        month_day=cadence.month_day,
        minute=cadence.minute,
        zone=UserText(cadence.zone),
        keep_days=keep_days,
        due_at=due_at,
    )
    return await schedule_of(tx, connection)


def changed(cadence: Cadence, change: ScheduleChange) -> Cadence:
    """Return the cadence with the change. Raises `ScheduleRefused` for what no schedule can have."""
    found = replace(
        cadence,
        rhythm=change.cadence or cadence.rhythm,
        month_day=change.day or cadence.month_day,
        zone=change.zone or cadence.zone,
    )
    read_zone(found.zone)
    if change.weekday is not None:
        named = change.weekday.strip().lower()
        matching = [number for number, name in enumerate(WEEKDAYS) if named and name.startswith(named)]
        if len(matching) != 1:
            refuse("The weekday is not one.", "For example monday.")
        found = replace(found, weekday=matching[0])
    if change.at is not None:
        parts = _CLOCK.fullmatch(change.at)
        if parts is None:
            refuse("The time is not one of the form HH:MM.", "For example 06:00.")
        found = replace(found, minute=int(parts[1]) * 60 + int(parts[2]))
    return found


async def _read(tx: TenantTx, connection: ConnectionId) -> _Kept | None:
    row = await tx.fetch_one(
        """
        select o.alias, s.cadence, s.weekday, s.month_day, s.minute, s.zone, s.keep_days,
            s.chosen_at is not null as chosen, s.due_at
        from orgs.connection c
        join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
        left join audit.schedule s on s.tenant_id = c.tenant_id and s.connection_id = c.id
        where c.id = %(connection)s and c.purpose = 'audit'
        """,
        row=_Row,
        connection=connection,
    )
    if row is None:
        return None
    if row.cadence is None or row.zone is None:
        return _Kept(row.alias, Cadence(), KEEP_DAYS_DEFAULT, chosen=False, due_at=None)
    cadence = Cadence(row.cadence, row.weekday or 0, row.month_day or 1, row.minute or 0, row.zone)
    return _Kept(row.alias, cadence, row.keep_days, row.chosen, row.due_at)


def _view(connection: ConnectionId, kept: _Kept) -> ScheduleView:
    off = kept.cadence.rhythm is Rhythm.OFF
    return ScheduleView(
        connection=connection,
        org=str.__str__(kept.alias),
        cadence=kept.cadence.rhythm,
        weekday=WEEKDAYS[kept.cadence.weekday],
        day=kept.cadence.month_day,
        at=clock_text(kept.cadence.minute),
        zone=kept.cadence.zone,
        keep_days=FOREVER if kept.keep_days is None else kept.keep_days,
        chosen=kept.chosen,
        next_at=None if off or kept.due_at is None else kept.due_at.astimezone(UTC),
        text=in_words(kept.cadence),
    )


def _days(given: int | Literal["forever"]) -> int | None:
    return None if given == FOREVER else int(given)
