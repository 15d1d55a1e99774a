"""The profiles of `orgsim serve`: demo, empty and bench, and exact row numbers on top of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from orgsim.generate.bench import BenchPlan, make_bench_tables
from orgsim.generate.business import DEMO_ROWS, add_business_rows
from orgsim.generate.company import found_company
from orgsim.generate.layouts import PREFIXES
from orgsim.generate.staff import add_staff
from orgsim.generate.world import Fillable, Seeded, World

PROFILES: Final = ("demo", "empty", "bench")
COUNTABLE: Final = ("Account", "Contact", "Opportunity", "Lead", "Case", "Task", "Event")
"""Objects that `--rows` may name."""


class UnknownProfile(ValueError):
    """A profile or an object of `--rows` that does not exist; the message lists those that do."""


def populate(org: Fillable, profile: str, *, seed: int, rows: Mapping[str, int] | None = None) -> Seeded:
    """Fill a fresh org and return who can log in.

    - `demo`: a 450-seat company with six months of logins and DEMO_ROWS business rows; `rows` overrides single numbers.
    - `empty`: the licences, profiles and a handful of users, no business rows but those of `rows`.
    - `bench`: like `empty`, with virtual tables for the objects in `rows`, made up as they are read.

    Raises UnknownProfile.
    """
    if profile not in PROFILES:
        message = f"unknown profile; there are {', '.join(PROFILES)}"
        raise UnknownProfile(message)
    wanted = {name.lower(): count for name, count in (rows or {}).items()}
    strangers = set(wanted) - {name.lower() for name in COUNTABLE}
    if strangers or min(wanted.values(), default=0) < 0:
        message = f"rows: give a number of {', '.join(COUNTABLE)}"
        raise UnknownProfile(message)
    if profile == "bench" and (missing := {name for name in wanted if name not in {key.lower() for key in PREFIXES}}):
        message = f"rows: the bench profile has {', '.join(PREFIXES)}, not {', '.join(sorted(missing))}"
        raise UnknownProfile(message)
    counts = {name: wanted[name.lower()] for name in COUNTABLE if name.lower() in wanted}
    world = World(org, random.Random(f"{seed}/{profile}"), org.clock.now().replace(microsecond=0))
    company = found_company(world, staffed=profile == "demo")
    if profile == "demo":
        staff = add_staff(world, company)
        add_business_rows(world, {**DEMO_ROWS, **counts}, owners=staff.owners)
    elif profile == "empty":
        add_business_rows(world, counts, owners=(company.seeded.admin_id,))
    else:
        make_bench_tables(org, BenchPlan(seed, counts, company.seeded.admin_id, world.now))
    return company.seeded
