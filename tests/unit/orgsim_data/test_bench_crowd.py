"""Users, logins and licence assignments of a bench org: made up as they are read, and in agreement."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import datetime, timedelta

import msgspec
import numpy as np
import pytest

from orgsim.generate.profiles import UnknownProfile, populate
from orgsim.generate.rhythm import WorkingHours
from orgsim.soql.lazy import Lot
from orgsim.store.results import WriteContext
from tests.unit.orgsim_data.support import NOW, fresh_org, rows_of

USERS, LOGINS, GRANTS = 300, 8_000, 450
WINDOW = "LoginTime >= 2026-10-01T09:00:00Z AND LoginTime < 2026-10-08T09:00:00Z"
GROUPS = "UserId, LoginType, Status, Application, LoginSubType"


class Bench:
    """A bench org and its administrator, asked by SOQL."""

    def __init__(self, **rows):
        self.org = fresh_org()
        self.seeded = populate(self.org, "bench", seed=1, rows=rows)

    def ask(self, soql, user=None):
        result = self.org.query(soql, ctx=WriteContext(user or self.seeded.admin_id))
        return msgspec.json.decode(msgspec.json.encode(result.payload("62.0")))

    def records(self, soql, user=None):
        answer = self.ask(soql, user)
        assert answer["done"]
        return [{key: value for key, value in row.items() if key != "attributes"} for row in answer["records"]]

    def is_lazy(self, soql):
        return isinstance(self.org.query(soql, ctx=WriteContext(self.seeded.admin_id)).rows, Lot)


@pytest.fixture(scope="module")
def bench():
    return Bench(User=USERS, LoginHistory=LOGINS, PermissionSetLicenseAssign=GRANTS)


def test_as_many_rows_as_asked_for_in_the_order_of_time(bench):
    assert bench.ask("SELECT COUNT() FROM LoginHistory")["totalSize"] == LOGINS
    times = [row["LoginTime"] for row in rows_of(bench.org, "LoginHistory")]
    assert len(times) == LOGINS
    assert times == sorted(times)
    assert NOW - timedelta(days=184) < times[0]
    assert times[-1] < NOW


def test_most_logins_come_at_hours_of_work(bench):
    times = [row["LoginTime"] for row in rows_of(bench.org, "LoginHistory")]
    weekend = sum(time.weekday() >= 5 for time in times)
    night = sum(time.hour < 6 for time in times)
    assert weekend < 0.1 * LOGINS
    assert night < 0.05 * LOGINS


def test_last_login_dates_are_the_last_success_of_the_history(bench):
    last: dict[str, datetime] = {}
    for row in rows_of(bench.org, "LoginHistory"):
        if row["Status"] == "Success":
            last[row["UserId"]] = row["LoginTime"]
    users = [row for row in rows_of(bench.org, "User") if row["Username"].startswith("bench.")]
    assert len(users) == USERS
    assert {row["Id"]: row["LastLoginDate"] for row in users if "LastLoginDate" in row} == last
    never = [row for row in users if "LastLoginDate" not in row]
    assert 0 < len(never) < USERS / 4
    assert all(row["CreatedDate"] < NOW - timedelta(days=184) for row in users)


def test_users_who_left_stop_in_the_middle_of_the_history(bench):
    middle = NOW - timedelta(days=90)
    gone = [row for row in rows_of(bench.org, "User") if not row["IsActive"] and "LastLoginDate" in row]
    assert gone
    assert all(row["LastLoginDate"] < middle for row in gone)


def test_seats_used_are_the_active_users_of_their_profiles(bench):
    profiles = {row["Id"]: row["UserLicenseId"] for row in rows_of(bench.org, "Profile")}
    users = [row for row in rows_of(bench.org, "User") if row["IsActive"] and row.get("ProfileId")]
    used = Counter(profiles[row["ProfileId"]] for row in users)
    licences = rows_of(bench.org, "UserLicense")
    assert {row["Id"]: row["UsedLicenses"] for row in licences} == {row["Id"]: used[row["Id"]] for row in licences}
    assert all(row["TotalLicenses"] >= row["UsedLicenses"] for row in licences)


def test_assignments_are_of_different_pairs_and_counted(bench):
    rows = rows_of(bench.org, "PermissionSetLicenseAssign")
    assert len({(row["AssigneeId"], row["PermissionSetLicenseId"]) for row in rows}) == GRANTS
    assert all(bench.org.row("User", row["AssigneeId"]) for row in rows)
    held = Counter(row["PermissionSetLicenseId"] for row in rows)
    products = rows_of(bench.org, "PermissionSetLicense")
    assert {row["Id"]: row["UsedLicenses"] for row in products} == {row["Id"]: held[row["Id"]] for row in products}


@pytest.mark.parametrize(
    "soql",
    [
        f"SELECT {GROUPS}, COUNT(Id) n, MIN(LoginTime) a, MAX(LoginTime) b FROM LoginHistory WHERE {{}} GROUP BY {GROUPS}",
        "SELECT COUNT(Id) n, MAX(LoginTime) b FROM LoginHistory WHERE {}",
        "SELECT Status, COUNT(Id) n FROM LoginHistory WHERE {} GROUP BY Status HAVING COUNT(Id) > 9 ORDER BY COUNT(Id)",
        "SELECT COUNT() FROM LoginHistory WHERE {}",
        "SELECT Id, UserId, LoginTime, Status, SourceIp, Browser FROM LoginHistory WHERE {} ORDER BY LoginTime LIMIT 50",
        "SELECT Id, LoginTime FROM LoginHistory WHERE {} LIMIT 7 OFFSET 3",
    ],
)
def test_what_is_worked_out_by_place_is_what_row_by_row_gives(bench, soql):
    by_place = bench.ask(soql.format(WINDOW))
    by_row = bench.ask(soql.format(WINDOW + " AND Id != null"))  # a condition that no index answers
    assert by_place["totalSize"] > 0
    assert by_place["totalSize"] == by_row["totalSize"]
    order = None if "ORDER BY" in soql or "LIMIT" in soql else repr
    found = [by_place["records"], by_row["records"]]
    assert found[0] == found[1] if order is None else sorted(found[0], key=order) == sorted(found[1], key=order)


def test_date_literals_and_the_last_logins_are_found_by_place(bench):
    assert bench.is_lazy("SELECT Id FROM LoginHistory WHERE LoginTime = LAST_N_DAYS:30")
    month = [row for row in rows_of(bench.org, "LoginHistory") if row["LoginTime"] >= NOW - timedelta(days=20)]
    assert bench.ask("SELECT Id FROM LoginHistory WHERE LoginTime = LAST_N_DAYS:30")["totalSize"] > len(month)
    newest = bench.records("SELECT Id FROM LoginHistory ORDER BY LoginTime DESC LIMIT 3")
    assert [row["Id"] for row in newest] == [row["Id"] for row in rows_of(bench.org, "LoginHistory")[:-4:-1]]


def test_logins_of_some_users_are_found_by_place(bench):
    counted = Counter(row["UserId"] for row in rows_of(bench.org, "LoginHistory"))
    (first, many), (second, fewer) = counted.most_common(2)
    assert bench.is_lazy(f"SELECT Id FROM LoginHistory WHERE UserId = '{first}'")
    assert bench.ask(f"SELECT COUNT() FROM LoginHistory WHERE UserId = '{first}'")["totalSize"] == many
    both = f"SELECT COUNT() FROM LoginHistory WHERE UserId IN ('{first}', '{second[:15]}')"
    assert bench.ask(both)["totalSize"] == many + fewer
    found = bench.records(f"SELECT UserId FROM LoginHistory WHERE UserId = '{first}' AND {WINDOW}")
    assert found
    assert {row["UserId"] for row in found} == {first}


def test_a_reader_sees_own_logins_only(bench):
    user = rows_of(bench.org, "LoginHistory")[0]["UserId"]
    own = sum(row["UserId"] == user for row in rows_of(bench.org, "LoginHistory"))
    assert bench.ask("SELECT COUNT() FROM LoginHistory", user=user)["totalSize"] == own
    answer = bench.ask("SELECT UserId FROM LoginHistory", user=user)
    assert {row["UserId"] for row in answer["records"]} == {user}


def test_a_login_that_happens_comes_after_the_made_up_ones():
    bench = Bench(User=20, LoginHistory=500)
    row = {"Id": bench.org.new_id("0Ya"), "UserId": bench.seeded.admin_id, "LoginTime": NOW, "Status": "Success"}
    bench.org.tables["loginhistory"].put(row)
    newest = bench.records("SELECT UserId, Status, Browser FROM LoginHistory ORDER BY LoginTime DESC LIMIT 1")
    assert newest == [{"UserId": bench.seeded.admin_id, "Status": "Success", "Browser": None}]
    assert bench.ask("SELECT COUNT() FROM LoginHistory")["totalSize"] == 501
    grouped = bench.records("SELECT UserId, MAX(LoginTime) t FROM LoginHistory GROUP BY UserId")
    assert {"UserId": bench.seeded.admin_id, "t": "2026-11-20T15:30:00.000+0000"} in grouped


def test_users_are_found_by_their_name_and_can_be_changed():
    bench = Bench(User=2000)
    (user,) = bench.records("SELECT Id, Email FROM User WHERE Username = 'BENCH.user.000001234@tests.example'")
    assert user["Email"] == "bench.user.000001234@tests.example"
    ctx = WriteContext(bench.seeded.admin_id)
    assert bench.org.update("User", user["Id"], {"Department": "Elsewhere"}, ctx).success
    assert bench.records("SELECT Id FROM User WHERE Department = 'Elsewhere'") == [{"Id": user["Id"]}]
    everybody = bench.ask("SELECT Id FROM User")
    assert everybody["totalSize"] == 2009


def test_bulk_results_and_rest_records_say_the_same(bench):
    names = ["Id", "UserId", "LoginTime", "Status", "LoginSubType", "OptionsIsPost", "SourceIp"]
    rest = bench.records(f"SELECT {', '.join(names)} FROM LoginHistory ORDER BY LoginTime LIMIT 300")
    text = bench.org.tables["loginhistory"].csv_rows(names, np.arange(300)).decode()
    bulk = [dict(zip(names, row, strict=True)) for row in csv.reader(io.StringIO(text))]
    assert len(bulk) == 300
    for record, row in zip(rest, bulk, strict=True):
        shown = {**record, "LoginTime": record["LoginTime"].replace("+0000", "Z"), "OptionsIsPost": "true"}
        assert {name: value or "" for name, value in shown.items()} == row


def test_the_timeline_finds_the_first_event_of_every_second():
    times = WorkingHours(NOW, 1000)
    seconds = times.seconds(np.arange(1000))
    for second in range(int(seconds[0]) - 5000, int(seconds[-1]) + 9000, 97_771):
        moment = datetime.fromtimestamp(second, NOW.tzinfo)
        assert times.first_at_or_after(moment) == np.searchsorted(seconds, second)


@pytest.mark.parametrize("rows", [{"LoginHistory": 5}, {"User": 2, "PermissionSetLicenseAssign": 7}, {"Lead": 1}])
def test_numbers_that_do_not_go_together_are_refused(rows):
    with pytest.raises(UnknownProfile, match="rows"):
        populate(fresh_org(), "bench", seed=1, rows=rows)
