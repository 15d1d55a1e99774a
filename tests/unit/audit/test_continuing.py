"""When an audit that met the org's API limit goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from isthmus.audit.continuing import LOOK_AGAIN, WAITING_MAX, continues_at
from isthmus.audit.failures import Failure
from tests.unit.audit.world import NOW


def test_what_was_read_waits_for_calls_an_hour_at_a_time() -> None:
    assert continues_at(Failure.LIMITED, kept=True, began_at=NOW, now=NOW) == NOW + LOOK_AGAIN


@pytest.mark.parametrize("failure", sorted(set(Failure) - {Failure.LIMITED}))
def test_only_the_limit_puts_an_audit_off(failure: Failure) -> None:
    assert continues_at(failure, kept=True, began_at=NOW, now=NOW) is None


def test_an_audit_of_which_nothing_is_kept_ends() -> None:
    assert continues_at(Failure.LIMITED, kept=False, began_at=NOW, now=NOW) is None


def test_after_three_days_it_ends() -> None:
    last = NOW + WAITING_MAX - LOOK_AGAIN
    assert continues_at(Failure.LIMITED, kept=True, began_at=NOW, now=last) == NOW + WAITING_MAX
    assert continues_at(Failure.LIMITED, kept=True, began_at=NOW, now=last + timedelta(seconds=1)) is None
