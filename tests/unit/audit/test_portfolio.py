"""Orgs side by side: sums that say what they leave out, currencies apart, persons who are paid for twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from isthmus.audit.evidence.bundle import BundleInvalid, zipped
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import Judged, judge
from isthmus.audit.portfolio.persons import Holder, Keys, keys_of
from isthmus.audit.portfolio.portfolio import Org, Portfolio, portfolio, summary_of
from isthmus.audit.portfolio.rows import portfolio_of
from isthmus.values import Secret
from tests.unit.audit.world import NOW, ago, example


def holder(org: str, key: str = "nora@acme.example", **other: object) -> Holder:
    one = Holder(key, org, f"{org}-1", "Nora", key, "Salesforce", ago(5), ago(5), NOW, Decimal(100), "EUR")
    return msgspec.structs.replace(one, **other)


def audited(host: str, *, name: str = "", price: str = "100", currency: str = "EUR", **more: object) -> Judged:
    org = example()
    org.host = host
    for field, value in more.items():
        setattr(org, field, value)
    prices = (CustomerPrice("SFDC", Decimal(price), currency, "order form"),)
    return judge(org.snapshot(), AuditOptions(prices=prices), name or host.partition(".")[0])


def of(judged: Judged) -> Org:
    return Org(judged.report.org, judged.report.host, None, 0, summary_of(judged.report))


def persons(*holders: Holder, orgs: tuple[Org, ...] = ()) -> Portfolio:
    names = sorted({h.org for h in holders} - {o.org for o in orgs})
    known = of(audited("any.my.salesforce.com"))
    return portfolio((*orgs, *(msgspec.structs.replace(known, org=name) for name in names)), holders, NOW)


def test_figures_are_added_over_orgs_and_never_over_currencies() -> None:
    north, south, swiss = (
        of(audited("north.my.salesforce.com")),
        of(audited("south.my.salesforce.com", price="50")),
        of(audited("swiss.my.salesforce.com", currency="CHF")),
    )
    assert north.summary is not None
    totals = portfolio((south, swiss, north), (), NOW).totals
    euro = next(money for money in totals.money if money.currency == "EUR")
    franc = next(money for money in totals.money if money.currency == "CHF")
    own = next(money for money in north.summary.money if money.currency == "EUR")
    assert euro.reclaim_now == own.reclaim_now * Decimal("1.5")
    assert (euro.orgs, franc.orgs, franc.reclaim_now) == (2, 1, own.reclaim_now)
    assert totals.seats_unused == 3 * (north.summary.seats_unused or 0)
    assert (totals.orgs, totals.without) == (3, ())


def test_a_sum_that_leaves_an_org_out_says_so() -> None:
    blind = of(audited("blind.my.salesforce.com", blind=True))
    bare = Org("unaudited", "unaudited.my.salesforce.com", None, None, None)
    totals = portfolio((of(audited("north.my.salesforce.com")), blind, bare), (), NOW).totals
    assert (totals.seats_unused, totals.seats_unused_a, totals.without) == (None, None, ("blind", "unaudited"))
    assert [(money.orgs, money.without) for money in totals.money if money.currency == "EUR"] == [
        (1, ("blind", "unaudited"))
    ]
    assert blind.summary is not None
    assert "R00" in blind.summary.gates


def test_a_person_in_two_orgs_is_one_seat_at_the_lowest_price_where_they_were_last_least() -> None:
    found = persons(
        holder("north", last_login_at=ago(200), last_human_at=ago(200)), holder("south", price=Decimal(60))
    ).persons
    (person,) = found.persons
    assert (person.grade, person.idle_org, person.annual, person.currency) == ("B", "north", Decimal(720), "EUR")
    assert [(risk.grade, risk.currency, risk.seats, risk.annual) for risk in found.at_risk] == [
        ("B", "EUR", 1, Decimal(720))
    ]


def test_who_works_in_both_orgs_is_a_question_and_not_a_finding() -> None:
    (person,) = persons(holder("north"), holder("south")).persons.persons
    assert (person.grade, person.traps) == ("C", ("in use within 30 days in every org",))


@pytest.mark.parametrize(
    "there",
    [
        [holder("north"), holder("north", user="2")],
        [holder("north"), holder("south", key="norma@acme.example")],
        [*(holder("north", user=str(n)) for n in range(4)), holder("south")],
        [holder("north", key=""), holder("south", key="")],
    ],
    ids=["one org", "other people", "shared mailbox", "no address"],
)
def test_these_are_no_persons_in_two_orgs(there: list[Holder]) -> None:
    assert persons(*there).persons.count == 0


def test_prices_that_are_missing_or_of_two_currencies_make_no_money() -> None:
    for other in ({"price": None}, {"currency": "USD"}, {"price": None, "currency": None}):
        found = persons(holder("north"), holder("south", **other)).persons
        assert [(p.annual, p.currency) for p in found.persons] == [(None, None)]
        assert [(risk.currency, risk.annual, risk.seats) for risk in found.at_risk] == [(None, None, 1)]


def test_addresses_are_compared_without_tag_and_case(tmp_path: Path) -> None:
    org = example()
    org.host = "sandbox-like.my.salesforce.com"
    org.users = [
        msgspec.structs.replace(user, email=user.email.upper().replace("@", "+crm@"))
        if user.name == "Ivan Inactive"
        else msgspec.structs.replace(user, email=f"x{n}@other.example")
        for n, user in enumerate(org.users)
    ]
    (tmp_path / "a.zip").write_bytes(zipped(audited("north.my.salesforce.com").bundle))
    (tmp_path / "b.zip").write_bytes(zipped(judge(org.snapshot(), AuditOptions(), "other").bundle))
    found = portfolio_of([tmp_path / "a.zip", tmp_path / "b.zip"], NOW).persons
    assert [person.email for person in found.persons] == ["ivan.inactive@acme.example"]
    assert {seat.org for seat in found.persons[0].seats} == {"north", "other"}


def test_pseudonymous_audits_never_match(tmp_path: Path) -> None:
    options = AuditOptions(pseudonym_key=Secret(b"k" * 32))
    for name in ("a", "b"):
        org = example()
        org.host = f"{name}.my.salesforce.com"
        (tmp_path / f"{name}.zip").write_bytes(zipped(judge(org.snapshot(), options, name).bundle))
    found = portfolio_of([tmp_path / "a.zip", tmp_path / "b.zip"], NOW)
    assert (found.persons.count, found.persons.not_compared) == (0, ("a", "b"))
    assert found.totals.orgs == 2


def test_of_several_bundles_of_an_org_the_newest_counts(tmp_path: Path) -> None:
    old, new = audited("north.my.salesforce.com", now=NOW - timedelta(days=7)), audited("north.my.salesforce.com")
    (tmp_path / "old.zip").write_bytes(zipped(old.bundle))
    (tmp_path / "new.zip").write_bytes(zipped(new.bundle))
    for order in (["old", "new"], ["new", "old"]):
        found = portfolio_of([tmp_path / f"{name}.zip" for name in order], NOW + timedelta(days=3))
        assert [(org.org, org.age_days) for org in found.orgs] == [("north", 3)]


def test_orgs_of_one_name_and_changed_bundles_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        judged = audited(f"{name}.my.salesforce.com", name="prod")
        (tmp_path / f"{name}.zip").write_bytes(zipped(judged.bundle))
    with pytest.raises(BundleInvalid, match="two orgs are called prod"):
        portfolio_of([tmp_path / "a.zip", tmp_path / "b.zip"], NOW)
    files = {name: judged.bundle[name] for name in judged.bundle}
    files["figures.json"] = files["figures.json"].replace(b'"users":', b'"users": ', 1)
    (tmp_path / "b.zip").write_bytes(zipped(files))
    with pytest.raises(BundleInvalid, match=r"figures\.json"):
        portfolio_of([tmp_path / "b.zip"], NOW)


def test_a_sandbox_s_seats_cost_nothing_so_nobody_is_paid_twice_in_it() -> None:
    sandbox = of(audited("north--uat.sandbox.my.salesforce.com", name="uat"))
    found = persons(holder("north"), holder("uat"), orgs=(sandbox,)).persons
    assert (found.count, found.at_risk, found.not_compared) == (0, (), ("uat",))


def test_an_account_of_software_and_other_names_lower_the_grade() -> None:
    software = persons(holder("north", last_human_at=None), holder("south")).persons
    other = persons(holder("north", last_human_at=ago(90)), holder("south", name="Ivan")).persons
    for found, trap in ((software, "software only"), (other, "their names differ")):
        (person,) = found.persons
        assert (person.grade, person.basis, len(person.traps)) == ("C", ("e-mail address",), 1)
        assert trap in person.traps[0]


KNOWN = next(user for user in example().users if user.name == "Nora Never")


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({"email": "Nora+x@Acme.Example"}, Keys(email="nora@acme.example")),
        ({"email": "admin@acme.com"}, Keys()),
        ({"email": "support2@acme.com"}, Keys()),
        ({"email": "noreply@acme.com"}, Keys()),
        ({"email": "No-Reply+crm@acme.com"}, Keys()),
        ({"email": "do.not.reply@acme.com"}, Keys()),
        ({"email": "test1@acme.com"}, Keys()),
        ({"email": "nora@example.com"}, Keys()),
        ({"email": "nora@acme.com.invalid"}, Keys()),
        ({"email": "nobody@nowhere"}, Keys()),
        ({"email": "nora"}, Keys()),
        ({"email": "a" * 300 + "@acme.com"}, Keys()),
        ({"federation_id": "Nora@Acme.com"}, Keys(federation="nora@acme.com")),
        ({"federation_id": "nora@acme.com.invalid"}, Keys()),
        ({"federation_id": "noreply@acme.com"}, Keys()),
        ({"federation_id": "E-1001"}, Keys(federation="e-1001|nora never")),
        ({"federation_id": "n/a"}, Keys()),
        ({"employee_number": "1001"}, Keys(number="1001|nora never")),
        ({"employee_number": "0000"}, Keys()),
        ({"employee_number": "1001", "name": ""}, Keys()),
    ],
)
def test_what_a_person_is_compared_by(fields: dict[str, str], keys: Keys) -> None:
    user = msgspec.structs.replace(KNOWN, **{"email": "", **fields})
    assert keys_of(user, pseudonymous=False) == keys
    assert keys_of(user, pseudonymous=True) == Keys()


@pytest.mark.parametrize(
    ("fields", "grade", "basis"),
    [
        ({"federation_key": "nora@acme.com"}, "B", ("federation identifier",)),
        ({"number_key": "1001|nora"}, "C", ("employee number and name",)),
        (
            {"number_key": "1001|nora", "federation_key": "e1|nora"},
            "B",
            ("federation identifier", "employee number and name"),
        ),
        ({"number_key": "1001|nora", "key": "n@acme.com"}, "B", ("e-mail address", "employee number and name")),
    ],
)
def test_the_grade_says_by_what_persons_are_joined(fields: dict[str, str], grade: str, basis: tuple[str, ...]) -> None:
    seats = [
        holder("north", **{"key": "", "last_human_at": ago(90), **fields}),
        holder("south", **{"key": "", **fields}),
    ]
    (person,) = persons(*seats).persons.persons
    assert (person.grade, person.basis, person.email) == (grade, basis, fields.get("key", ""))
    assert any("two companies" in trap for trap in person.traps) is (grade == "C")


def test_seats_are_joined_through_one_another_and_not_by_what_many_share() -> None:
    three = [
        holder("north", key="nora@a.com", federation_key="f@a.com"),
        holder("south", key="", federation_key="f@a.com", number_key="7|nora"),
        holder("west", key="", number_key="7|nora"),
    ]
    (person,) = persons(*three).persons.persons
    assert [seat.org for seat in person.seats] == ["north", "south", "west"]
    assert person.basis == ("federation identifier", "employee number and name")
    shared = [holder("north", key="", user=str(n), federation_key="kiosk@a.com") for n in range(4)]
    assert persons(*shared, holder("south", key="", federation_key="kiosk@a.com")).persons.count == 0


def test_orgs_of_two_companies_with_the_same_numbers_share_nobody(tmp_path: Path) -> None:
    for name, first in (("north", "Nora"), ("south", "Ivan")):
        org = example()
        org.host = f"{name}.my.salesforce.com"
        org.users = [
            msgspec.structs.replace(
                user,
                name=f"{first} {n}",
                email=f"noreply@{name}.com" if n % 2 else f"{n}@x.com.invalid",
                employee_number=str(1000 + n),
                federation_id=str(n),
            )
            for n, user in enumerate(org.users)
        ]
        (tmp_path / f"{name}.zip").write_bytes(zipped(judge(org.snapshot(), AuditOptions(), name).bundle))
    assert portfolio_of([tmp_path / "north.zip", tmp_path / "south.zip"], NOW).persons.count == 0


def test_a_sandbox_s_seats_are_not_added_to_those_of_the_production_org() -> None:
    north, uat = of(audited("north.my.salesforce.com")), of(audited("north--uat.sandbox.my.salesforce.com", name="uat"))
    alone, both = portfolio((north,), (), NOW).totals, portfolio((north, uat), (), NOW).totals
    assert (both.orgs, both.seats_purchased, both.seats_unused) == (1, alone.seats_purchased, alone.seats_unused)
    assert (alone.without, both.without) == ((), ("uat",))
