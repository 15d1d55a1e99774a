"""A tenant's portfolio out of the database, and one out of bundles."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec

from isthmus.audit.evidence.bundle import FIGURES, BundleInvalid, read_bundle
from isthmus.audit.evidence.places import bundle_at
from isthmus.audit.evidence.verify import check_hashes
from isthmus.audit.figures import Report
from isthmus.audit.portfolio.persons import Holder
from isthmus.audit.portfolio.portfolio import Org, Portfolio, Summary, holders_of, portfolio, summary_of
from isthmus.db.database import TenantTx


@dataclass(frozen=True, slots=True)
class _OrgRow:
    org: str
    host: str
    audit: UUID | None
    line: str | None


@dataclass(frozen=True, slots=True)
class _HolderRow:
    key: str
    org: str
    user: str
    name: str
    username: str
    license: str
    last_login_at: datetime | None
    last_human_at: datetime | None
    taken_at: datetime
    price: Decimal | None
    currency: str | None
    federation_key: str
    number_key: str


async def read_portfolio(tx: TenantTx, now: datetime) -> Portfolio:
    """Return the tenant's orgs that are connected for audits, each with its newest finished audit. Role portal."""
    orgs = await tx.fetch_all(
        """
        select o.alias as org, o.instance_origin as host, a.id as audit, s.line
        from orgs.org o
        join orgs.connection c on c.tenant_id = o.tenant_id and c.org_id = o.id and c.purpose = 'audit'
        left join lateral (
            select a.id, a.tenant_id from audit.audit a
            where a.tenant_id = c.tenant_id and a.connection_id = c.id and a.state = 'done'
            order by a.taken_at desc, a.finished_at desc, a.id desc limit 1
        ) a on true
        left join audit.summary s on s.tenant_id = a.tenant_id and s.audit_id = a.id
        order by o.alias
        """,
        row=_OrgRow,
    )
    holders = await tx.fetch_all(
        """
        with newest as (
            select distinct on (c.org_id) a.tenant_id, a.id, a.taken_at, o.alias
            from audit.audit a
            join orgs.connection c on c.tenant_id = a.tenant_id and c.id = a.connection_id
            join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
            where a.state = 'done' order by c.org_id, a.taken_at desc, a.finished_at desc, a.id desc
        ), holder as materialized (
            select p.person_key as key, n.alias as org, p.user_id as "user", p.name, p.username, l.label as license,
                p.last_login_at, p.last_human_at, n.taken_at, l.unit_price as price, l.currency, p.federation_key,
                p.number_key
            from newest n
            join audit.license_pool l on l.tenant_id = n.tenant_id and l.audit_id = n.id and l.seat_costs
            join audit.person p on p.tenant_id = n.tenant_id and p.audit_id = n.id and p.license_id = l.license_id
            where p.active and (p.person_key <> '' or p.federation_key <> '' or p.number_key <> '')
        ), twice as materialized (
            select k from (
                select 'e' || key as k, org from holder where key <> ''
                union all select 'f' || federation_key, org from holder where federation_key <> ''
                union all select 'n' || number_key, org from holder where number_key <> '') keys
            group by k having count(distinct org) > 1
        )
        select holder.* from holder
        where 'e' || key in (select k from twice) or 'f' || federation_key in (select k from twice)
            or 'n' || number_key in (select k from twice)
        order by org, "user"
        """,
        row=_HolderRow,
    )
    # Two large orgs of the same people are a hundred thousand seats: not on the event loop.
    return await asyncio.to_thread(_side_by_side, orgs, holders, now)


def _side_by_side(orgs: list[_OrgRow], holders: list[_HolderRow], now: datetime) -> Portfolio:
    return portfolio((_org(row, now) for row in orgs), (_holder(row) for row in holders), now)


def portfolio_of(places: Iterable[Path], now: datetime) -> Portfolio:
    """Return the portfolio of these bundles, the newest of each org. Raises `BundleInvalid`.

    Hashes are checked, figures are not recomputed: `verify` does that.
    """
    newest: dict[str, tuple[Org, list[Holder]]] = {}
    for place in places:
        with bundle_at(place) as opened:
            files = check_hashes(opened)
            try:
                report = msgspec.json.decode(files[FIGURES], type=Report)
            except (msgspec.DecodeError, UnicodeDecodeError):
                message = f"{FIGURES} is not what a bundle of this version has."
                raise BundleInvalid(message) from None
            known = newest.get(report.host)
            taken_at = known[0].summary.taken_at if known is not None and known[0].summary is not None else None
            if taken_at is not None and taken_at >= report.taken_at:
                continue
            snapshot, _, _ = read_bundle(files)
            org = Org(report.org, report.host, None, _age(report.taken_at, now), summary_of(report))
            newest[report.host] = (org, holders_of(snapshot, report, report.org))
    names = [org.org for org, _ in newest.values()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = (
            f"two orgs are called {twice[0]}: audit one of them again with another name, so they can be told apart."
        )
        raise BundleInvalid(message)
    return portfolio((org for org, _ in newest.values()), (h for _, of in newest.values() for h in of), now)


def _org(row: _OrgRow, now: datetime) -> Org:
    summary = msgspec.json.decode(row.line, type=Summary) if row.line is not None else None
    age = None if summary is None else _age(summary.taken_at, now)
    host = row.host.partition("//")[2]
    return Org(str(row.org), host, str(row.audit) if row.audit is not None else None, age, summary)


def _holder(row: _HolderRow) -> Holder:
    return Holder(
        key=row.key,
        org=str(row.org),
        user=row.user,
        name=row.name,
        username=row.username,
        license=row.license,
        last_login_at=_utc(row.last_login_at),
        last_human_at=_utc(row.last_human_at),
        taken_at=row.taken_at.astimezone(UTC),
        price=row.price,
        currency=row.currency,
        federation_key=row.federation_key,
        number_key=row.number_key,
    )


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at is not None else None


def _age(taken_at: datetime, now: datetime) -> int:
    return max(0, (now - taken_at).days)
