"""Questions about a stored audit: settings as texts, the difference from its own, and what is kept of it for how long."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import msgspec
import pytest

from isthmus.audit.evidence.bundle import zipped
from isthmus.audit.given.exemptions import ExemptionKind
from isthmus.audit.given.options import AuditOptions, Thresholds
from isthmus.audit.given.prices import CustomerPrice, PricesInvalid
from isthmus.audit.given.snooze import Snooze
from isthmus.audit.judge import judge
from isthmus.audit.what_if.questions import CannotAsk, Question, Ready, ReadyTables, answer, load, parse_question
from tests.unit.audit.world import CRM, example

TENANT, OTHER = uuid4(), uuid4()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return self.at_s


@pytest.fixture(scope="module")
def packed() -> bytes:
    org = example()
    ivan = next(user for user in org.users if user.name == "Ivan Inactive")
    options = AuditOptions(
        prices=(CustomerPrice("SFDC", Decimal(100), "EUR", "order form"),),
        snoozes=(Snooze("R08", ivan.id, CRM, datetime(2027, 1, 1, tzinfo=UTC).date(), "asked"),),
    )
    return zipped(judge(org.snapshot(), options, "acme").bundle)


@pytest.fixture(scope="module")
def ready(packed: bytes) -> Ready:
    return load(packed)


def test_a_question_that_asks_nothing_gets_the_audit_s_own_figures(ready: Ready) -> None:
    answered = answer(ready, Question())
    assert answered.figures == answered.own == ready.own
    assert (answered.difference.licenses, answered.difference.money, answered.difference.unpriced_seats) == ((), (), 0)
    assert (answered.settings.own_prices, answered.settings.snoozes) == (1, 1)


def test_the_difference_is_the_figures_less_the_audit_s_own(ready: Ready) -> None:
    answered = answer(ready, Question(thresholds="inactive_days = 170\n", headroom=Decimal("0.5")))
    assert answered.settings.thresholds == Thresholds(170, headroom=Decimal("0.5"))
    crm = next(change for change in answered.difference.licenses if change.id == CRM)
    news, olds = ({line.id: line for line in figures.licenses} for figures in (answered.figures, answered.own))
    assert crm.unused == (news[CRM].unused or 0) - (olds[CRM].unused or 0) < 0
    certain = (crm.unused_a or 0) + (crm.unused_b or 0)
    assert crm.reclaim_monthly == certain * 100 + 100 < 0  # one of them is put off, and was no money before
    euro = next(change for change in answered.difference.money if change.currency == "EUR")
    assert euro.reclaim_now == crm.reclaim_monthly * 12


def test_prices_in_another_currency_take_the_one_away_and_bring_the_other(ready: Ready) -> None:
    answered = answer(ready, Question(prices="product,price,currency\nSFDC,100,CHF\n"))
    changes = {change.currency: change for change in answered.difference.money}
    assert changes["EUR"].reclaim_now == -changes["CHF"].reclaim_now < 0
    assert msgspec.json.encode(answered)


def test_people_on_leave_come_on_top_and_put_off_findings_may_be_counted(ready: Ready) -> None:
    asked = answer(ready, Question(leave=("bea.borderline@acme.example", "nobody@acme.example")))
    assert (asked.settings.exempt, asked.settings.exempt_unmatched) == (1, 1)
    assert sum(change.unused or 0 for change in asked.difference.licenses) == -1
    counted = answer(ready, Question(snoozed=False))
    assert counted.difference.money[0].reclaim_seats == 1


def test_texts_are_judged_as_settings_are(ready: Ready) -> None:
    own = ready.table.basis.thresholds
    what = parse_question(Question(exemptions="who,reason,kind\nivan@acme.example,away,leave\n", prices=""), own)
    assert what.exemptions is not None
    assert what.exemptions[0].kind is ExemptionKind.LEAVE
    assert what.prices == ()
    for bad, says in (
        (Question(thresholds="inactive_days = 1"), "inactive_days"),
        (Question(inactive_days=1), "the question: inactive_days"),
        (Question(headroom=Decimal(2)), "headroom"),
        (Question(prices="product,price,currency\nSFDC,x,USD\n"), "line 2"),
        (Question(exemptions="who\n"), "reason"),
        (Question(leave=("ivan",)), "leave, person 1"),
    ):
        with pytest.raises(PricesInvalid, match=says):
            parse_question(bad, own)


@pytest.mark.parametrize("name", ["figures.json", "settings.json", "users.jsonl"])
def test_a_bundle_whose_figures_do_not_follow_is_not_asked(packed: bytes, name: str) -> None:
    judged = judge(example().snapshot(), AuditOptions(), "acme")
    faults = {
        "figures.json": (b'"reclaim_now":"', b'"reclaim_now":"1'),
        "settings.json": (b'"inactive_days":90', b'"inactive_days":150'),
        "users.jsonl": (b'"active":true', b'"active":1'),
    }
    files = {key: judged.bundle[key] for key in judged.bundle}
    assert load(zipped(files))
    files[name] = files[name].replace(*faults[name])
    with pytest.raises(CannotAsk, match="Audit the org again"):
        load(zipped(files))
    with pytest.raises(CannotAsk):
        load(b"no archive")


def test_a_loaded_table_is_never_given_to_another_tenant(ready: Ready) -> None:
    tables, audit = ReadyTables(Clock()), uuid4()
    tables.put(TENANT, audit, ready)
    assert tables.get(TENANT, audit) is ready
    assert tables.get(OTHER, audit) is None
    assert tables.get(TENANT, uuid4()) is None


def test_tables_are_kept_within_bytes_and_time(ready: Ready) -> None:
    clock, audits = Clock(), [uuid4() for _ in range(4)]
    tables = ReadyTables(clock, bytes_max=ready.bytes * 3, age_max_s=60)
    for audit in audits[:3]:
        tables.put(TENANT, audit, ready)
    assert tables.get(TENANT, audits[0]) is ready  # used just now, so the second one goes first
    tables.put(TENANT, audits[3], ready)
    assert [tables.get(TENANT, audit) is not None for audit in audits] == [True, False, True, True]
    assert tables.bytes <= ready.bytes * 3
    clock.at_s = 60
    assert [tables.get(TENANT, audit) for audit in audits] == [None] * 4
    assert tables.bytes == 0
    small = ReadyTables(clock, bytes_max=ready.bytes - 1)
    small.put(TENANT, audits[0], ready)
    assert small.get(TENANT, audits[0]) is None


def test_the_size_that_is_reckoned_grows_with_the_org() -> None:
    sizes = [load(zipped(judge(example(seats).snapshot(), AuditOptions(), "acme").bundle)).bytes for seats in (30, 300)]
    assert 5 < sizes[1] / sizes[0] < 12
