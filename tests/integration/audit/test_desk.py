"""What-if, findings, putting off and the portfolio over JSON: the figures of the report, and never another tenant's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from isthmus.audit.analysis import Basis, analyse
from isthmus.audit.composing.compose import compose
from isthmus.audit.given.options import AuditOptions, Thresholds
from isthmus.audit.given.pricebook import price_book
from isthmus.audit.given.prices import CustomerPrice
from tests.support.desk import Desk, desk
from tests.unit.audit.world import Org, example

__all__ = ["desk"]

TODAY = datetime.now(UTC).date()
EURO = AuditOptions(prices=(CustomerPrice("SFDC", Decimal(100), "EUR", "order form"),))


def company(**host: str) -> Org:
    """The example, audited just now: what is put off counts by today."""
    org = example()
    for name, value in host.items():
        setattr(org, name, value)
    return org


async def test_a_question_gets_the_report_s_figures_and_the_difference(desk: Desk) -> None:
    audit = await desk.audit(company(), options=EURO)
    path = f"/api/v1/audits/{audit}/what-if"
    first = (await desk.post(path, {"inactive_days": 170})).json()
    assert first["prepared_ms"] > 0
    basis = Basis(Thresholds(inactive_days=170), price_book(EURO.prices), ())
    report = compose(analyse(company().snapshot(), basis), "north")
    assert [line["unused"] for line in first["figures"]["licenses"]] == [line.unused for line in report.licenses]
    assert [Decimal(total["reclaim_now"]) for total in first["figures"]["money"]] == [
        total.reclaim_now for total in report.money
    ]
    changes = {change["id"]: change["unused"] for change in first["difference"]["licenses"]}
    assert all(change < 0 for change in changes.values())
    again = await desk.post(path, {})
    assert again.json()["prepared_ms"] == 0
    assert again.json()["difference"] == {"licenses": [], "money": [], "unpriced_seats": 0}
    assert again.headers["cache-control"] == "no-store"


UNUSABLE = (
    ({"inactive_days": 1}, 422, "inactive_days"),
    ({"prices": "product,price,currency\nSFDC,x,USD\n"}, 422, "line 2"),
    ({"exemptions": "who,reason\nnobody,x\n"}, 422, "line 2"),
    ({"thresholds": "a\n\nb = 1"}, 422, "line 1"),
    ({"surprise": 1}, 400, "fields are"),
    ({"inactive_days": "soon"}, 400, "fields are"),
)


async def test_a_question_that_cannot_be_used_is_refused_saying_why(desk: Desk) -> None:
    audit = await desk.audit(company())
    for body, status, says in UNUSABLE:
        answer = await desk.post(f"/api/v1/audits/{audit}/what-if", body)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert says in error["text"] + error["remedy"]
        assert error["remedy"]


async def test_an_audit_whose_evidence_was_removed_is_forgotten_at_once(desk: Desk) -> None:
    audit = await desk.audit(company())
    path = f"/api/v1/audits/{audit}/what-if"
    assert (await desk.post(path, {})).status_code == 200
    assert desk.tables.bytes > 0
    admin = await desk.database.superuser()
    await admin.execute("delete from audit.document where audit_id = %s", (audit,))
    gone = await desk.post(path, {})
    assert (gone.status_code, gone.json()["error"]["title"]) == (409, "This audit's evidence was removed")
    assert desk.tables.bytes == 0


async def test_another_tenant_gets_nothing_of_an_audit_even_when_it_is_loaded(desk: Desk) -> None:
    audit = await desk.audit(company())
    assert (await desk.post(f"/api/v1/audits/{audit}/what-if", {})).status_code == 200
    made = (await desk.post(f"/api/v1/audits/{audit}/findings/1/snooze", later())).json()["snooze"]
    asked = [
        await desk.post(f"/api/v1/audits/{audit}/what-if", {}, who="other"),
        await desk.get(f"/api/v1/audits/{audit}/findings", who="other"),
        await desk.get(f"/api/v1/audits/{audit}/findings/1/explain", who="other"),
        await desk.post(f"/api/v1/audits/{audit}/findings/1/snooze", later(), who="other"),
        await desk.delete(f"/api/v1/snoozes/{made}", who="other"),
        await desk.get(f"/api/v1/audit-settings/{desk.connections['acme', 'north']}", who="other"),
    ]
    assert [answer.status_code for answer in asked] == [404] * len(asked)
    assert all(set(answer.json()["error"]) == {"title", "text", "remedy"} for answer in asked)
    assert (await desk.get("/api/v1/snoozes", who="other")).json() == {"snoozes": []}
    empty = (await desk.get("/api/v1/portfolio", who="other")).json()
    assert (empty["orgs"], empty["persons"]["count"]) == ([], 0)
    assert [(await desk.get(p, who="nobody")).status_code for p in ("/api/v1/portfolio", "/api/v1/snoozes")] == [
        401
    ] * 2


def later(days: int = 30) -> dict[str, str]:
    return {"until": str(TODAY + timedelta(days=days)), "reason": "on parental leave"}


async def test_findings_come_in_pages_of_the_report_s_order(desk: Desk) -> None:
    audit = await desk.audit(company(), options=EURO)
    path = f"/api/v1/audits/{audit}/findings"
    everything = (await desk.get(path)).json()
    numbers = [finding["number"] for finding in everything["findings"]]
    assert (numbers, everything["after"]) == (list(range(1, everything["total"] + 1)), None)
    seen: list[int] = []
    after = "0"
    while after is not None:
        page = (await desk.get(path, rows="3", after=str(after))).json()
        seen += [finding["number"] for finding in page["findings"]]
        after = page["after"]
    assert seen == numbers


async def test_findings_are_filtered_and_counted_by_value(desk: Desk) -> None:
    audit = await desk.audit(company(), options=EURO)
    path = f"/api/v1/audits/{audit}/findings"
    everything = (await desk.get(path)).json()["findings"]

    async def numbers(**query: str) -> list[int]:
        page = (await desk.get(path, **query)).json()
        assert page["total"] == len(page["findings"])
        return [finding["number"] for finding in page["findings"]]

    def those(**like: Any) -> list[int]:
        return [f["number"] for f in everything if all(f[name] == value for name, value in like.items())]

    assert await numbers(rule="R08") == those(rule="R08") != []
    assert await numbers(grade="A", severity="critical") == those(grade="A", severity="critical") != []
    assert await numbers(license="salesforce platform") == those(pool_name="Salesforce Platform") != []
    assert await numbers(text="IVAN") == those(subject="Ivan Inactive") != []
    assert await numbers(exempt="yes") == await numbers(snoozed="yes") == []
    dear = [f["number"] for f in everything if f["annual"] and Decimal(f["annual"]) >= 1200]
    assert await numbers(min_annual="1200") == dear != []
    assert await numbers(min_annual="1200.01") == [n for n in dear if n not in those(annual="1200.00")]
    page = (await desk.get(path, rule="R08", grade="A")).json()
    counts = {facet: {c["value"]: c["count"] for c in page["counts"][facet]} for facet in page["counts"]}
    assert counts["rule"]["R06"] == len(those(rule="R06", grade="A"))  # as if rule were not chosen
    assert counts["grade"] == {g: len(those(rule="R08", grade=g)) for g in "ABCD" if those(rule="R08", grade=g)}
    assert set(counts) <= {"rule", "grade", "severity", "license", "snoozed", "exempt"}
    for query in ({"grade": "E"}, {"snoozed": "maybe"}, {"min_annual": "much"}, {"rows": "x"}, {"colour": "red"}):
        assert (await desk.get(path, **query)).status_code == 400
    assert (await desk.get(f"/api/v1/audits/{uuid4()}/findings")).status_code == 404


async def test_a_finding_leads_to_its_rows_its_rule_and_its_requests(desk: Desk) -> None:
    audit = await desk.audit(company())
    found = (await desk.get(f"/api/v1/audits/{audit}/findings", rule="R08", text="ivan")).json()["findings"][0]
    told = (await desk.get(f"/api/v1/audits/{audit}/findings/{found['number']}/explain")).json()
    assert told["finding"] == found
    evidence = told["evidence"]
    rows = {row["file"]: row["content"] for row in evidence["rows"]}
    assert rows["users.jsonl"]["id"] == found["subject_id"]
    assert "logins.jsonl" in rows
    assert evidence["rules"][0].startswith("R08 Inactive")
    assert any("FROM User" in request["text"] for request in evidence["requests"])
    for number in ("0", "999", "x", "1.5", "-1", "99999999999"):
        assert (await desk.get(f"/api/v1/audits/{audit}/findings/{number}/explain")).status_code == 404


async def test_a_finding_that_is_put_off_counts_again_once_it_is_ended(desk: Desk) -> None:
    first = await desk.audit(company(), options=EURO)
    found = (await desk.get(f"/api/v1/audits/{first}/findings", rule="R08", grade="A")).json()["findings"][0]
    put = await desk.post(f"/api/v1/audits/{first}/findings/{found['number']}/snooze", later())
    assert put.status_code == 200
    listed = (await desk.get("/api/v1/snoozes")).json()["snoozes"]
    assert [(s["org"], s["subject"], s["reason"], s["over"]) for s in listed] == [
        ("north", found["subject"], "on parental leave", False)
    ]
    second = await desk.audit(company(), options=EURO)
    held = (await desk.get(f"/api/v1/audits/{second}/findings", snoozed="yes")).json()["findings"]
    assert [(f["subject"], f["counted"], f["annual"]) for f in held] == [(found["subject"], False, None)]
    before, after = [await reclaim(desk, audit) for audit in (first, second)]
    assert before - after == Decimal(1200)
    moved = await desk.post(f"/api/v1/audits/{second}/findings/{held[0]['number']}/snooze", later(60))
    assert len((await desk.get("/api/v1/snoozes")).json()["snoozes"]) == 1  # the day was moved
    assert (await desk.delete(f"/api/v1/snoozes/{moved.json()['snooze']}")).status_code == 200
    assert await reclaim(desk, await desk.audit(company(), options=EURO)) == before


async def reclaim(desk: Desk, audit: UUID) -> Decimal:
    detail = (await desk.get(f"/api/v1/audits/{audit}")).json()
    return next(Decimal(t["reclaim_now"]) for t in detail["report"]["money"] if t["currency"] == "EUR")


async def test_a_day_or_a_reason_that_makes_no_sense_is_refused(desk: Desk) -> None:
    audit = await desk.audit(company())
    for body in (
        {"until": str(TODAY - timedelta(days=1)), "reason": "x"},
        {"until": str(TODAY + timedelta(days=3000)), "reason": "x"},
        {"until": str(TODAY), "reason": " "},
        {"until": str(TODAY), "reason": "x" * 201},
        {"until": str(TODAY), "reason": "two\nlines"},
    ):
        answer = await desk.post(f"/api/v1/audits/{audit}/findings/1/snooze", body)
        assert (answer.status_code, bool(answer.json()["error"]["remedy"])) == (422, True)
    assert (await desk.get("/api/v1/snoozes")).json() == {"snoozes": []}


async def test_the_portfolio_puts_orgs_side_by_side_and_finds_who_is_paid_for_twice(desk: Desk) -> None:
    north, south = company(host="north.my.salesforce.com"), company(host="south.my.salesforce.com")
    south.user("Only South", last=2)
    for org in (north, south):
        own = org.host.partition(".")[0]
        org.user("Fe Derated", last=100, email=f"fe@{own}.example", federation_id="Fe@idp.example")
        org.user("Nu Mbered", last=100, email=f"nu@{own}.example", employee_number="E-17")
    dollars = AuditOptions(prices=(CustomerPrice("SFDC", Decimal(150), "USD", "quote"),))
    for org, alias, options in ((north, "north", EURO), (north, "north", EURO), (south, "south", dollars)):
        newest = await desk.audit(org, alias=alias, options=options)
    blind = company()
    blind.blind = True
    await desk.audit(blind, alias="blind")
    await desk.connection("acme", "unaudited")
    found = (await desk.get("/api/v1/portfolio")).json()
    orgs = {org["org"]: org for org in found["orgs"]}
    assert set(orgs) == {"blind", "north", "south", "unaudited"}
    assert orgs["south"]["audit"] == str(newest)
    assert (orgs["unaudited"]["summary"], orgs["unaudited"]["audit"]) == (None, None)
    assert "R00" in orgs["blind"]["summary"]["gates"]
    totals = found["totals"]
    assert (totals["seats_unused"], totals["without"]) == (None, ["blind", "unaudited"])
    assert totals["seats_assigned"] == sum(o["summary"]["seats_assigned"] for o in orgs.values() if o["summary"])
    sums = {money["currency"]: money for money in totals["money"]}
    assert Decimal(sums["EUR"]["reclaim_now"]) == Decimal(orgs["north"]["summary"]["money"][0]["reclaim_now"])
    assert sums["EUR"]["without"] == ["blind", "unaudited"]
    persons = found["persons"]
    assert {seat["org"] for person in persons["persons"] for seat in person["seats"]} >= {"north", "south"}
    assert not any("only.south" in person["email"] for person in persons["persons"])
    by = {tuple(person["basis"]): person for person in persons["persons"]}
    assert {basis: person["grade"] for basis, person in by.items()} == {
        ("e-mail address",): "C",
        ("federation identifier",): "B",
        ("employee number and name",): "C",
    }
    assert "who is active cannot be seen in blind" in by["e-mail address",]["traps"]
    assert [seat["name"] for seat in by["federation identifier",]["seats"]] == ["Fe Derated", "Fe Derated"]
    assert "do not add them" in persons["note"]


async def test_the_setting_says_whose_it_is_and_what_is_in_force(desk: Desk) -> None:
    connection = await desk.connection("acme", "north")
    path = f"/api/v1/audit-settings/{connection}"
    usual = (await desk.get(path)).json()
    assert (usual["org"], usual["in_force"]["thresholds"]["inactive_days"]) == ("north", 90)
    given = {"thresholds": "inactive_days = 60\n", "prices": "product,price,currency\nSFDC,120,EUR\n"}
    kept_now = (await desk.post(path, given)).json()
    assert kept_now == (await desk.get(path)).json()
    assert kept_now["in_force"]["thresholds"]["inactive_days"] == 60
    assert kept_now["in_force"]["prices"][0]["amount"] == "120"
    assert (await desk.get(f"/api/v1/audit-settings/{uuid4()}")).status_code == 404
    long = {"exemptions": "who,reason\n" + "".join(f"a{n}@b.example,on leave for long\n" for n in range(24_000))}
    assert (await desk.post(path, long)).status_code == 200  # more than other requests may bring
