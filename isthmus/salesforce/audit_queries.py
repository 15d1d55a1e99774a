"""The audit's queries: whole constants with typed holes. Nothing else may be asked over an audit connection.

Fields that only some orgs have (Digital Experiences, newer API versions) come in groups that are wholly in or out, so
the set of texts that can ever be sent stays finite: it is `AUDIT_QUERIES`, and the report prints those that were sent.
A user's licence is reached by the declared path `Profile.UserLicense`; `Profile` itself is never queried.
Left out on purpose: SourceIp, ForwardedForIp, geography, Browser and Platform of logins; titles and addresses of users.
Sources of field names and of what may be grouped and filtered: Object Reference v67; LoginHistory.Status cannot be
filtered, and a grouped query has no second page, hence windows in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Final

from isthmus.egress.policy import Hole


@dataclass(frozen=True, slots=True)
class AuditSoql:
    """One query. `text` has holes written `{name}`; `holes` says what each may hold (instants, counts, ids)."""

    name: str
    text: str
    holes: Mapping[str, Hole] = field(default_factory=dict[str, Hole])


GROUPS_MAX: Final = 2_000
"""The most groups that Salesforce returns for one grouped query; there is no second page."""

LICENSE_FIELDS: Final = (
    "Id",
    "Name",
    "MasterLabel",
    "LicenseDefinitionKey",
    "Status",
    "TotalLicenses",
    "UsedLicenses",
    "UsedLicensesLastUpdated",
)
LICENSE_METER_FIELDS: Final = ("MonthlyLoginsEntitlement", "MonthlyLoginsUsed")
PSL_FIELDS: Final = (
    "Id",
    "DeveloperName",
    "PermissionSetLicenseKey",
    "MasterLabel",
    "Status",
    "ExpirationDate",
    "TotalLicenses",
    "UsedLicenses",
    "IsAvailableForIntegrations",
)
PSL_PERMISSION_PREFIX: Final = "MaximumPermissions"
"""One boolean for each permission that a permission set licence can grant. There are hundreds, more with each release,
and each org shows its own: so the one constant that asks for them is `FIELDS(STANDARD)`, not a text composed of names
that an org sends, and not a list of ours, which would be too short in the next release and make pools look alike. What
else that query returns (who created a pool, and so on) is dropped where it is decoded, in the mover."""
PSL_ASSIGN_FIELDS: Final = ("Id", "AssigneeId", "PermissionSetLicenseId", "CreatedDate")
USER_FIELDS: Final = (
    "Id",
    "Username",
    "Name",
    "Email",
    "FederationIdentifier",
    "EmployeeNumber",
    "Department",
    "ManagerId",
    "IsActive",
    "UserType",
    "CreatedDate",
    "LastLoginDate",
    "NumberOfFailedLogins",
)
USER_PATHS: Final = ("Profile.Name", "Profile.UserLicenseId", "Profile.UserLicense.LicenseDefinitionKey")
USER_VERIFIED_FIELDS: Final = ("HasUserVerifiedEmail",)
USER_PORTAL_FIELDS: Final = ("ContactId",)
USER_FEATURE_FIELDS: Final = (
    "UserPermissionsMarketingUser",
    "UserPermissionsOfflineUser",
    "UserPermissionsSFContentUser",
    "UserPermissionsKnowledgeUser",
    "UserPermissionsInteractionUser",
    "UserPermissionsSupportUser",
)
"""Feature licences that show as booleans on User; all of them are read, or none."""
_USER_GROUPS: Final = (
    ("verified", USER_VERIFIED_FIELDS),
    ("portal", USER_PORTAL_FIELDS),
    ("features", USER_FEATURE_FIELDS),
)
LOGIN_GROUPS: Final = ("UserId", "LoginType", "Status", "Application")
LOGIN_SUBTYPE_GROUPS: Final = ("LoginSubType",)
LOGIN_FIELDS: Final = ("UserId", "LoginType", "Status", "Application", "LoginTime")

_WINDOW: Final = "LoginTime >= {since} AND LoginTime < {until}"
_WINDOW_HOLES: Final[Mapping[str, Hole]] = MappingProxyType({"since": Hole.INSTANT, "until": Hole.INSTANT})


def _select(name: str, of: str, *groups: tuple[str, ...]) -> AuditSoql:
    return AuditSoql(name, f"SELECT {', '.join(f for group in groups for f in group)} FROM {of}")  # noqa: S608 constants


def user_query(visible: frozenset[str]) -> str:
    """Return the name of the query on User that asks for all groups of fields which are visible as a whole."""
    return "_".join(("users", *(name for name, fields in _USER_GROUPS if visible.issuperset(fields))))


def _user_queries() -> Iterator[AuditSoql]:
    for chosen in product((False, True), repeat=len(_USER_GROUPS)):
        groups = [group for group, wanted in zip(_USER_GROUPS, chosen, strict=True) if wanted]
        name = "_".join(("users", *(name for name, _ in groups)))
        yield _select(name, "User", USER_FIELDS, USER_PATHS, *(fields for _, fields in groups))


def _logins(name: str, *groups: tuple[str, ...]) -> AuditSoql:
    by = ", ".join(f for group in groups for f in group)
    measures = "COUNT(Id) logins, MIN(LoginTime) firstTime, MAX(LoginTime) lastTime"
    text = f"SELECT {by}, {measures} FROM LoginHistory WHERE {_WINDOW} GROUP BY {by}"  # noqa: S608 constants
    return AuditSoql(name, text, _WINDOW_HOLES)


AUDIT_QUERIES: Final[Mapping[str, AuditSoql]] = MappingProxyType(
    {
        query.name: query
        for query in (
            _select("licenses", "UserLicense", LICENSE_FIELDS),
            _select("licenses_metered", "UserLicense", LICENSE_FIELDS, LICENSE_METER_FIELDS),
            _select("psls", "PermissionSetLicense", PSL_FIELDS),
            _select("psl_permissions", "PermissionSetLicense", ("FIELDS(STANDARD)",)),
            _select("psl_assigns", "PermissionSetLicenseAssign", PSL_ASSIGN_FIELDS),
            *_user_queries(),
            AuditSoql("logins_oldest", "SELECT MIN(LoginTime) firstTime FROM LoginHistory"),
            AuditSoql("logins_count", f"SELECT COUNT(Id) logins FROM LoginHistory WHERE {_WINDOW}", _WINDOW_HOLES),  # noqa: S608 constants
            _logins("logins", LOGIN_GROUPS),
            _logins("logins_subtype", LOGIN_GROUPS, LOGIN_SUBTYPE_GROUPS),
        )
    }
)
"""By name. Each becomes the route `audit.<name>` of `salesforce/routes.py`."""
