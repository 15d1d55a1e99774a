"""What the keeper's work needs, passed in once: database, vault, ticket key, a way to Salesforce's login."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

from isthmus.clock import Clock
from isthmus.db.address import Role
from isthmus.db.database import Database
from isthmus.db.ticket import NO_CONNECTION, NOBODY, Claims, Ticket, sign_ticket
from isthmus.egress.transport import Channel
from isthmus.orgs.store import GrantRow, SealedCredential
from isthmus.salesforce.login import App
from isthmus.values import ConnectionId, MemberId, OrgHost, Secret, TenantId
from isthmus.vault.keys import RandomBytes
from isthmus.vault.sealed import Part, Place
from isthmus.vault.vault import DataKey, Vault

OWN_TICKET_S: Final = 120
TOKEN_BYTES: Final = 32

OpenLogin: TypeAlias = Callable[[OrgHost], AbstractAsyncContextManager[Channel]]


@dataclass(frozen=True, slots=True)
class Custodian:
    """The keeper's world. `attempts` is a second pool: a refresh holds one connection while it writes on another."""

    database: Database
    attempts: Database
    vault: Vault
    ticket_key: Secret
    clock: Clock
    random_bytes: RandomBytes
    open_login: OpenLogin
    public_url: str
    loopback: bool
    mask_key: Secret

    @property
    def redirect_uri(self) -> str:
        """Where Salesforce sends the browser back to."""
        return self.public_url + "/oauth/callback"

    def own_ticket(
        self, tenant: TenantId, *, member: MemberId = NOBODY, connection: ConnectionId = NO_CONNECTION
    ) -> Ticket:
        """Sign a short ticket for the keeper's own role."""
        expires_at = self.clock.now() + timedelta(seconds=OWN_TICKET_S)
        claims = Claims(Role.KEEPER.value, tenant, member, connection, expires_at)
        return sign_ticket(self.ticket_key, claims)

    def tenant_mask_key(self, tenant: TenantId) -> Secret:
        """Return the key of a tenant's pseudonyms: the same value looks different in two tenants' targets."""
        return Secret(hmac.digest(self.mask_key.reveal(), b"isthmus mask key 1\0" + tenant.bytes, "sha256"))

    def new_uuid(self) -> UUID:
        """Return a random id."""
        return UUID(bytes=self.random_bytes(16), version=4)

    def new_token(self) -> Secret:
        """Return 256 random bits as URL-safe text (43 characters)."""
        return Secret(urlsafe_b64encode(self.random_bytes(TOKEN_BYTES)).rstrip(b"="))


@dataclass(frozen=True, slots=True)
class OpenedCredential:
    """The secrets of one connection while the keeper works with them."""

    data_key: DataKey
    refresh_token: Secret
    app: App


def place_of(tenant: TenantId, row: GrantRow, generation: int) -> Place:
    """Where the secrets of a connection belong."""
    return Place(tenant, row.id, row.purpose, generation)


async def open_credential(custodian: Custodian, tenant: TenantId, row: GrantRow) -> OpenedCredential | None:
    """Open what is needed to talk to the token endpoint; None if there is no credential. Raises `SealBroken`."""
    if row.wrapped_key is None or row.refresh_token is None or row.generation is None:
        return None
    data_key = await custodian.vault.data_key(row.wrapped_key, place_of(tenant, row, row.generation))
    client_secret = None if row.client_secret is None else data_key.open(row.client_secret, Part.CLIENT_SECRET)
    return OpenedCredential(
        data_key, data_key.open(row.refresh_token, Part.REFRESH_TOKEN), App(row.client_id, client_secret)
    )


async def seal_credential(
    custodian: Custodian, place: Place, refresh_token: Secret, access_token: Secret, client_secret: Secret | None
) -> SealedCredential:
    """Seal the secrets of a connection under a fresh data key of their generation."""
    data_key = await custodian.vault.new_data_key(place)
    return SealedCredential(
        generation=place.generation,
        wrapped_key=data_key.wrapped,
        refresh_token=data_key.seal(refresh_token, Part.REFRESH_TOKEN),
        access_token=data_key.seal(access_token, Part.ACCESS_TOKEN),
        client_secret=None if client_secret is None else data_key.seal(client_secret, Part.CLIENT_SECRET),
    )


def host_of(origin: str) -> OrgHost:
    """Return the host of an origin that we stored ourselves."""
    parts = urlsplit(origin)
    usual = 443 if parts.scheme == "https" else 80
    return OrgHost(parts.scheme, parts.hostname or "", parts.port or usual)


def digest(secret: Secret) -> bytes:
    """Return the SHA-256 under which a random token is found again."""
    return hashlib.sha256(secret.reveal()).digest()
