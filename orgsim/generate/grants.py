"""Permission set licences of the demo company, and who holds them since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orgsim.generate.logins import Holder
from orgsim.generate.world import World
from orgsim.store.results import Value


@dataclass(frozen=True, slots=True)
class Product:
    """One permission set licence: seats bought, days until it ends (None: open), and how many of whom hold it."""

    key: str
    label: str
    seats: int
    ends_in_days: int | None
    used: int
    by_leavers: int
    by_quiet: int
    unused_since_grant: int
    for_integrations: bool = False
    permissions: tuple[str, ...] = ()


PRODUCTS: Final = (
    Product("SalesforceCPQ_CPQStandardPerm", "Salesforce CPQ License", 60, None, 31, 6, 9, 5,
            permissions=("EditTask",)),
    Product("EinsteinAnalyticsPlusPsl", "CRM Analytics Plus", 40, 45, 22, 4, 6, 6, permissions=("InsightsAppUser",)),
    Product("SalesConsoleUser", "Sales Console User", 100, 320, 58, 4, 8, 3, permissions=("EditTask", "RunFlow")),
    Product("FieldServiceMobilePsl", "Field Service Mobile", 50, 320, 24, 3, 4, 2, permissions=("RunFlow",)),
    Product("EinsteinGPTSalesEmailsPsl", "Einstein Sales Emails", 25, -12, 4, 0, 1, 1,
            permissions=("EinsteinGPTSalesEmails",)),
    Product("SalesforceAPIIntegrationPsl", "Salesforce API Integration", 5, None, 0, 0, 0, 0, for_integrations=True,
            permissions=("ApiEnabled",)),
)  # fmt: skip


def add_grants(world: World, holders: Sequence[Holder], last_seen: Mapping[str, datetime]) -> None:
    """Add the licences and their assignments. UsedLicenses counts every assignment, of leavers too."""
    for product in PRODUCTS:
        license_id = _add_license(world, product)
        granted = _choose(world, product, holders)
        for holder, late in granted:
            created = _grant_date(world, holder, last_seen.get(holder.user_id), late=late)
            pair: dict[str, Value] = {"AssigneeId": holder.user_id, "PermissionSetLicenseId": license_id}
            world.add("PermissionSetLicenseAssign", pair, created=created)
        world.change("PermissionSetLicense", license_id, {"UsedLicenses": len(granted)})


def _add_license(world: World, product: Product) -> str:
    ends = None if product.ends_in_days is None else (world.now + timedelta(days=product.ends_in_days)).date()
    values: dict[str, Value] = {
        "DeveloperName": product.key,
        "PermissionSetLicenseKey": product.key,
        "MasterLabel": product.label,
        "Language": "en_US",
        "TotalLicenses": product.seats,
        "UsedLicenses": 0,
        "Status": "Disabled" if product.ends_in_days is not None and product.ends_in_days < 0 else "Active",
        "ExpirationDate": ends,
        "IsAvailableForIntegrations": product.for_integrations,
        **{f"MaximumPermissions{permission}": True for permission in product.permissions},
    }
    return world.add("PermissionSetLicense", values, created=world.now - timedelta(days=720))


def _choose(world: World, product: Product, holders: Sequence[Holder]) -> list[tuple[Holder, bool]]:
    """Return the holders of one licence; the flag says that it was granted after the holder's last login."""
    if product.for_integrations:
        return [(holder, False) for holder in holders if holder.kind == "licensed integration"]
    rng = world.rng
    in_use = [holder for holder in holders if holder.kind in {"daily", "weekly", "mobile"}]
    leavers = [holder for holder in holders if holder.kind == "left"]
    quiet = [holder for holder in holders if holder.kind in {"inactive", "beyond history", "long leave"}]
    late = rng.sample(quiet, product.by_quiet + product.unused_since_grant)
    return [
        *((holder, False) for holder in rng.sample(in_use, product.used)),
        *((holder, False) for holder in rng.sample(leavers, product.by_leavers)),
        *((holder, False) for holder in late[: product.by_quiet]),
        *((holder, True) for holder in late[product.by_quiet :]),
    ]


def _grant_date(world: World, holder: Holder, last_seen: datetime | None, *, late: bool) -> datetime:
    row = world.org.tables["user"].get(holder.user_id) or {}
    known = row.get("LastLoginDate")
    last = last_seen or (known if isinstance(known, datetime) else None) or holder.created
    if late:
        return last + (world.now - last) * 0.4
    return holder.created + (last - holder.created) * world.rng.uniform(0.1, 0.7)
