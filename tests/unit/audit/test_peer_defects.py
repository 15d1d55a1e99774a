"""The eleven faults that other tools were found to have (audit reference, section 12), one by one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from isthmus.audit.collecting.logins import read_blocks
from isthmus.audit.collecting.pace import Pace
from isthmus.audit.collecting.records import CountRecord, LoginGroupRecord
from isthmus.audit.composing.compose import compose
from isthmus.audit.given.catalogue import Category, category_of
from isthmus.audit.model import Window
from isthmus.salesforce.audit_queries import AUDIT_QUERIES, GROUPS_MAX
from tests.unit.audit.world import CRM, PLATFORM, Org, found, graded, rows_of

SINCE = datetime(2026, 11, 20, tzinfo=UTC)
UNTIL = datetime(2026, 11, 21, tzinfo=UTC)


def company(total: int = 100) -> Org:
    org = Org()
    org.license(total=total)
    org.regulars(10)
    return org


def test_defect_1_platform_light_is_a_paid_licence_under_its_documented_key() -> None:
    org = company()
    org.license("100LIGHT", name="Light", key="AUL_LIGHT", total=5)
    org.user("Nora", last=None, seat="100LIGHT")
    assert found(org.analyse(), "R06") == ["Nora"]
    assert category_of("AULL_IGHT", "") is Category.UNCLASSIFIED  # the misspelt key is nobody's


@pytest.mark.parametrize(
    "name", ["Customer Community Plus", "External Apps", "External Identity", "Partner App Subscription", "New Cloud"]
)
def test_defect_2_licences_without_a_published_key_and_unknown_ones_are_never_taken_for_free(name: str) -> None:
    org = company()
    org.license("100ODD", name=name, key="", total=5)
    org.user("Nora", last=None, seat="100ODD")
    assert found(org.analyse(), "R06") == ["Nora"]


def test_defect_3_a_permission_set_licence_of_a_deactivated_holder_is_seen() -> None:
    org = company()
    org.grant(org.user("Gone", active=False, last=50), org.psl(used=1), 100)
    assert found(org.analyse(), "R10") == ["Gone"]


def test_defect_4_a_failed_login_is_no_use() -> None:
    org = company()
    org.user("Ivan", last=130, human=[130], failed=[1, 2, 3, 4])
    report = compose(org.analyse(), "acme")
    assert found(org.analyse(), "R08") == ["Ivan"]
    assert report.seats_active == 10


def test_defect_5_logins_of_more_users_than_one_answer_shows_are_counted_completely() -> None:
    users, each = 5_000, 3
    times = [SINCE.timestamp() + n * 17.2 for n in range(users)]

    def inside(since: datetime, until: datetime) -> list[int]:
        return [n for n, at in enumerate(times) if since.timestamp() <= at < until.timestamp()]

    async def count(since: datetime, until: datetime) -> list[CountRecord]:
        return [CountRecord(len(inside(since, until)) * each)]

    async def groups(since: datetime, until: datetime) -> list[LoginGroupRecord]:
        stamp = since.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        here = inside(since, until)[:GROUPS_MAX]  # an aggregate query has no second page
        return [LoginGroupRecord(each, stamp, stamp, f"005{n:012}", "Application", "Success") for n in here]

    async def read() -> dict[str, int]:
        counted: dict[str, int] = {}
        async for block in read_blocks(Window(SINCE, UNTIL), count, groups, Pace()):
            for row in rows_of(block):
                counted[row.user] = counted.get(row.user, 0) + row.count
        return counted

    counted = asyncio.run(read())
    assert (len(counted), set(counted.values())) == (users, {each})


def test_defect_6_a_pool_that_is_full_because_of_waste_is_flagged() -> None:
    org = company(total=11)
    org.user("Ivan", last=130)
    psl = org.psl(used=1, total=1)
    org.grant(org.users[-1], psl, 60)
    analysis = org.analyse()
    assert found(analysis, "R17") == [CRM]
    assert found(analysis, "R08") == found(analysis, "R11") == ["Ivan"]


def test_defect_7_a_new_starter_is_not_flagged_on_the_first_day() -> None:
    org = company()
    org.user("Fred", last=None, created=0.1)
    assert graded(org.analyse(), "R06", "Fred") == "D"
    assert compose(org.analyse(), "acme").seats_unused == 0


def test_defect_8_no_query_pages_an_aggregate_and_no_condition_is_put_behind_an_or() -> None:
    for query in AUDIT_QUERIES.values():
        assert " OR " not in query.text
        assert "LIMIT" not in query.text
        assert "ORDER BY" not in query.text
        if "GROUP BY" in query.text:
            assert "LoginTime >= {since} AND LoginTime < {until}" in query.text


def test_defect_9_nothing_is_filtered_that_salesforce_does_not_filter() -> None:
    for query in AUDIT_QUERIES.values():
        where = query.text.partition(" WHERE ")[2].partition(" GROUP BY ")[0]
        assert not {"Status", "Application", "SourceIp", "LoginSubType", "LIKE"} & set(where.split())


def test_defect_10_a_licence_is_matched_by_its_key_before_its_name() -> None:
    assert category_of("PID_Customer_Community", "Our Portal") is Category.EXTERNAL
    assert category_of("PID_Customer_Community_Login", "Salesforce") is Category.METERED
    assert category_of("", "PID_Customer_Community") is Category.UNCLASSIFIED  # a key is no name


def test_defect_11_each_licence_has_its_own_price_and_one_without_has_none() -> None:
    org = company()
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=10)
    org.license("100COM", name="Customer Community", key="PID_Customer_Community", total=10)
    for name, seat in (("Crm", CRM), ("Platform", PLATFORM), ("Community", "100COM")):
        org.user(name, last=130, seat=seat)
    lines = {f.subject: f.saving_monthly for f in compose(org.analyse(), "acme").findings if f.rule == "R08"}
    assert lines == {"Crm": Decimal("175.00"), "Platform": Decimal("25.00"), "Community": None}
