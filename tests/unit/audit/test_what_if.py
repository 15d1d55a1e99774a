"""A what-if question gets the figures that a whole audit with these settings would print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.audit.analysis import Basis, analyse
from isthmus.audit.composing.compose import compose
from isthmus.audit.finding import Saving
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.exemptions import Exemption, ExemptionKind, resolve
from isthmus.audit.given.history import History, SeenDeactivated
from isthmus.audit.given.options import LicenseThresholds, Thresholds
from isthmus.audit.given.pricebook import price_book
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.given.snooze import Snooze, Snoozes
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.view import View
from isthmus.audit.what_if.seat_columns import Columns
from isthmus.audit.what_if.what_if import OtherFigures, WhatIf, WhatIfFigures, WhatIfTable
from tests.bench.audit_population import populate
from tests.unit.audit.world import CRM, NOW, PLATFORM, Org, example

TODAY = NOW.date()
days = st.integers(14, 250)
shares = st.decimals(0, 1, places=2)
products = st.sampled_from(["SFDC", "AUL", "Salesforce", "Salesforce Integration", "CpqPsl", "OtherPsl", "Nothing"])
amounts = st.none() | st.decimals(0, 500, places=2)
ends = st.none() | st.integers(-3, 3).map(lambda days: TODAY + timedelta(days))
CONTRACT = (
    ContractItem("SFDC", 40, date(2027, 1, 31), "Core", notice_days=60, minimum_quantity=20),
    ContractItem("CpqPsl", 12, date(2027, 1, 31), unit_price=Decimal(75), minimum_quantity=5),
)
OWN = Basis(Thresholds(), price_book(()), ())

asked = st.builds(
    Thresholds,
    inactive_days=days,
    grace_days=st.integers(0, 120),
    headroom=shares,
    licenses=st.lists(
        st.builds(
            LicenseThresholds,
            license=products,
            inactive_days=st.none() | days,
            grace_days=st.none() | st.integers(0, 60),
            headroom=st.none() | shares,
        ),
        max_size=2,
        unique_by=lambda item: item.license,
    ).map(tuple),
)
paid = st.lists(
    st.builds(CustomerPrice, product=products, amount=amounts, currency=st.sampled_from(["USD", "EUR"])),
    max_size=4,
    unique_by=lambda item: item.product,
).map(tuple)


def teams() -> Org:
    """Departments that went silent together, nearly together and one by one; grants; people who hold nothing."""
    org = Org()
    org.license(total=90)
    org.regulars(6)
    for team, spread in enumerate((2, 13, 15, 40)):
        for number in range(7):
            gone = 100 + spread * number / 6
            org.user(f"Team {team} {number}", department=f"team {team}", last=gone, human=[gone, gone + 61])
    psl = org.psl(total=30, permissions=["A", "B"])
    same = org.psl("0PL000000000002AAA", key="OtherPsl", permissions=["A", "B"])
    less = org.psl("0PL000000000003AAA", key="LessPsl", permissions=["B"])
    for number, user in enumerate(org.users[4:20]):
        org.grant(user, psl, 90)
        org.grant(user, (same, less)[number % 2], 90)
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=9)
    org.user("Twin One", last=2, employee_number="77")
    org.user("Twin Two", last=40, employee_number="77")
    org.user("Rare", last=20, human=[20, 50, 80, 110, 140, 170])
    org.user("No Seat", seat=None)
    org.user("Odd Seat", seat="100000000000099AAA", last=150)
    org.user("Nina Never", last=None, created=45)
    org.user("Robot Svc", last=0.2, human=[], machine=[d / 2 for d in range(1, 180)])
    org.grant(org.users[-2], psl, 40)
    org.license("100000000000003AAA", name="Salesforce Integration", key="", total=2)
    for number in range(3):
        org.user(f"Robot {number}", last=20 + number, human=[], machine=[20 + number + d / 2 for d in range(60)])
    return org


def wrong_gates() -> Iterator[Snapshot]:
    blind = example()
    blind.blind = True
    yield blind.snapshot()
    sandbox = example()
    sandbox.host = "acme--full.sandbox.my.salesforce.com"
    yield sandbox.snapshot()
    young = example()
    young.history_days = 45
    yield young.snapshot()


AGAIN = History(deactivated=tuple(SeenDeactivated(user.id, NOW - timedelta(20)) for user in example().users[-12:]))
SNAPSHOTS = {
    "example": (example().snapshot(), OWN),
    "population": (populate(5, 150).org.snapshot(), OWN),
    "teams": (teams().snapshot(), OWN),
    "activated again": (example().snapshot(), Basis(Thresholds(), price_book(()), (), history=AGAIN)),
    "contract": (example().snapshot(), Basis(Thresholds(), price_book(()), CONTRACT)),
    **{f"gate {n}": (snapshot, OWN) for n, snapshot in enumerate(wrong_gates())},
}


def exemptions(snapshot: Snapshot) -> st.SearchStrategy[tuple[Exemption, ...]]:
    emails = st.sampled_from([user.email for user in snapshot.users] + ["nobody@acme.example"])
    one = st.builds(Exemption, who=emails, reason=st.just("away"), kind=st.sampled_from(ExemptionKind), until=ends)
    return st.lists(one, max_size=6, unique_by=lambda item: item.who).map(tuple)


def snoozes(snapshot: Snapshot) -> st.SearchStrategy[Snoozes]:
    """Put off findings that this audit has, and now and then one that it has not."""
    basis = Basis(Thresholds(inactive_days=60), price_book(()), ())
    known = [(f.rule, f.subject_id, f.pool) for f in analyse(snapshot, basis).findings]
    known += [("R08", user.id, user.license or "") for user in snapshot.users[:20]] + [("R08", "nobody", CRM)]
    one = st.builds(
        lambda of, end: Snooze(*of, until=end or TODAY, reason="later"), of=st.sampled_from(sorted(known)), end=ends
    )
    return st.lists(one, max_size=6, unique_by=lambda s: (s.rule, s.subject, s.pool)).map(lambda s: Snoozes(tuple(s)))


def same(figures: WhatIfFigures, snapshot: Snapshot, basis: Basis) -> None:
    report = compose(analyse(snapshot, basis), "acme")
    for name in WhatIfFigures.__struct_fields__:
        assert getattr(figures, name) == getattr(report, name), name
        assert msgspec.json.encode(getattr(figures, name)) == msgspec.json.encode(getattr(report, name)), name


@pytest.mark.parametrize("which", SNAPSHOTS)
def test_a_question_is_answered_as_the_whole_analysis_would(which: str) -> None:
    snapshot, own = SNAPSHOTS[which]
    table = WhatIfTable(snapshot, own)

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(st.builds(WhatIf, st.none() | asked, st.none() | paid, st.none() | exemptions(snapshot), snoozes(snapshot)))
    def ask(what: WhatIf) -> None:
        full = msgspec.structs.replace(
            own,
            thresholds=what.thresholds or own.thresholds,
            prices=price_book(what.prices or ()),
            exempt=resolve(what.exemptions or (), snapshot.users),
            snoozes=what.snoozes or Snoozes(),
        )
        same(table.ask(what), snapshot, full)

    ask()
    assert table.check(compose(analyse(snapshot, own), "acme")) == table.ask(WhatIf())


def test_what_a_question_leaves_out_stays_as_the_audit_has_it() -> None:
    snapshot = example().snapshot()
    exempt = resolve((Exemption("ivan.inactive@acme.example", "away"),), snapshot.users)
    dear = price_book((CustomerPrice("SFDC", Decimal(1000), "EUR", "quote"),))
    own = Basis(Thresholds(inactive_days=60), dear, (), exempt)
    table = WhatIfTable(snapshot, own)
    same(table.ask(WhatIf()), snapshot, own)
    same(table.ask(WhatIf(exemptions=())), snapshot, msgspec.structs.replace(own, exempt=resolve((), ())))


@pytest.mark.parametrize(
    "fault",
    [
        lambda c: replace(c, seats=replace(c.seats, last_seen=c.seats.last_seen - 40 * 86_400_000_000)),
        lambda c: replace(c, seats=replace(c.seats, traps=1 - c.seats.traps)),
        lambda c: replace(c, of_seats={k: v for k, v in c.of_seats.items() if k != "R06"}),
        lambda c: replace(c, of_grants={}),
        lambda c: replace(c, seats=replace(c.seats, pool=1 - c.seats.pool)),
    ],
    ids=["last logins", "traps", "a rule of seats", "rules of grants", "pools"],
)
def test_columns_that_are_wrong_are_caught_by_the_audit_s_own_report(fault: object) -> None:
    snapshot = example().snapshot()
    own = Basis(Thresholds(), price_book((CustomerPrice("CpqPsl", Decimal(50), "USD", "quote"),)), ())
    report = compose(analyse(snapshot, own), "acme")
    table = WhatIfTable(snapshot, own)
    table.check(report)
    columns: Columns = table._columns
    table._columns = fault(columns)  # type: ignore[operator]
    with pytest.raises(OtherFigures):
        table.check(report)


def test_every_kind_of_money_is_asked_about_somewhere() -> None:
    """The comparison above would prove little if nothing were found in its snapshots."""
    rules: set[tuple[str, str]] = set()
    for snapshot, own in SNAPSHOTS.values():
        rules |= {(f.rule, f.saving) for f in analyse(snapshot, own).findings if f.saving is not Saving.NONE}
    seats = {rule for rule, saving in rules if saving == Saving.SEAT}
    assert seats == {"R06", "R07", "R08", "R09", "R15", "R19"}
    assert {"R10", "R11", "R12", "R14"} <= {rule for rule, saving in rules if saving == Saving.PSL}


def test_the_table_keeps_nobody_but_by_what_exemptions_call_them() -> None:
    snapshot = example().snapshot()
    table = WhatIfTable(snapshot, OWN)
    kept: View = table._still.view
    assert (kept.snapshot.users, len(kept.snapshot.logins), kept.snapshot.assigns) == ((), 0, ())
    assert not {"users", "holders", "_activities", "_last_seen"} & set(kept.__dict__)
    assert 0 < table.bytes < 200_000


def test_the_free_seat_of_an_integration_that_is_excused_or_put_off_goes_to_the_next_one() -> None:
    snapshot = teams().snapshot()
    table = WhatIfTable(snapshot, OWN)
    robot = next(user for user in snapshot.users if user.name == "Robot Svc")
    excused = (Exemption("robot.svc@acme.example", "known"),)
    later = Snoozes((Snooze("R09", robot.id, CRM, TODAY, "later"),))
    for what in (WhatIf(), WhatIf(exemptions=excused), WhatIf(snoozes=later), WhatIf(Thresholds(inactive_days=14))):
        same(table.ask(what), snapshot, table.settings(what))
    usual, without = table.ask(WhatIf()), table.ask(WhatIf(exemptions=excused))
    assert (usual.unpriced_seats, without.unpriced_seats) == (2, 1)  # the robots without a free seat have no price


def test_settings_change_the_figures() -> None:
    table = WhatIfTable(example().snapshot(), OWN)
    usual, patient = table.ask(WhatIf()), table.ask(WhatIf(Thresholds(inactive_days=170)))
    ivan = table.ask(WhatIf(exemptions=(Exemption("ivan.inactive@acme.example", "away"),)))
    unused = [sum(line.unused or 0 for line in figures.licenses) for figures in (usual, patient, ivan)]
    assert unused[1] < unused[0] > unused[2]
    assert table.ask(WhatIf()) == usual
    dear = table.ask(WhatIf(prices=(CustomerPrice("SFDC", Decimal(1000), "USD", "quote"),)))
    assert dear.money[0].reclaim_now > usual.money[0].reclaim_now
