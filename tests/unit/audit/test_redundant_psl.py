"""R14: a permission set licence whose permissions another one of the same user has."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from isthmus.audit.collecting.records import PslPermissionsRecord, permissions_of
from isthmus.audit.composing.compose import compose
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.model import PERMISSIONS_UNAVAILABLE, PSLS_UNAVAILABLE
from isthmus.audit.rules.r14_psl_redundant import TRAP
from tests.unit.audit.world import Org, found, graded

LESS, MORE = "0PL000000000001AAA", "0PL000000000002AAA"


def holder_of(
    less: set[str], more: set[str], *, status: str = "Active", active: bool = True, last: float | None = 2
) -> Org:
    """Return an org in which Pia holds two permission set licences that can grant these permissions."""
    org = Org()
    org.license()
    org.regulars(10)
    pia = org.user("Pia", last=last, active=active)
    for row_id, key, permissions in ((LESS, "LessPsl", less), (MORE, "MorePsl", more)):
        of_status = status if row_id == MORE else "Active"
        org.grant(pia, org.psl(row_id, key=key, used=1, permissions=permissions, status=of_status), 400)
    return org


def pools(org: Org, **more: object) -> list[str]:
    return [f.pool for f in org.analyse(**more).findings if f.rule == "R14"]


@pytest.mark.parametrize(
    ("less", "more", "hit"),
    [
        ({"RunFlow"}, {"RunFlow", "EditTask"}, True),
        ({"RunFlow", "EditTask"}, {"RunFlow", "EditTask", "ApiEnabled"}, True),
        ({"RunFlow", "ApiEnabled"}, {"RunFlow", "EditTask"}, False),  # one permission short
        (set(), {"RunFlow"}, False),  # grants nothing of the kind: what it is for cannot be seen
        ({"RunFlow"}, set(), False),
        (set(), set(), False),
    ],
)
def test_a_grant_is_redundant_if_another_one_of_the_holder_can_grant_all_of_it(
    less: set[str], more: set[str], *, hit: bool
) -> None:
    org = holder_of(less, more)
    assert pools(org) == ([LESS] if hit else [])
    if hit:
        assert graded(org.analyse(), "R14", "Pia") == "C"


def test_trap_that_objects_and_limits_are_not_shown_is_named_in_every_row() -> None:
    analysis = holder_of({"RunFlow"}, {"RunFlow", "EditTask"}).analyse()
    assert [f.traps for f in analysis.findings if f.rule == "R14"] == [(TRAP,)]


def test_two_pools_that_grant_the_same_are_never_both_redundant_and_the_dearer_is() -> None:
    org = holder_of({"RunFlow"}, {"RunFlow"})
    assert pools(org) == [MORE]  # no price is known: the later one
    assert pools(org, prices=[CustomerPrice("LessPsl", Decimal(20), "USD")]) == [LESS]


def test_of_three_nested_pools_the_widest_stays() -> None:
    org = holder_of({"RunFlow"}, {"RunFlow", "EditTask"})
    widest = org.psl("0PL3", key="Widest", used=1, permissions={"RunFlow", "EditTask", "ApiEnabled"})
    org.grant(org.users[-1], widest, 100)
    assert sorted(pools(org)) == [LESS, MORE]


def test_two_people_with_one_each_and_a_deactivated_holder_have_no_pair() -> None:
    org = holder_of({"RunFlow"}, {"RunFlow", "EditTask"})
    org.assigns[1] = msgspec.structs.replace(org.assigns[1], user=org.users[0].id)
    assert pools(org) == []
    assert pools(holder_of({"RunFlow"}, {"RunFlow", "EditTask"}, active=False)) == []


def test_a_pool_that_has_ended_replaces_nothing() -> None:
    assert pools(holder_of({"RunFlow"}, {"RunFlow", "EditTask"}, status="Disabled")) == []


def test_a_redundant_grant_is_money_at_risk_only_and_after_the_surer_rules() -> None:
    org = holder_of({"RunFlow"}, {"RunFlow", "EditTask"})
    price = [CustomerPrice("LessPsl", Decimal(20), "USD"), CustomerPrice("MorePsl", Decimal(30), "USD")]
    report = compose(org.analyse(prices=price), "acme")
    usd = next(total for total in report.money if total.currency == "USD")
    assert (usd.at_risk, usd.reclaim_now) == (Decimal(240), Decimal(0))
    gone = holder_of({"RunFlow"}, {"RunFlow", "EditTask"}, last=None)
    lines = compose(gone.analyse(prices=price), "acme").findings
    assert {f.rule for f in lines if f.subject_kind == "psl_assignment" and f.valued} == {"R11"}
    assert any(f.rule == "R14" and not f.valued for f in lines)


@pytest.mark.parametrize("missing", [PERMISSIONS_UNAVAILABLE, PSLS_UNAVAILABLE])
def test_where_permissions_are_not_readable_the_rule_says_nothing_which_is_not_zero(missing: str) -> None:
    org = holder_of({"RunFlow"}, {"RunFlow", "EditTask"})
    org.unavailable = (missing,)
    report = compose(org.analyse(), "acme")
    assert next(rule.findings for rule in report.rules if rule.id == "R14") is None
    assert found(org.analyse(), "R14") == []
    assert any("R14" in text for text in (*report.assumptions, *(gate.says for gate in report.gates), *DOCS))


DOCS = tuple(line.doc for line in compose(Org().analyse(), "acme").rules if line.id == "R02")


def test_of_all_fields_that_the_org_sends_only_true_permissions_are_kept() -> None:
    record = msgspec.json.decode(
        b'{"Id":"0PL000000000001AAA","CreatedById":"005000000000001AAA","MaximumPermissionsRunFlow":true,'
        b'"MaximumPermissionsEditTask":false,"MaximumPermissionsApiEnabled":null,"MaximumPermissions":true,'
        b'"MaximumPermissionsNot A Name":true,"attributes":{"type":"PermissionSetLicense"}}',
        type=PslPermissionsRecord,
    )
    assert permissions_of(record) == (LESS, ("RunFlow",))
    with pytest.raises(ValueError, match="without an id"):
        permissions_of({})
