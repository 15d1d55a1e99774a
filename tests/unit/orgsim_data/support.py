from __future__ import annotations

from datetime import UTC, datetime

from orgsim.clock import OrgClock
from orgsim.org import Org
from orgsim.schema.load import load_objects

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def fresh_org(name="tests", seed=1):
    return Org(load_objects(), name=name, seed=seed, clock=OrgClock(lambda: NOW))


def rows_of(org, name):
    return [row for row in org.tables[name.lower()].scan() if not row.get("IsDeleted")]
