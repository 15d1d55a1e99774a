"""What every generated org has: the organization row, licences, profiles, permission sets, roles and first users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from orgsim.generate.people import ascii_name
from orgsim.generate.world import Seeded, World
from orgsim.store.results import Value

FOUNDED_DAYS_AGO: Final = 2300

# Name, LicenseDefinitionKey, seats in a staffed org, seats in a bare one. The shape is that of a new org: two paid
# types, the free ones with their complimentary totals. Only SFDC and AUL are published keys (see the fact
# `licence-keys-of-free-licences`).
USER_LICENSES: Final = (
    ("Salesforce", "SFDC", 332, 4),
    ("Salesforce Platform", "AUL", 118, 6),
    ("Identity", "PID_Identity_User", 100, 110),
    ("Chatter Free", "PID_CHATTER_FREE", 5000, 5000),
    ("Chatter External", "PID_CHATTER_EXTERNAL", 500, 500),
    ("Salesforce Integration", "PID_Integration", 5, 1),
    ("Guest User License", "PID_Guest_User", 25, 25),
    ("Cloud Integration User", "PID_CLOUD_INTEGRATION_USER", 1, 1),
    ("Analytics Cloud Integration User", "PID_ANALYTICS_CLOUD_INTEGRATION_USER", 2, 2),
)

_ADMIN: Final = (
    "ApiEnabled", "ModifyAllData", "ViewAllData", "ManageUsers", "ViewSetup", "CustomizeApplication",
    "AssignPermissionSets", "ManageProfilesPermissionsets", "MonitorLoginHistory", "ViewAllUsers", "BulkApiHardDelete",
)  # fmt: skip
_API: Final = ("ApiEnabled",)

# Profile, licence, UserType, permissions.
PROFILES: Final[tuple[tuple[str, str, str, tuple[str, ...]], ...]] = (
    ("System Administrator", "Salesforce", "Standard", _ADMIN),
    ("Standard User", "Salesforce", "Standard", _API),
    ("Sales Representative", "Salesforce", "Standard", _API),
    ("Service Agent", "Salesforce", "Standard", _API),
    ("Marketing User", "Salesforce", "Standard", _API),
    ("Read Only", "Salesforce", "Standard", _API),
    ("Integration", "Salesforce", "Standard", ("ApiEnabled", "ModifyAllData", "ViewAllData", "ViewSetup")),
    ("Standard Platform User", "Salesforce Platform", "Standard", _API),
    ("Operations Platform", "Salesforce Platform", "Standard", _API),
    ("Identity User", "Identity", "Standard", ()),
    ("Chatter Free User", "Chatter Free", "CsnOnly", ()),
    ("Chatter Moderator User", "Chatter Free", "CsnOnly", ()),
    ("Chatter External User", "Chatter External", "CsnOnly", ()),
    ("Minimum Access - API Only Integrations", "Salesforce Integration", "Standard", ("ApiEnabled", "ApiUserOnly")),
    ("Customer Portal Site Guest", "Guest User License", "Guest", ()),
    ("Cloud Integration User", "Cloud Integration User", "Standard", _API),
    ("Analytics Cloud Integration User", "Analytics Cloud Integration User", "Standard", ("ApiEnabled", "ViewAllData")),
    ("Analytics Cloud Security User", "Analytics Cloud Integration User", "Standard", ("ApiEnabled", "ViewAllData")),
)


@dataclass(slots=True)
class Company:
    """Ids by name, for the generators that follow."""

    domain: str
    seeded: Seeded
    founded: datetime
    licenses: dict[str, str] = field(default_factory=dict[str, str])
    profiles: dict[str, str] = field(default_factory=dict[str, str])
    profile_license: dict[str, str] = field(default_factory=dict[str, str])
    user_types: dict[str, str] = field(default_factory=dict[str, str])
    roles: dict[str, str] = field(default_factory=dict[str, str])


_NOBODY: Final = Seeded("", "", "", "", "", "")


def found_company(world: World, *, staffed: bool) -> Company:
    """Add what every org has and return its ids. `staffed` buys the seats of the 450-seat company."""
    org = world.org
    founded = world.now - timedelta(days=FOUNDED_DAYS_AGO)
    company = Company(f"{ascii_name(org.name)}.example", _NOBODY, founded)
    admin_id = org.ids.new("005")
    world.creator_id = admin_id
    _add_licenses(world, company, staffed=staffed)
    _add_profiles(world, company)
    _add_roles(world, company)
    reader_id, integration_id = org.ids.new("005"), org.ids.new("005")
    company.seeded = Seeded(
        admin_id,
        f"admin@{company.domain}",
        reader_id,
        f"reader@{company.domain}",
        integration_id,
        f"integration@{company.domain}",
    )
    recent = world.now - timedelta(minutes=25)
    add_user(world, company, "Ada", "Ministrator", "System Administrator", row_id=admin_id, username="admin",
             created=founded, last_login=recent, title="Salesforce Administrator", department="IT")  # fmt: skip
    add_user(world, company, "Rea", "Der", "Standard User", row_id=reader_id, username="reader",
             created=founded + timedelta(days=30), last_login=recent, title="Analyst",
             department="Finance")  # fmt: skip
    add_user(world, company, "Integration", "Service", "Minimum Access - API Only Integrations",
             row_id=integration_id, username="integration", created=founded + timedelta(days=400), last_login=recent,
             title="Licensed integration user", department="IT")  # fmt: skip
    _add_system_users(world, company)
    _add_organization(world, company)
    book: dict[str, Value] = {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True}
    world.add("Pricebook2", book, created=founded)
    count_seats(world, company)
    return company


def add_user(
    world: World,
    company: Company,
    first: str,
    last: str,
    profile: str,
    *,
    username: str,
    created: datetime,
    last_login: datetime | None,
    row_id: str = "",
    extra: Mapping[str, Value] | None = None,
    title: str = "",
    department: str = "",
) -> str:
    """Add one user and return its id. `username` is the part before the @."""
    full = f"{first} {last}".strip()
    values: dict[str, Value] = {
        "Username": f"{username}@{company.domain}",
        "FirstName": first or None,
        "LastName": last,
        "Name": full,
        "Email": f"{username}@{company.domain}",
        "Alias": ascii_name(first)[:1] + ascii_name(last)[:6],
        "CommunityNickname": username[:40],
        "IsActive": True,
        "ProfileId": company.profiles[profile],
        "UserType": company.user_types[profile],
        "TimeZoneSidKey": "America/Chicago",
        "LocaleSidKey": "en_US",
        "LanguageLocaleKey": "en_US",
        "EmailEncodingKey": "UTF-8",
        "CompanyName": "Northgate Instruments",
        "Title": title or None,
        "Department": department or None,
        "LastLoginDate": last_login,
        "NumberOfFailedLogins": 0,
        "HasUserVerifiedEmail": last_login is not None,
        "LastPasswordChangeDate": created if last_login is not None else None,
        **(extra or {}),
    }
    changed = max(created, min(world.now, (last_login or created) + timedelta(days=1)))
    return world.add("User", values, row_id=row_id, created=created, modified=changed)


def count_seats(world: World, company: Company) -> None:
    """Set UsedLicenses of every licence to its active users, as the platform would."""
    used: dict[str, int] = dict.fromkeys(company.licenses.values(), 0)
    names = {row_id: name for name, row_id in company.profiles.items()}
    for row in world.org.tables["user"].scan():
        profile = row.get("ProfileId")
        if row.get("IsActive") and isinstance(profile, str):
            used[company.licenses[company.profile_license[names[profile]]]] += 1
    updated = world.now - timedelta(hours=3)
    for license_id, count in used.items():
        world.change("UserLicense", license_id, {"UsedLicenses": count, "UsedLicensesLastUpdated": updated})


def _add_licenses(world: World, company: Company, *, staffed: bool) -> None:
    by_name = world.org.settings.extra.get("free_licence_keys") == "name"
    if world.org.settings.extra.get("user_license_audit_fields") == "no":
        for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
            world.org.objects["userlicense"].remove_field(name)
    for name, key, seats, bare_seats in USER_LICENSES:
        shown = name if by_name and key not in {"SFDC", "AUL"} else key
        company.licenses[name] = world.add(
            "UserLicense",
            {"Name": name, "MasterLabel": name, "LicenseDefinitionKey": shown, "Status": "Active",
             "TotalLicenses": seats if staffed else bare_seats, "UsedLicenses": 0},
            created=company.founded,
        )  # fmt: skip


def _add_profiles(world: World, company: Company) -> None:
    for name, license_name, user_type, permissions in PROFILES:
        flags: dict[str, Value] = {f"Permissions{permission}": True for permission in permissions}
        company.profiles[name] = world.add(
            "Profile",
            {"Name": name, "UserLicenseId": company.licenses[license_name], "UserType": user_type, **flags},
            created=company.founded,
        )
        company.profile_license[name] = license_name
        company.user_types[name] = user_type
        world.add(
            "PermissionSet",
            {"Name": f"X00e_{company.profiles[name][-9:]}", "Label": f"00e{company.profiles[name][3:]}",
             "LicenseId": company.licenses[license_name], "ProfileId": company.profiles[name],
             "IsOwnedByProfile": True, "IsCustom": False, "Type": "Profile", **flags},
            created=company.founded,
        )  # fmt: skip


def _add_roles(world: World, company: Company) -> None:
    for name, parent in (
        ("CEO", ""), ("VP Sales", "CEO"), ("VP Service", "CEO"), ("VP Operations", "CEO"), ("Sales EMEA", "VP Sales"),
        ("Sales Americas", "VP Sales"), ("Sales APAC", "VP Sales"), ("Support", "VP Service"),
    ):  # fmt: skip
        company.roles[name] = world.add(
            "UserRole",
            {"Name": name, "DeveloperName": name.replace(" ", ""), "ParentRoleId": company.roles.get(parent),
             "OpportunityAccessForAccountOwner": "Edit", "CaseAccessForAccountOwner": "Edit",
             "ContactAccessForAccountOwner": "Edit", "PortalType": "None"},
            created=company.founded,
        )  # fmt: skip


def _add_system_users(world: World, company: Company) -> None:
    early = company.founded
    add_user(world, company, "Integration", "User", "Analytics Cloud Integration User", username="insights-integration",
             created=early, last_login=None)  # fmt: skip
    add_user(world, company, "Security", "User", "Analytics Cloud Security User", username="insights-security",
             created=early, last_login=None)  # fmt: skip
    add_user(world, company, "Platform", "Integration User", "Cloud Integration User", username="cloud-integration",
             created=early, last_login=None)  # fmt: skip
    add_user(world, company, "", "Customer Portal Site Guest User", "Customer Portal Site Guest",
             username="portal-site-guest", created=early + timedelta(days=200), last_login=None)  # fmt: skip
    add_user(world, company, "Chatter", "Expert", "Chatter Free User", username="chatty", created=early,
             last_login=None)  # fmt: skip
    add_user(world, company, "Automated", "Process", "Standard User", username="autoproc", created=early,
             last_login=None,
             extra={"ProfileId": None, "UserType": "AutomatedProcess", "IsActive": True, "Title": None})  # fmt: skip


def _add_organization(world: World, company: Company) -> None:
    world.add(
        "Organization",
        {"Name": f"Northgate Instruments ({world.org.name}, simulated)", "City": "Chicago", "State": "IL",
         "Country": "US", "PostalCode": "60607", "Street": "1 Market St.", "Phone": "+1 312 555-0100",
         "PrimaryContact": "Ada Ministrator", "DefaultLocaleSidKey": "en_US", "LanguageLocaleKey": "en_US",
         "TimeZoneSidKey": "America/Chicago", "FiscalYearStartMonth": 1, "OrganizationType": "Enterprise Edition",
         "InstanceName": "SIM0", "IsSandbox": False, "IsReadOnly": False, "UiSkin": "Theme4d",
         "DefaultAccountAccess": "Edit", "DefaultContactAccess": "ControlledByParent",
         "DefaultOpportunityAccess": "Edit", "DefaultLeadAccess": "ReadEditTransfer",
         "DefaultCaseAccess": "ReadEditTransfer", "DefaultCalendarAccess": "HideDetailsInsert",
         "DefaultPricebookAccess": "ReadSelect", "DefaultCampaignAccess": "Edit"},
        row_id=world.org.id18, created=company.founded,
    )  # fmt: skip
