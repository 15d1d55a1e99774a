"""Hard cases 35 to 45: what breaks between two orgs, and what an org no longer knows."""

from __future__ import annotations

import re

import pytest

from isthmus.clock import SystemClock
from isthmus.salesforce.lease import Leases
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.model import EndReason, Path
from tests.support.engine import BULK, REST, Engine, RenewingLeases

BOTH = pytest.mark.parametrize("rows_min", [REST, BULK], ids=["REST", "Bulk"])
KEY = "SwiftPort_Source_Id__c"
ACCOUNTS = "version: 1\nname: a\nsteps: [{object: Account, fields: {Name: Name, Site: Site}}]\n"
FAMILY = "version: 1\nname: f\nsteps: [{object: Account}, {object: Contact}, {object: Opportunity}]\n"
DELETES = "version: 1\nname: d\nsteps: [{object: Account, fields: {Name: Name}, deletes: {action: delete}}]\n"
DAY_S = 24 * 3600


def rows(engine: Engine, count: int) -> list[str]:
    return engine.source.add_rows("Account", [{"Name": f"N {n:04}", "Site": "x"} for n in range(count)])


@BOTH
@pytest.mark.parametrize("side", [SOURCE, TARGET], ids=["source", "target"])
async def test_case_35_a_token_that_dies_in_mid_job_is_renewed_and_the_same_job_goes_on(
    engine: Engine, rows_min: int, side: int
) -> None:
    rows(engine, 5)
    org = engine.pair.source if side == SOURCE else engine.pair.target
    standing = await engine.standing(ACCOUNTS)
    leases = RenewingLeases(org)
    held: dict[int, Leases] = {side: leases}
    path = {
        (SOURCE, REST): "/query",
        (TARGET, REST): "/composite/",
        (SOURCE, BULK): "/results",
        (TARGET, BULK): r"/ingest/\w+$",
    }
    engine.fault(org, path=path[side, rows_min], nth=2 if (side, rows_min) == (SOURCE, REST) else 1, expire_token=True)
    ran = await Engine(engine.pair, held, sent=engine.sent).again(standing, rows_min)
    assert ran.ok, (ran.run.end, ran.failures)
    assert leases.renewals == 1
    engine.pair.assert_equal("Account")
    if rows_min == BULK:
        assert [sent.route for sent in engine.sent[side]].count(("export_create", "ingest_create")[side]) == 1


PASSING = [
    {"status": 503, "body": [{"errorCode": "SERVER_UNAVAILABLE", "message": "later"}]},
    {"status": 503, "body": "<html>maintenance</html>", "content_type": "text/html"},
    {"status": 420, "body": "Setting things up", "content_type": "text/plain"},
    {"status": 406, "body": ""},
    {"status": 500, "body": [{"errorCode": "UNKNOWN_EXCEPTION", "message": "x"}]},
    {"reset": True},
    {"half_after_bytes": 20},
]


@BOTH
@pytest.mark.parametrize("trouble", PASSING, ids=["503", "html", "420", "406", "500", "reset", "half"])
async def test_case_36_what_passes_by_itself_is_asked_again(
    engine: Engine, rows_min: int, trouble: dict[str, object]
) -> None:
    rows(engine, 3)
    standing = await engine.standing(ACCOUNTS)
    engine.fault(engine.source, method="GET", path="/query|/results", nth=1, **trouble)
    written = "/composite/" if rows_min == REST else r"/ingest/\w+$"
    engine.fault(engine.target, path=written, nth=1, **trouble)
    ran = await engine.again(standing, rows_min)
    assert ran.ok, (ran.run.end, ran.failures)
    engine.pair.assert_equal("Account")


async def test_case_36_what_does_not_pass_ends_the_run_on_its_own_side_and_nothing_is_skipped(engine: Engine) -> None:
    ids = rows(engine, 3)
    standing = await engine.standing(ACCOUNTS)
    # An upload's rows cannot be asked for a second time within a run.
    engine.fault(engine.target, method="PUT", path="/batches", reset=True)
    ran = await engine.again(standing, BULK)
    assert (ran.run.end, standing.marks) == (EndReason.TARGET_UNAVAILABLE, {})
    engine.target.control("DELETE", "/faults")
    assert (await engine.again(standing, BULK)).ok
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


@BOTH
@pytest.mark.parametrize("side", [SOURCE, TARGET], ids=["source", "target"])
async def test_case_37_a_used_up_allowance_ends_the_run_with_its_own_reason(
    engine: Engine, rows_min: int, side: int
) -> None:
    rows(engine, 3)
    standing = await engine.standing(ACCOUNTS)
    org = engine.source if side == SOURCE else engine.target
    body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
    engine.fault(org, path="/query|/composite/|/ingest", status=403, body=body)
    engine.sent[side].clear()
    ran = await engine.again(standing, rows_min)
    assert (ran.run.end, standing.marks) == ((EndReason.SOURCE_LIMITED, EndReason.TARGET_LIMITED)[side], {})
    assert ran.run.end_code is not None
    assert ran.run.end_code.name == "REQUEST_LIMIT_EXCEEDED"
    asked = [
        sent.route for sent in engine.sent[side] if sent.route in {"query", "upsert", "ingest_create", "ingest_list"}
    ]
    assert len(asked) == 1, "no storm"


@pytest.mark.parametrize(("used", "text"), [(81_000, ""), (0, "budget: {run_percent: 1}\n")], ids=["day", "run"])
async def test_case_37_the_orgs_own_count_stops_a_run_before_the_allowance_is_gone(
    engine: Engine, used: int, text: str
) -> None:
    engine.pair.fill()
    standing = await engine.standing(FAMILY + text)
    engine.target.control("POST", "/usage", {"used": used, "per_day": 100_000 if used else 150})
    ran = await engine.again(standing)
    assert ran.run.end is EndReason.TARGET_BUDGET
    assert ran.settled(), "it stops between two windows"


@BOTH
async def test_case_38_an_answer_that_is_lost_after_the_write_makes_no_second_record(
    engine: Engine, rows_min: int
) -> None:
    ids = rows(engine, 250)
    standing = await engine.standing(ACCOUNTS)
    lost = "/composite/" if rows_min == REST else r"/ingest/\w+$"
    engine.fault(engine.target, method="PATCH", path=lost, every=1, times=2, half_after_bytes=5)
    ran = await engine.again(standing, rows_min)
    assert ran.ok, (ran.run.end, ran.failures)
    assert sorted(row[KEY] for row in engine.target.rows("Account")) == sorted(ids)


@pytest.mark.parametrize("processed", [0, 1], ids=["nothing", "a part"])
@pytest.mark.parametrize("state", ["Failed", "Aborted"])
async def test_case_39_rows_of_a_job_that_ended_too_early_are_counted_and_come_again(
    engine: Engine, state: str, processed: int
) -> None:
    ids = rows(engine, 12)
    standing = await engine.standing(ACCOUNTS)
    answer = {"id": "7500000000000AAAA", "state": state, "numberRecordsProcessed": processed, "numberRecordsFailed": 0}
    answer["errorMessage"] = "InternalServerError : Retried more than twenty times"
    engine.fault(engine.target, method="GET", path=r"/ingest/\w+$", times=1, status=200, body=answer)
    ran = await engine.again(standing, BULK)
    assert (ran.run.end, ran.failures) == (EndReason.FINISHED, {"UNPROCESSED": 12 - processed})
    assert len(standing.failed) == 1
    assert (await engine.again(standing, BULK)).ok
    assert standing.failed == []
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


async def test_case_39_a_job_that_is_refused_for_what_it_is_ends_the_run(engine: Engine) -> None:
    rows(engine, 3)
    standing = await engine.standing(ACCOUNTS)
    answer = {"id": "7500000000000AAAA", "state": "Failed", "errorMessage": "InvalidBatch : Field name not found : X"}
    engine.fault(engine.target, method="GET", path=r"/ingest/\w+$", times=1, status=200, body=answer)
    ran = await engine.again(standing, BULK)
    assert (ran.run.end, standing.marks) == (EndReason.TARGET_REFUSED, {})


async def test_case_40_a_window_that_was_too_heavy_for_a_job_goes_again_in_small_lots(engine: Engine) -> None:
    ids = rows(engine, 8)
    standing = await engine.standing(ACCOUNTS)
    answer = {"id": "7500000000000AAAA", "state": "Failed", "numberRecordsProcessed": 0}
    answer["errorMessage"] = "InternalServerError : Batch took longer than five minutes"
    engine.fault(engine.target, method="GET", path=r"/ingest/\w+$", times=1, status=200, body=answer)
    assert (await engine.again(standing, BULK)).steps[0].path is Path.BULK
    engine.sent[TARGET].clear()
    second = await engine.again(standing, BULK)
    assert second.ok
    assert any(sent.route == "upsert" for sent in engine.sent[TARGET]), "by REST, at most 200 at a time"
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


async def test_case_40_a_job_that_makes_no_progress_is_given_up_and_said(engine: Engine) -> None:
    rows(engine, 3)
    standing = await engine.standing(ACCOUNTS)
    answer = {"id": "7500000000000AAAA", "state": "InProgress", "numberRecordsProcessed": 0}
    engine.fault(engine.target, method="GET", path=r"/ingest/\w+$", status=200, body=answer)
    ran = await Engine(engine.pair, clock=_Hasty(), sent=engine.sent).again(standing, BULK)
    assert ran.run.end is EndReason.TARGET_UNAVAILABLE
    assert ran.run.end_code is not None
    assert ran.run.end_code.name == "JOB_STUCK"
    closing = [sent.body for sent in engine.sent[TARGET] if sent.route == "ingest_close"]
    assert closing[-1] == b'{"state":"Aborted"}', "it is not left to write later, over newer values"
    engine.target.control("DELETE", "/faults")
    assert (await engine.again(standing, BULK)).ok


@BOTH
async def test_case_41_rows_that_meet_a_lock_are_tried_again_because_no_org_does_it(
    engine: Engine, rows_min: int
) -> None:
    engine.pair.fill()
    lock = {"object": "Contact", "times": 5, "row_error": {"code": "UNABLE_TO_LOCK_ROW"}}
    engine.fault(engine.target, **lock)
    ran = await engine.copy(FAMILY, rows_min)
    assert ran.ok, ran.failures
    engine.pair.assert_equal()


async def test_case_41_locks_that_do_not_pass_are_counted_and_the_window_comes_again(engine: Engine) -> None:
    engine.pair.fill()
    rows_min = BULK
    standing = await engine.standing(FAMILY)
    engine.fault(
        engine.target, object="Contact", where={"LastName": "Person 3"}, row_error={"code": "UNABLE_TO_LOCK_ROW"}
    )
    ran = await engine.again(standing, rows_min)
    assert ran.failures == {"UNABLE_TO_LOCK_ROW": 1}
    engine.target.control("DELETE", "/faults")
    assert (await engine.again(standing, rows_min)).ok
    engine.pair.assert_equal()


async def test_case_42_paging_ends_at_the_locator_null_and_one_version_is_used_throughout(engine: Engine) -> None:
    ids = rows(engine, 25)
    engine.source.control("POST", "/settings", {"bulk_query_page_rows": 10})
    ran = await engine.copy(ACCOUNTS, BULK)
    assert (ran.ok, ran.steps[0].rows_read) == (True, 25)
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)
    pages = [sent.target for sent in engine.sent[SOURCE] if sent.route == "export_page"]
    assert (len(pages), any("null" in page for page in pages)) == (3, False)
    versions = {
        match
        for sent in (*engine.sent[SOURCE], *engine.sent[TARGET])
        for match in re.findall(r"/v(\d+\.\d)/", sent.target)
    }
    assert len(versions) == 1


async def test_case_43_short_pages_are_followed_to_the_last_row(engine: Engine) -> None:
    ids = rows(engine, 450)
    engine.source.control("POST", "/settings", {"query_page_rows": 200})
    ran = await engine.copy(ACCOUNTS)
    assert (ran.ok, ran.steps[0].rows_read) == (True, 450)
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


async def test_case_43_a_locator_that_is_no_longer_known_means_read_again(engine: Engine) -> None:
    rows(engine, 450)
    engine.source.control("POST", "/settings", {"query_page_rows": 200})
    standing = await engine.standing(ACCOUNTS)
    body = [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}]
    engine.fault(engine.source, path="/query/01g", times=1, status=400, body=body)
    ran = await engine.again(standing)
    assert (ran.run.end, standing.marks) == (EndReason.INCOMPLETE_READ, {})
    assert (await engine.again(standing)).ok
    engine.pair.assert_equal("Account")


async def test_case_44_deletions_older_than_the_orgs_list_touch_nothing_and_are_said(engine: Engine) -> None:
    ids = rows(engine, 3)
    standing = await engine.standing(DELETES)
    assert (await engine.again(standing)).ok
    engine.source.control("DELETE", f"/rows/Account/{ids[0]}")
    engine.later(16 * DAY_S)
    ran = await engine.again(standing)
    assert ran.run.end is EndReason.DELETES_UNPROVEN
    assert len(engine.target.rows("Account")) == 3
    assert 1 in standing.marks, "the mark stays where deletions were known up to"


async def test_case_44_what_is_listed_within_fifteen_days_is_carried_over(engine: Engine) -> None:
    ids = rows(engine, 3)
    standing = await engine.standing(DELETES)
    assert (await engine.again(standing)).ok
    engine.source.control("DELETE", f"/rows/Account/{ids[0]}")
    engine.later(14 * DAY_S)
    assert (await engine.again(standing)).ok
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids[1:])


async def test_case_45_what_was_purged_at_once_is_still_listed_and_goes_in_the_target(engine: Engine) -> None:
    ids = rows(engine, 3)
    standing = await engine.standing(DELETES)
    assert (await engine.again(standing)).ok
    engine.source.control("DELETE", f"/rows/Account/{ids[1]}?hard=true")
    assert (await engine.again(standing)).ok
    assert {row[KEY] for row in engine.target.rows("Account")} == {ids[0], ids[2]}


class _Hasty(SystemClock):
    """A clock that jumps by two hours after a few looks."""

    def __init__(self) -> None:
        self._looks = 0

    def monotonic_s(self) -> float:
        self._looks += 1
        return 7200.0 if self._looks > 6 else 0.0
