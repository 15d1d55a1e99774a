"""What Salesforce's words for logins mean. Runs in the mover; pure.

The words are Salesforce's (Object Reference, LoginHistory); which kind each is, is our judgement. Queries seem to give
labels in some orgs and API values in others, so both spellings are known, in any case. A word that is in no table gives
`LoginKind.UNKNOWN` or an unknown status, which counts as presence: a gap in a table never makes anybody inactive.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from isthmus.audit.model import LoginKind


class Outcome(Enum):
    """Whether a login succeeded."""

    SUCCESS = auto()
    FAILURE = auto()
    UNKNOWN = auto()


def _fold(*groups: tuple[LoginKind, str]) -> Mapping[str, LoginKind]:
    return MappingProxyType({word.strip().casefold(): kind for kind, words in groups for word in words.split("|")})


OAUTH_TYPES: Final = frozenset({"oauth2", "oauth", "remote access 2.0", "remote access client"})
CERTIFICATE_TYPES: Final = frozenset({"certificate", "certificate-based login"})

TYPES: Final = _fold(
    (LoginKind.UI, "Application|LightningLogin|Lightning Login|PasswordlessLogin|Passwordless Login"),
    (LoginKind.UI, "PasswordlessPasskeyLogin|Passwordless Passkey Login"),
    (LoginKind.COMMUNITY, "EmployeeLoginToCommunity|Employee Login to Community"),
    (LoginKind.SSO, "Saml|Saml2|ThirdPartySso|Third Party SSO|SAML Idp Initiated SSO|SAML Sfdc Initiated SSO"),
    (LoginKind.EXTERNAL, "ChatterCommunityPortalUnPwd|ChatterCommunityThirdPartySso|SamlChatterNetworks|SamlSite"),
    (LoginKind.EXTERNAL, "Portal|PortalThirdPartySso|PrmPortal|PrmPortalThirdPartySso|SamlCspPortal|SamlPrmPortal"),
    (LoginKind.EXTERNAL, "SelfService|Self-Service|Partner Portal|Customer Service Portal|SAML Site"),
    (LoginKind.EXTERNAL, "Partner Portal Third-Party SSO|Customer Service Portal Third-Party SSO"),
    (LoginKind.EXTERNAL, "SAML Customer Service Portal|SAML Partner Portal|SAML Chatter Networks"),
    (LoginKind.EXTERNAL, "Chatter Communities External User|Chatter Communities External User Third Party SSO"),
    (LoginKind.API, "OtherApi|Other Apex API|Partner|Partner Product|NetworksPortalApiOnly|Networks Portal API Only"),
    (LoginKind.WEAK, "AppExchange|HelpAndTraining|Help and Training|IeOfflineClient|Offline Client"),
    (LoginKind.SYSTEM, "CrossTenantLogin|AJAX Toolkit|Apex Office Toolkit|AppStore|Community|DataJunction"),
    (LoginKind.SYSTEM, "DB Replication|Excel Integration|Outlook Integration|Salesforce Outlook Integration"),
    (LoginKind.SYSTEM, "HOTP YubiKey|Order Center|Sales Anywhere|Salesforce.com Website|Signup|Sync"),
    (LoginKind.SYSTEM, "SysAdmin Switch|Validate"),
)
SUBTYPES: Final = _fold(
    (LoginKind.MACHINE, "OauthClientCredentials|OauthUsernamePassword"),
    (LoginKind.SEEDED, "OauthWebServer|OauthUserAgent|OauthUserAgentIdToken|OauthHybridWebServer"),
    (LoginKind.SEEDED, "OauthHybridUserAgent|OauthOtpLogin|OauthRefreshToken|OauthHybridRefreshToken"),
    (LoginKind.SEEDED, "OauthTokenExchange|OauthHybridTokenExchange"),
    (LoginKind.UI, "UsernamePasswordUiLogin"),
    (LoginKind.WEAK, "UiPasswordReset"),
    (LoginKind.SYSTEM, "InternalSalesforceAuthentication"),
)
HUMAN_CLIENTS: Final = (
    "salesforce for ios",
    "salesforce for android",
    "salesforce mobile",
    "salesforcea",
    "field service",
    "salesforce chatter",
    "salesforce authenticator",
)
MAIL_CLIENTS: Final = ("outlook", "gmail", "slack")
DEVELOPER_TOOLS: Final = (
    "salesforce cli",
    "data loader",
    "dataloader",
    "workbench",
    "vs code",
    "visual studio code",
    "inspector",
    "postman",
    "force.com ide",
)
_APPLICATIONS: Final = (
    (LoginKind.MAIL, MAIL_CLIENTS),
    (LoginKind.APP, HUMAN_CLIENTS),
    (LoginKind.TOOL, DEVELOPER_TOOLS),
)
BROWSER: Final = "browser"
_FAILURES: Final = (
    "failed",
    "invalid",
    "restricted",
    "password lockout",
    "user is ",
    "user's password",
    "organization is",
    "no salesforce.com access",
    "login rate exceeded",
    "login suspended",
    "login over",
    "expired",
    "not allowed",
    "denied",
    "blocked",
    "challenge",
    "identity verification",
    "api security token required",
    "certificate",
    "time-based",
    "verification",
    "unable",
    "could not",
    "too many",
    "missing",
    "inactive",
    "frozen",
    "saml ",
    "api access",
    "error",
)


def outcome_of(unverified_status: str | None) -> Outcome:
    """Return whether a login with this Status succeeded. Status is `Success` or the reason of the failure."""
    folded = (unverified_status or "").strip().casefold()
    if folded == "success":
        return Outcome.SUCCESS
    known = any(folded.startswith(word) or f" {word}" in folded for word in _FAILURES)
    return Outcome.FAILURE if known else Outcome.UNKNOWN


def kind_of(login_type: str | None, subtype: str | None, application: str | None) -> LoginKind:
    """Return what a login of this LoginType, LoginSubType and Application is.

    Mobile-only people log in through OAuth too, so OAuth alone is neither machine nor person: the application decides,
    then the sub-type. OAuth by an unknown application without a telling sub-type is a machine that a person let in.
    """
    folded_type = (login_type or "").strip().casefold()
    folded_subtype = (subtype or "").strip().casefold()
    if folded_type in OAUTH_TYPES:
        return _oauth_kind(folded_subtype, (application or "").strip().casefold())
    if folded_type in CERTIFICATE_TYPES:
        return LoginKind.UI if (application or "").strip().casefold() == BROWSER else LoginKind.MACHINE
    if SUBTYPES.get(folded_subtype) in {LoginKind.WEAK, LoginKind.SYSTEM}:
        return SUBTYPES[folded_subtype]
    if folded_subtype.startswith("soapapilogin"):
        return LoginKind.API
    return TYPES.get(folded_type, LoginKind.UNKNOWN)


def _oauth_kind(folded_subtype: str, folded_application: str) -> LoginKind:
    by_subtype = SUBTYPES.get(folded_subtype)
    if by_subtype is LoginKind.MACHINE:
        return LoginKind.MACHINE
    by_application = next(
        (kind for kind, names in _APPLICATIONS if any(name in folded_application for name in names)), None
    )
    if by_application is not None:
        return by_application
    if folded_application == BROWSER:
        return LoginKind.UI
    if by_subtype is not None:
        return by_subtype
    return LoginKind.SEEDED if not folded_subtype else LoginKind.UNKNOWN
