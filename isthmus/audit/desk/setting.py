"""What a tenant decides about the audits of an org: prices, contract, exemptions and thresholds, kept as their files.

Stored as the text that was given and judged again at each audit, so that what decides is what the member reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from isthmus.audit.given.contract import ContractItem, parse_contract
from isthmus.audit.given.exemptions import Exemption, parse_exemptions
from isthmus.audit.given.options import AuditOptions, Thresholds
from isthmus.audit.given.prices import CustomerPrice, PricesInvalid, parse_customer_prices
from isthmus.audit.given.thresholds import parse_settings
from isthmus.db.database import TenantTx
from isthmus.values import ConnectionId, UserText

SETTING_LENGTH_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AuditSetting:
    """Four files as text; empty means none. Prices, contract and exemptions are CSV, thresholds are TOML."""

    prices: str = ""
    contract: str = ""
    exemptions: str = ""
    thresholds: str = ""


def options_of(setting: AuditSetting, usual: AuditOptions) -> AuditOptions:
    """Return the usual options with what the setting decides. Raises `PricesInvalid` naming file and line."""
    for name in ("prices", "contract", "exemptions", "thresholds"):
        text: str = getattr(setting, name)
        if len(text) > SETTING_LENGTH_MAX or "\x00" in text:
            message = f"{name}: the text is longer than a mebibyte, or has a NUL character. Keep what this org needs."
            raise PricesInvalid(message)
    return AuditOptions(
        thresholds=parse_settings(setting.thresholds, "thresholds") if setting.thresholds else usual.thresholds,
        prices=parse_customer_prices(setting.prices, "prices.csv") if setting.prices else usual.prices,
        contract=parse_contract(setting.contract, "contract") if setting.contract else usual.contract,
        exemptions=parse_exemptions(setting.exemptions, "exemptions") if setting.exemptions else usual.exemptions,
        as_of=usual.as_of,
        pseudonym_key=usual.pseudonym_key,
        history=usual.history,
    )


async def read_options(tx: TenantTx, connection: ConnectionId, usual: AuditOptions) -> AuditOptions:
    """Return the usual options with what the tenant decided for the connection. Raises `PricesInvalid`.

    Days are those of the settings' time zone, else of the zone by which audits of the org are scheduled.
    """
    options = options_of(await read_setting(tx, connection), usual)
    if options.thresholds.time_zone:
        return options
    schedule = await tx.fetch_one(
        "select zone from audit.schedule where connection_id = %(connection)s and chosen_at is not null",
        row=_Zone,
        connection=connection,
    )
    if schedule is None:
        return options
    thresholds = msgspec.structs.replace(options.thresholds, time_zone=schedule.zone)
    return msgspec.structs.replace(options, thresholds=thresholds)


async def read_setting(tx: TenantTx, connection: ConnectionId) -> AuditSetting:
    """Return the setting of a connection, the empty one if there is none (or no such connection)."""
    found = await tx.fetch_one(
        "select prices, contract, exemptions, thresholds from audit.setting where connection_id = %(connection)s",
        row=AuditSetting,
        connection=connection,
    )
    return found or AuditSetting()


@dataclass(frozen=True, slots=True)
class InForce:
    """What the texts come to, with what holds where nothing is said."""

    thresholds: Thresholds
    prices: tuple[CustomerPrice, ...]
    contract: tuple[ContractItem, ...]
    exemptions: tuple[Exemption, ...]
    snoozes: int


@dataclass(frozen=True, slots=True)
class SettingView:
    """The setting of an org's audit connection as texts, and what the next audit goes by."""

    connection: UUID
    org: str
    prices: str
    contract: str
    exemptions: str
    thresholds: str
    in_force: InForce


async def setting_view(tx: TenantTx, connection: ConnectionId) -> SettingView | None:
    """Return the setting with what it comes to. None if this tenant has no such audit connection. Role portal."""
    of = await tx.fetch_one(
        """
        select o.alias as org,
            (select count(*) from audit.snooze s where s.tenant_id = o.tenant_id and s.org_id = o.id
                and s.until >= current_date) as snoozes
        from orgs.connection c join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
        where c.id = %(connection)s and c.purpose = 'audit'
        """,
        row=_Of,
        connection=connection,
    )
    if of is None:
        return None
    kept = await read_setting(tx, connection)
    options = await read_options(tx, connection, AuditOptions())
    in_force = InForce(options.thresholds, options.prices, options.contract, options.exemptions, of.snoozes)
    texts = kept.prices, kept.contract, kept.exemptions, kept.thresholds
    return SettingView(connection, str(of.org), *texts, in_force)


async def save_setting(tx: TenantTx, connection: ConnectionId, setting: AuditSetting) -> bool:
    """Keep the setting for the next audits. False if this tenant has no such connection. Raises `PricesInvalid`."""
    options_of(setting, AuditOptions())
    own = await tx.fetch_one(
        "select id from orgs.connection where id = %(connection)s and purpose = 'audit'",
        row=_Own,
        connection=connection,
    )
    if own is None:
        return False
    await tx.execute("delete from audit.setting where connection_id = %(connection)s", connection=connection)
    await tx.execute(
        """
        insert into audit.setting (connection_id, prices, contract, exemptions, thresholds)
        values (%(connection)s, %(prices)s, %(contract)s, %(exemptions)s, %(thresholds)s)
        """,
        connection=connection,
        prices=UserText(setting.prices),
        contract=UserText(setting.contract),
        exemptions=UserText(setting.exemptions),
        thresholds=UserText(setting.thresholds),
    )
    return True


@dataclass(frozen=True, slots=True)
class _Of:
    org: str
    snoozes: int


@dataclass(frozen=True, slots=True)
class _Zone:
    zone: str


@dataclass(frozen=True, slots=True)
class _Own:
    id: UUID
