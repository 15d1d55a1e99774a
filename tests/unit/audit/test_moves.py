"""Moves to other licences: never worse than any other choice, never more than is there, and each limit has its price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from isthmus.audit.composing.compose import compose
from isthmus.audit.composing.moves import ALLOWANCE, MINIMUM, Group, How, Source, Target, best, limits
from isthmus.audit.evidence.verify import verify_files
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import judge
from tests.unit.audit.test_documents import pdf_text
from tests.unit.audit.world import CRM, PLATFORM, Org

POOLS = ("S1", "S2")
OTHERS = ("T1", "T2")
money = st.integers(0, 60).map(Decimal)
sources = st.fixed_dictionaries({pool: st.builds(Source, money, st.integers(0, 4)) for pool in POOLS})
targets = st.fixed_dictionaries(
    {pool: st.builds(Target, st.integers(0, 2), st.none() | money) for pool in OTHERS}
)  # fmt: skip
groups = st.fixed_dictionaries({pair: st.integers(0, 3) for pair in product(POOLS, OTHERS)}).map(
    lambda counts: [Group(s, t, n, How.IN_PLACE) for (s, t), n in counts.items()]
)


def cost_of(moved: Sequence[int], given_: Sequence[Group], from_: dict[str, Source], to: dict[str, Target]) -> Decimal:
    """Return what a choice saves a month, reckoned in the plainest way; a hopeless one saves minus infinity."""
    saved = Decimal(0)
    for pool, source in from_.items():
        leaving = sum(n for n, group in zip(moved, given_, strict=True) if group.source == pool)
        if leaving > source.room:
            return Decimal("-Infinity")
        saved += source.price * leaving
    for pool, target in to.items():
        paid = max(0, sum(n for n, group in zip(moved, given_, strict=True) if group.target == pool) - target.free)
        if paid and target.price is None:
            return Decimal("-Infinity")
        saved -= (target.price or Decimal(0)) * paid
    return saved


def all_choices(given_: Sequence[Group]) -> Iterator[tuple[int, ...]]:
    return product(*(range(group.people + 1) for group in given_))


@given(groups, sources, targets)
def test_no_other_choice_saves_more(given_: list[Group], from_: dict[str, Source], to: dict[str, Target]) -> None:
    choice = best(given_, from_, to)
    moved = [choice.moved[group.source, group.target] for group in given_]
    assert all(0 <= n <= group.people for n, group in zip(moved, given_, strict=True))
    assert cost_of(moved, given_, from_, to) == choice.monthly
    assert choice.monthly == max(cost_of(other, given_, from_, to) for other in all_choices(given_))


@given(groups, sources, targets, st.fixed_dictionaries({pool: st.integers(0, 3) for pool in POOLS}))
def test_a_limit_s_price_is_what_is_saved_without_it(
    given_: list[Group], from_: dict[str, Source], to: dict[str, Target], held: dict[str, int]
) -> None:
    now = best(given_, from_, to).monthly
    for limit in limits(given_, from_, to, held):
        if limit.kind == ALLOWANCE:
            eased = {**to, limit.pool: Target(to[limit.pool].free + 1, to[limit.pool].price)}
            assert best(given_, from_, eased).monthly - now == limit.monthly > 0
        else:
            source = from_[limit.pool]
            eased_ = {**from_, limit.pool: Source(source.price, source.room + held[limit.pool])}
            assert best(given_, eased_, to).monthly - now == limit.monthly > 0


def company(*, integrations: int = 3, seldom: int = 4) -> Org:
    org = Org()
    org.license(total=100)
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=50)
    org.license("100000000000003AAA", name="Salesforce Integration", key="", total=2, used=0)
    org.regulars(20)
    for n in range(integrations):
        org.user(f"svc {n}", last=1, human=(), machine=range(1, 60))
    for n in range(seldom):
        org.user(f"Seldom {n}", last=10, human=range(10, 180, 30))
    return org


def test_the_free_seats_go_to_software_and_people_move_to_platform() -> None:
    found = compose(company().analyse(), "acme")
    moves = {line.target_name: line for line in found.moves}
    assert (moves["Salesforce Integration"].people, moves["Salesforce Integration"].moved) == (3, 2)
    assert (moves["Salesforce Platform"].people, moves["Salesforce Platform"].moved) == (4, 4)
    assert moves["Salesforce Platform"].how == How.IN_PLACE
    limit = next(line for line in found.move_limits if line.kind == ALLOWANCE)
    assert "One more free seat of Salesforce Integration (there are 2)" in limit.what
    assert limit.annual == 12 * 175


def test_a_contract_s_minimum_keeps_seats_and_its_price_is_named() -> None:
    held = ContractItem("SFDC", 100, date(2027, 3, 31), minimum_quantity=25)
    found = compose(company().analyse(contract=[held]), "acme")
    assert sum(line.moved for line in found.moves) == 2  # 27 are in use
    limit = next(line for line in found.move_limits if line.kind == MINIMUM)
    assert limit.pool == CRM
    assert limit.annual > 0


def test_blind_data_and_sandboxes_move_nobody() -> None:
    blind = company()
    blind.blind = True
    sandbox = company()
    sandbox.host = "acme--uat.sandbox.my.salesforce.com"
    for org in (blind, sandbox):
        found = compose(org.analyse(), "acme")
        assert (found.moves, found.move_limits) == ((), ())


def test_moves_stand_in_the_pdf_and_the_bundle_verifies() -> None:
    options = AuditOptions(prices=(CustomerPrice("SFDC", Decimal(150), "USD"),))
    made = judge(company().snapshot(), options, "acme")
    text = " ".join(" ".join(pdf_text(made)).split())
    assert "Other licences" in text
    assert "One more free seat of Salesforce Integration" in text
    assert verify_files(made.bundle).report.moves == made.report.moves != ()
