"""One orgsim process for this folder: what a test stores is in its own database, the org itself may be shared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.orgsim import Orgsim, start_orgsim


@pytest.fixture(scope="package")
def shared_org() -> Iterator[Orgsim]:
    with start_orgsim() as running:
        yield running


@pytest.fixture
def orgsim(shared_org: Orgsim) -> Iterator[Orgsim]:
    """The folder's org, without planted faults."""
    yield shared_org
    shared_org.control("DELETE", "/faults")
