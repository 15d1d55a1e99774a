"""The people of the demo company: who holds which seat and how they use it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from orgsim.generate.company import Company, add_user, count_seats
from orgsim.generate.grants import add_grants
from orgsim.generate.logins import Holder, Pattern, add_logins
from orgsim.generate.people import DEPARTMENTS, ascii_name, person, phone
from orgsim.generate.world import World

_SALES: Final = "Sales Representative"
_PLATFORM: Final = "Operations Platform"


@dataclass(frozen=True, slots=True)
class Group:
    """Users of one kind: how many on each licence, and how they log in.

    `quiet_days` is the range of days since the last login; `age_days` the range of days since creation.
    """

    kind: str
    full: int
    platform: int
    pattern: Pattern
    age_days: tuple[int, int] = (200, 2100)
    quiet_days: tuple[int, int] = (0, 0)
    active: bool = True
    department: str = ""


# 332 + 118 seats bought; 438 of them assigned (with the administrator and the reader of every org); about 300 in use.
GROUPS: Final = (
    Group("daily", 118, 42, Pattern.DAILY),
    Group("weekly", 62, 23, Pattern.WEEKLY),
    Group("monthly", 19, 8, Pattern.MONTHLY),
    Group("mobile", 15, 3, Pattern.MOBILE, department="Field Service"),
    Group("quarter end", 10, 4, Pattern.QUARTER_END, department="Finance"),
    Group("seasonal", 9, 0, Pattern.WEEKLY, quiet_days=(104, 118), department="Events"),
    Group("integration", 6, 2, Pattern.MACHINE, department="IT"),
    Group("service account", 1, 0, Pattern.SERVICE, department="IT"),
    Group("developer tools", 3, 1, Pattern.TOOLS, department="IT"),
    Group("never, old", 14, 7, Pattern.NEVER, age_days=(95, 700)),
    Group("never, recent", 4, 2, Pattern.NEVER, age_days=(33, 80)),
    Group("new", 7, 4, Pattern.NEVER, age_days=(2, 12)),
    Group("beyond history", 16, 7, Pattern.BEYOND, age_days=(500, 2100), quiet_days=(200, 900)),
    Group("inactive", 26, 8, Pattern.WEEKLY, quiet_days=(91, 170)),
    Group("long leave", 6, 2, Pattern.DAILY, quiet_days=(98, 160)),
    Group("left", 58, 27, Pattern.WEEKLY, quiet_days=(20, 900), active=False),
)
CHATTER_USERS: Final = 64
DUPLICATES: Final = 7
HISTORY_DAYS: Final = 183


@dataclass(slots=True)
class Staff:
    """The users that were made, with how they log in, and those who may own records."""

    holders: list[Holder]
    owners: tuple[str, ...]


def add_staff(world: World, company: Company) -> Staff:
    """Add users, six months of logins and permission set licences of the demo company."""
    taken: set[str] = set()
    holders: list[Holder] = []
    for group in GROUPS:
        for place in range(group.full + group.platform):
            profile = _profile(world, group, platform=place >= group.full)
            holders.append(_hire(world, company, group, profile, taken=taken, place=place))
    holders += _duplicates(world, company, holders, taken)
    for place in range(CHATTER_USERS):
        group = Group("chatter", 0, 0, Pattern.MONTHLY if place % 3 else Pattern.NEVER)
        holders.append(_hire(world, company, group, "Chatter Free User", taken=taken, place=place))
    seeded = company.seeded
    holders += [
        Holder(seeded.admin_id, Pattern.DAILY, "admin", -6, "US", company.founded, 0, active=True, licensed=True),
        Holder(seeded.reader_id, Pattern.WEEKLY, "daily", -6, "US", company.founded, 0, active=True, licensed=True),
        Holder(
            seeded.integration_id, Pattern.LIGHT_MACHINE, "licensed integration", 0, "US",
            company.founded, 0, active=True, licensed=False,
        ),
    ]  # fmt: skip
    last_seen = add_logins(world, company.domain, holders, HISTORY_DAYS)
    for holder in holders:
        seen = last_seen.get(holder.user_id)
        if seen is not None:
            world.change("User", holder.user_id, {"LastLoginDate": seen, "HasUserVerifiedEmail": True})
    _promote(world, company, holders)
    add_grants(world, holders, last_seen)
    count_seats(world, company)
    owners = [holder.user_id for holder in holders if holder.kind in {"daily", "weekly"} and holder.full]
    return Staff(holders, (seeded.admin_id, *owners[:40]))


def _profile(world: World, group: Group, *, platform: bool) -> str:
    if group.pattern is Pattern.MACHINE or group.kind == "service account":
        return "Standard Platform User" if platform else "Integration"
    if platform:
        return world.rng.choice((_PLATFORM, "Standard Platform User"))
    return world.rng.choices(
        (_SALES, "Service Agent", "Standard User", "Marketing User", "Read Only"), (9, 6, 4, 3, 1)
    )[0]


_MACHINE_NAMES: Final = (
    ("MuleSoft", "Integration"), ("Marketo", "Sync"), ("svc", "Snowflake ETL"), ("DocuSign", "API"),
    ("ERP", "Connector"), ("Data Warehouse", "Loader"), ("Boomi", "AtomSphere"), ("Jira", "Bridge"),
)  # fmt: skip


def _hire(world: World, company: Company, group: Group, profile: str, *, taken: set[str], place: int) -> Holder:
    rng = world.rng
    region, first, last = person(rng, latin=True)
    if group.pattern is Pattern.MACHINE:
        first, last = _MACHINE_NAMES[place % len(_MACHINE_NAMES)]
    elif group.kind == "service account":
        first, last = "Nightly", "Dataloader (svc)"
    username = _username(first, last, taken)
    cohort = group.kind == "new" and place < 8
    age = 6 if cohort else rng.randint(*group.age_days)
    created = world.now - timedelta(days=age, seconds=0 if cohort else rng.randrange(30_000))
    quiet = min(rng.randint(*group.quiet_days), max(age - 20, 0))
    never = group.pattern is Pattern.NEVER
    last_login = None if never else world.now - timedelta(days=quiet, seconds=rng.randrange(20_000))
    department = group.department or rng.choice(DEPARTMENTS)
    user_id = add_user(
        world, company, first, last, profile, username=username, created=created, last_login=last_login,
        title=rng.choice(("Specialist", "Manager", "Representative", "Coordinator", "Analyst")), department=department,
        extra={
            "IsActive": group.active,
            "EmployeeNumber": None if group.pattern is Pattern.MACHINE else f"E{10_000 + len(taken)}",
            "FederationIdentifier": f"{username}@sso.{company.domain}" if rng.random() < 0.6 else None,
            "TimeZoneSidKey": region.time_zone, "Country": region.country, "Phone": phone(rng, region),
            "UserPermissionsMarketingUser": profile == "Marketing User",
            "UserPermissionsSupportUser": profile == "Service Agent",
            "UserPermissionsSFContentUser": rng.random() < 0.2,
            "NumberOfFailedLogins": rng.choice((0, 0, 3)) if group.kind == "never, old" else 0,
            "HasUserVerifiedEmail": not never or rng.random() < 0.25,
            "UserRoleId": rng.choice(tuple(company.roles.values())) if "Platform" not in profile else None,
        },
    )  # fmt: skip
    return Holder(
        user_id, group.pattern, group.kind, region.utc_offset_h, region.country_iso, created, quiet,
        active=group.active, licensed=group.kind != "chatter", full=company.profile_license[profile] == "Salesforce",
    )  # fmt: skip


def _username(first: str, last: str, taken: set[str]) -> str:
    stem = f"{ascii_name(first)}.{ascii_name(last)}"
    username, number = stem, 2
    while username in taken:
        username, number = f"{stem}{number}", number + 1
    taken.add(username)
    return username


def _duplicates(world: World, company: Company, holders: list[Holder], taken: set[str]) -> list[Holder]:
    """Second accounts of people who have one: left over (`.old`), or opened for a side job (`.admin`)."""
    table = world.org.tables["user"]
    twins: list[Holder] = []
    people = [holder for holder in holders if holder.kind in {"daily", "weekly"} and holder.full]
    for place, holder in enumerate(world.rng.sample(people, DUPLICATES)):
        row = table.get(holder.user_id) or {}
        suffix = (".old", ".admin", "2")[place % 3]
        stem = str(row["Username"]).partition("@")[0] + suffix
        taken.add(stem)
        created = holder.created + timedelta(days=40)
        quiet = 30 + 17 * place
        user_id = add_user(
            world, company, str(row["FirstName"]), str(row["LastName"]), _SALES, username=stem, created=created,
            last_login=world.now - timedelta(days=quiet), title=str(row["Title"]), department=str(row["Department"]),
            extra={name: row.get(name) for name in ("EmployeeNumber", "TimeZoneSidKey", "Country")}
            | {"Email": row["Email"] if place % 2 else f"{stem}@{company.domain}"},
        )  # fmt: skip
        twins.append(
            Holder(user_id, Pattern.MONTHLY, "duplicate", holder.utc_offset_h, holder.country_iso, created, quiet,
                   active=True, licensed=True, full=True)
        )  # fmt: skip
    return twins


def _promote(world: World, company: Company, holders: list[Holder]) -> None:
    """Give the company five more administrators and every person a manager."""
    people = [holder for holder in holders if holder.kind == "daily" and holder.full]
    for holder in people[:5]:
        world.change("User", holder.user_id, {"ProfileId": company.profiles["System Administrator"]})
    managers = [holder.user_id for holder in people[5:35]]
    for holder in holders:
        if holder.user_id == company.seeded.admin_id or holder.pattern is Pattern.MACHINE:
            continue
        if holder.user_id not in managers:
            world.change("User", holder.user_id, {"ManagerId": world.rng.choice(managers)})
        else:
            world.change("User", holder.user_id, {"ManagerId": company.seeded.admin_id})
