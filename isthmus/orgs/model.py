"""The words of this package: what a connection is, what it may be asked, and how connecting can fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from isthmus.db.storable import SalesforceId, SalesforceUsername, ScopeList
from isthmus.values import Alias, ConnectionId, OrgHost, OrgId, Purpose, Secret, UserText

SCOPES: Final[dict[Purpose, tuple[str, ...]]] = {
    Purpose.AUDIT: ("api", "refresh_token", "offline_access", "openid"),
    Purpose.SYNC: ("api", "refresh_token"),
}
"""Exactly what is asked for. `refresh_token` and `offline_access` are two names of one scope at Salesforce."""


class ConnectionState(StrEnum):
    """Whether a connection may be used."""

    ACTIVE = "active"
    NEEDS_REAUTH = "needs_reauth"
    REVOKED = "revoked"


class RunKind(StrEnum):
    """What a worker works on. The subject's id is that of the run, the audit, the connection, the sync or the look."""

    SYNC = "sync"
    AUDIT = "audit"
    SCHEMA = "schema"
    ACTIVATION = "activation"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class AuthorizationWanted:
    """A wish to connect an org. `org` is given to renew the grant of a known org, which must then answer again."""

    alias: Alias
    purpose: Purpose
    login_host: OrgHost
    client_id: UserText
    client_secret: Secret | None
    org: OrgId | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationBegun:
    """Where to send the browser, and what to keep in its cookie until it comes back."""

    authorize_url: str
    browser_binding: Secret


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as portal and cli show it: no token, no key."""

    id: ConnectionId
    org_id: OrgId
    alias: Alias
    purpose: Purpose
    state: ConnectionState
    epoch: int
    login_origin: str
    instance_origin: str
    salesforce_org_id: SalesforceId
    username: SalesforceUsername
    scopes: ScopeList
    connected_at: datetime
    refreshed_at: datetime | None
    revoked_at: datetime | None
    revoke_confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Custody:
    """Facts of the keeper for the trust page. Nothing in it is secret."""

    key_mode: str
    key_id: str
    key_file_mode: str
    key_file_outside_data_dir: bool
    key_file_owner_is_keeper: bool
    dumpable: bool
    core_limit: int
    swap_locked: bool
    pkce_method: str
    pkce_enforcement: str
    connections_sealed: int
    open_lease_channels: int


class ConnectingFailed(Exception):
    """Connecting, renewing or revoking did not succeed; the message says what happened and what to do."""

    code = "failed"


class StateUnknown(ConnectingFailed):
    """The answer belongs to no question of this browser: forged, used before, expired, or another session's."""

    code = "state_unknown"


class ConsentDenied(ConnectingFailed):
    """The person at Salesforce said no."""

    code = "consent_denied"


class AppNotAllowed(ConnectingFailed):
    """Salesforce blocks the app for this user or org until an administrator installs or approves it."""

    code = "app_not_allowed"


class GrantRefused(ConnectingFailed):
    """Salesforce did not exchange the code: expired, wrong app, wrong secret."""

    code = "grant_refused"


class OtherOrg(ConnectingFailed):
    """The login was made in another org, or as another user, than the connection belongs to."""

    code = "other_org"


class AliasTaken(ConnectingFailed):
    """The alias stands for another org, or the org is known by another alias."""

    code = "alias_taken"


class ScopesTooWide(ConnectingFailed):
    """Salesforce granted more than was asked for; the grant was given back."""

    code = "scopes_too_wide"


class HostNotAllowed(ConnectingFailed):
    """The login host is not one of Salesforce's."""

    code = "host_not_allowed"


class OrgUnreachable(ConnectingFailed):
    """Salesforce did not answer."""

    code = "org_unreachable"


class UnknownConnection(ConnectingFailed):
    """No such connection of this tenant."""

    code = "unknown_connection"


CONNECTING_FAILURES: Final[dict[str, type[ConnectingFailed]]] = {
    kind.code: kind
    for kind in (
        ConnectingFailed,
        StateUnknown,
        ConsentDenied,
        AppNotAllowed,
        GrantRefused,
        OtherOrg,
        AliasTaken,
        ScopesTooWide,
        HostNotAllowed,
        OrgUnreachable,
        UnknownConnection,
    )
}
