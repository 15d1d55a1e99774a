from __future__ import annotations

import pytest

from orgsim.generate.profiles import populate
from tests.unit.orgsim_data.support import fresh_org


@pytest.fixture(scope="session")
def demo():
    """The demo org of seed 1. Tests read it and leave it as it is."""
    org = fresh_org()
    populate(org, "demo", seed=1)
    return org
