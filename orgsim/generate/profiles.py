"""The profiles of `orgsim serve`: demo, empty and bench, and exact row numbers on top of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from orgsim.generate.bench_org import CROWD, ImpossibleRows, add_crowd, make_bench_tables
from orgsim.generate.business import DEMO_ROWS, add_business_rows
from orgsim.generate.company import found_company
from orgsim.generate.layouts import PREFIXES, BenchPlan
from orgsim.generate.staff import add_staff
from orgsim.generate.world import Fillable, Seeded, World

PROFILES: Final = ("demo", "empty", "bench")
COUNTABLE: Final = ("Account", "Contact", "Opportunity", "Lead", "Case", "Task", "Event")
"""Objects that `--rows` may name in the profiles demo and empty."""

BENCH_COUNTABLE: Final = (*PREFIXES, *CROWD)
"""Objects that `--rows` may name in the profile bench."""


class UnknownProfile(ValueError):
    """A profile or an object of `--rows` that does not exist; the message lists those that do."""


def populate(org: Fillable, profile: str, *, seed: int, rows: Mapping[str, int] | None = None) -> Seeded:
    """Fill a fresh org and return who can log in.

    - `demo`: a 450-seat company with six months of logins and DEMO_ROWS business rows; `rows` overrides single numbers.
    - `empty`: the licences, profiles and a handful of users, no business rows but those of `rows`.
    - `bench`: like `empty`, with virtual tables for the objects in `rows`, made up as they are read; users, logins
      and permission set licences too (BENCH_COUNTABLE).

    Raises UnknownProfile.
    """
    if profile not in PROFILES:
        message = f"unknown profile; there are {', '.join(PROFILES)}"
        raise UnknownProfile(message)
    known = BENCH_COUNTABLE if profile == "bench" else COUNTABLE
    wanted = {name.lower(): count for name, count in (rows or {}).items()}
    strangers = set(wanted) - {name.lower() for name in known}
    if strangers or min(wanted.values(), default=0) < 0:
        message = f"rows: the profile {profile} takes a number of {', '.join(known)}"
        raise UnknownProfile(message)
    counts = {name: wanted[name.lower()] for name in known if name.lower() in wanted}
    world = World(org, random.Random(f"{seed}/{profile}"), org.clock.now().replace(microsecond=0))
    company = found_company(world, staffed=profile == "demo")
    if profile == "demo":
        staff = add_staff(world, company)
        add_business_rows(world, {**DEMO_ROWS, **counts}, owners=staff.owners)
    elif profile == "empty":
        add_business_rows(world, counts, owners=(company.seeded.admin_id,))
    else:
        plan = BenchPlan(seed, counts, company.seeded.admin_id, world.now)
        make_bench_tables(org, plan)
        try:
            add_crowd(world, company, plan)
        except ImpossibleRows as why:
            raise UnknownProfile(str(why)) from None
    return company.seeded
