"""What connecting an org takes: reading the wish from unverified fields, and saying plainly what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from isthmus.config import Settings
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.orgs.model import (
    AliasTaken,
    AppNotAllowed,
    AuthorizationWanted,
    ConnectingFailed,
    ConsentDenied,
    GrantRefused,
    HostNotAllowed,
    OrgUnreachable,
    OtherOrg,
    ScopesTooWide,
    StateUnknown,
    UnknownConnection,
)
from isthmus.portal.problems import Problem, WayOut, bad_input
from isthmus.values import Alias, InvalidValue, OrgId, Purpose, Secret, UserText

CLIENT_ID_LENGTH_MAX: Final = 255
CLIENT_SECRET_LENGTH_MAX: Final = 255
_FIXED_HOSTS: Final = {"production": "login.salesforce.com", "sandbox": "test.salesforce.com"}
_TITLES: Final[dict[type[ConnectingFailed], tuple[int, str]]] = {
    StateUnknown: (400, "This login does not belong to this browser"),
    ConsentDenied: (403, "Access was denied at Salesforce"),
    AppNotAllowed: (403, "Salesforce blocks this app"),
    GrantRefused: (400, "Salesforce did not accept the login"),
    OtherOrg: (409, "This is another org"),
    AliasTaken: (409, "This alias is taken"),
    ScopesTooWide: (403, "Salesforce granted more than was asked for"),
    HostNotAllowed: (400, "This is not a Salesforce address"),
    OrgUnreachable: (502, "Salesforce did not answer"),
    UnknownConnection: (404, "Connection not found"),
}


def read_wish(field: Callable[[str], str], settings: Settings, org: OrgId | None = None) -> AuthorizationWanted:
    """Return the wish that the fields describe, or raise `Problem` naming the field and the rule."""
    try:
        purpose = Purpose(field("purpose"))
    except ValueError:
        bad_input("The purpose is neither audit nor sync.", "Choose what the connection is for.")
    try:
        alias = Alias.parse(field("alias"))
    except InvalidValue as error:
        bad_input(f"The alias cannot be used: {error}.", "For example acme-production.")
    environment = field("environment") or "my_domain"
    address = _FIXED_HOSTS.get(environment) or field("address")
    if not address:
        bad_input("The address of the login page is missing.", "For example acme.my.salesforce.com.")
    host = parse_login_host(address, allow_loopback_http=settings.allow_loopback_http)
    if isinstance(host, HostDenied):
        bad_input(
            f"This address cannot be used: {host.reason.value}.",
            "Use login.salesforce.com, test.salesforce.com or the org's My Domain, for example acme.my.salesforce.com.",
        )
    client_id, client_secret = field("client_id"), field("client_secret")
    if not 0 < len(client_id) <= CLIENT_ID_LENGTH_MAX or not client_id.isprintable() or " " in client_id:
        bad_input(
            "The client id is missing or has characters that no client id has.",
            "Copy the consumer key of the org's External Client App.",
        )
    secret = Secret(client_secret) if client_secret else None
    return AuthorizationWanted(alias, purpose, host, UserText(client_id), secret, org)


def explained(failure: ConnectingFailed) -> Problem:
    """Return the page for a failure to connect; the failure's own message says what happened and what to do."""
    status, title = _TITLES.get(type(failure), (400, "The org could not be connected"))
    return Problem(
        status,
        title,
        str(failure),
        "Nothing was changed and no grant was kept. Start the connection again when this is settled.",
        WayOut("/orgs/connect", "Start again"),
    )
