"""Puts virtual tables into an org of the bench profile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from orgsim.generate.bench import BenchTable, VirtualRows
from orgsim.generate.company import Company
from orgsim.generate.crowd import SEATS, Crowd, Seats, grant_layout, login_layout, user_layout
from orgsim.generate.layouts import PREFIXES, BenchPlan, lay_out
from orgsim.generate.world import Fillable, World

CROWD: Final = ("User", "LoginHistory", "PermissionSetLicenseAssign")
"""What a virtual company is made of, besides the business objects of PREFIXES."""

_PRODUCTS: Final = ("SalesConsoleUser", "FieldServiceMobilePsl", "EinsteinAnalyticsPlusPsl")
_SPARE_SEATS: Final = 20


class ImpossibleRows(ValueError):
    """Numbers of rows that do not go together; the message says why."""


def make_bench_tables(org: Fillable, plan: BenchPlan) -> dict[str, BenchTable]:
    """Put virtual tables behind the business objects; those without a number get an empty one that absorbs."""
    counts = {name: plan.counts.get(name, 0) for name in PREFIXES}
    full = BenchPlan(plan.seed, counts, plan.owner_id, plan.now)
    firsts = {name: org.ids.reserve(prefix, counts[name]) for name, prefix in PREFIXES.items()}
    tables: dict[str, BenchTable] = {}
    for name, prefix in PREFIXES.items():
        definition = org.objects[name.lower()]
        layout = lay_out(name, full, pod=org.ids.pod, firsts=firsts)
        tables[name] = BenchTable(
            definition, layout, prefix=prefix, pod=org.ids.pod, first=firsts[name], count=counts[name]
        )
        org.tables[name.lower()] = tables[name]
    return tables


def add_crowd(world: World, company: Company, plan: BenchPlan) -> None:
    """Add virtual users, logins and assignments as `plan.counts` says; seats bought and used follow from them.

    Raises ImpossibleRows.
    """
    counts = {name: plan.counts.get(name, 0) for name in CROWD}
    _check(counts)
    if not counts["User"]:
        return
    org = world.org
    products = [_add_product(world, key) for key in _PRODUCTS] if counts["PermissionSetLicenseAssign"] else []
    seats = Seats(company.profiles, plan.owner_id, company.domain, products)
    crowd = Crowd(plan, seats, api_names=org.settings.extra.get("login_type_form") == "api")
    pod, prefixes = org.ids.pod, {"User": "005", "LoginHistory": "0Ya", "PermissionSetLicenseAssign": "2LA"}
    firsts = {name: org.ids.reserve(prefix, counts[name]) for name, prefix in prefixes.items()}
    layouts = {
        "User": user_layout(crowd, pod=pod, first=firsts["User"]),
        "LoginHistory": login_layout(crowd, pod=pod, first=firsts["LoginHistory"], first_user=firsts["User"]),
        "PermissionSetLicenseAssign": grant_layout(
            crowd, pod=pod, first=firsts["PermissionSetLicenseAssign"], first_user=firsts["User"],
            count=counts["PermissionSetLicenseAssign"],
        ),
    }  # fmt: skip
    for name, layout in layouts.items():
        definition, kept = org.objects[name.lower()], org.tables[name.lower()].scan()
        org.tables[name.lower()] = VirtualRows(
            definition, layout, prefix=prefixes[name], pod=pod, first=firsts[name], count=counts[name], kept=kept
        )
    _sell_seats(world, company, crowd)
    for place, product in enumerate(products):
        used = max(0, min(counts["User"], counts["PermissionSetLicenseAssign"] - place * counts["User"]))
        world.change("PermissionSetLicense", product, {"UsedLicenses": used, "TotalLicenses": used + _SPARE_SEATS})


def _check(counts: Mapping[str, int]) -> None:
    if not counts["User"] and (counts["LoginHistory"] or counts["PermissionSetLicenseAssign"]):
        message = "rows: LoginHistory and PermissionSetLicenseAssign of the bench profile need a number of User"
        raise ImpossibleRows(message)
    if counts["PermissionSetLicenseAssign"] > len(_PRODUCTS) * counts["User"]:
        message = f"rows: at most {len(_PRODUCTS)} PermissionSetLicenseAssign per User"
        raise ImpossibleRows(message)


def _add_product(world: World, key: str) -> str:
    return world.add(
        "PermissionSetLicense",
        {"DeveloperName": key, "PermissionSetLicenseKey": key, "MasterLabel": key, "Language": "en_US",
         "TotalLicenses": 0, "UsedLicenses": 0, "Status": "Active", "ExpirationDate": None,
         "IsAvailableForIntegrations": False},
        created=world.now - timedelta(days=720),
    )  # fmt: skip


def _sell_seats(world: World, company: Company, crowd: Crowd) -> None:
    """Count the active users of each licence, and let the company have bought a few seats more than that."""
    used: dict[str, int] = {}
    for name, number in zip(SEATS, crowd.seats_used(), strict=True):
        license_id = company.licenses[company.profile_license[name]]
        used[license_id] = used.get(license_id, 0) + number
    table = world.org.tables["userlicense"]
    for license_id, number in used.items():
        row = table.get(license_id) or {}
        before, seats = row.get("UsedLicenses"), row.get("TotalLicenses")
        total = number + (before if isinstance(before, int) else 0)
        bought = max(seats if isinstance(seats, int) else 0, total + max(_SPARE_SEATS, total // 20))
        world.change("UserLicense", license_id, {"UsedLicenses": total, "TotalLicenses": bought})
