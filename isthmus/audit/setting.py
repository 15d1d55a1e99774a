"""What a tenant decides about the audits of an org: prices, contract, exemptions and thresholds, kept as their files.

Stored as the text that was given and judged again at each audit, so that what decides is what the member reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from isthmus.audit.contract import parse_contract
from isthmus.audit.exemptions import parse_exemptions
from isthmus.audit.options import AuditOptions
from isthmus.audit.prices import PricesInvalid, parse_customer_prices
from isthmus.audit.thresholds import parse_settings
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


async def read_setting(tx: TenantTx, connection: ConnectionId) -> AuditSetting:
    """Return the setting of a connection, the empty one if there is none (or no such connection)."""
    found = await tx.fetch_one(
        "select prices, contract, exemptions, thresholds from audit.setting where connection_id = %(connection)s",
        row=AuditSetting,
        connection=connection,
    )
    return found or AuditSetting()


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
class _Own:
    id: UUID
