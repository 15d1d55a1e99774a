"""What a lost lease means for a run: whose org it is, and whether a person has anything to do."""

from __future__ import annotations

import pytest

from isthmus.salesforce.errors import LeaseLost
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.model import EndReason


@pytest.mark.parametrize(
    ("reason", "side", "end"),
    [
        ("revoked", SOURCE, EndReason.SOURCE_REVOKED),
        ("revoked", TARGET, EndReason.TARGET_REVOKED),
        ("needs_reauth", SOURCE, EndReason.SOURCE_LEASE_LOST),
        ("needs_reauth", TARGET, EndReason.TARGET_LEASE_LOST),
        ("ended", SOURCE, EndReason.LEASES_ENDED),
        ("ended", TARGET, EndReason.LEASES_ENDED),
        ("not_running", TARGET, EndReason.LEASES_ENDED),
        ("unavailable", SOURCE, EndReason.SOURCE_UNAVAILABLE),
        ("unavailable", TARGET, EndReason.TARGET_UNAVAILABLE),
    ],
)
def test_a_lost_lease_ends_a_run_for_its_own_reason_on_its_own_side(reason: str, side: int, end: EndReason) -> None:
    with pytest.raises(Stopped) as stop, asking(side):
        raise LeaseLost(reason)
    assert stop.value.reason is end
