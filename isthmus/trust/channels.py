"""To whom notices go, as the trust page lists it: names, kinds and events of the operator's channels, no address."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from isthmus.config import Settings
from isthmus.db.database import TenantTx
from isthmus.notices.channels import Channel, ChannelsRefused, load_channels
from isthmus.values import Secret

_AT_MOST = 32


@dataclass(frozen=True, slots=True)
class _Tenant:
    tenant_id: UUID
    name: str


async def channel_lines(tx: TenantTx, settings: Settings) -> tuple[str, ...]:
    """Return one line for each channel that may be told of this tenant, or the one line that says that none is."""
    tenant = await tx.fetch_one(
        "select tenant_id, name::text from accounts.tenant where tenant_id = (select ctx.tenant())", row=_Tenant
    )
    try:
        channels = load_channels(settings.notices_file, Secret(settings.smtp_url) if settings.smtp_url else None)
    except (ChannelsRefused, OSError, UnicodeDecodeError):
        return ("The operator's file of notice channels cannot be read here; isthmus notices list says why.",)
    mine = [c for c in channels.channels if tenant is not None and c.serves(str(tenant.tenant_id), tenant.name)]
    if not mine:
        return ("Notices go nowhere: the operator's file names no channel for this account.",)
    return tuple(_line(channel) for channel in mine[:_AT_MOST])


def _line(channel: Channel) -> str:
    files = f", with {' and '.join(channel.audit.attach)} of audits" if channel.audit.attach else ""
    summary = ", a finance summary each month" if channel.audit.monthly is not None else ""
    events = ", ".join(sorted(channel.events)) or "nothing"
    return f"Notices go to the channel {channel.name} ({channel.kind.value}): {events}{files}{summary}."
