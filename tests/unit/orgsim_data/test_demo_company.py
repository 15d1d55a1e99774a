from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta

from orgsim.generate.logins import Pattern
from orgsim.generate.profiles import populate
from orgsim.generate.staff import GROUPS, HISTORY_DAYS
from tests.unit.orgsim_data.support import NOW, fresh_org, rows_of

PAID = {"SFDC", "AUL"}


def _license_of(org):
    licenses = {row["Id"]: row for row in rows_of(org, "UserLicense")}
    return {row["Id"]: licenses[row["UserLicenseId"]] for row in rows_of(org, "Profile")}


def _paid_active(org):
    by_profile = _license_of(org)
    return [
        row for row in rows_of(org, "User")
        if row["IsActive"] and row.get("ProfileId") and by_profile[row["ProfileId"]]["LicenseDefinitionKey"] in PAID
    ]  # fmt: skip


def test_450_seats_are_bought_and_438_assigned(demo):
    paid = [row for row in rows_of(demo, "UserLicense") if row["LicenseDefinitionKey"] in PAID]
    assert sum(row["TotalLicenses"] for row in paid) == 450
    assert sum(row["UsedLicenses"] for row in paid) == 438 == len(_paid_active(demo))


def test_used_licenses_of_every_licence_counts_its_active_users(demo):
    by_profile = _license_of(demo)
    used = Counter(
        by_profile[row["ProfileId"]]["Id"] for row in rows_of(demo, "User") if row["IsActive"] and row.get("ProfileId")
    )
    for row in rows_of(demo, "UserLicense"):
        assert row["UsedLicenses"] == used[row["Id"]] <= row["TotalLicenses"]


def test_about_300_paid_seats_were_used_in_the_last_90_days_by_people(demo):
    recent = NOW - timedelta(days=90)
    machines = {"MuleSoft Anypoint", "Marketo", "Snowflake ETL", "DocuSign", "ERP Connector", "Data Warehouse", "Boomi",
                "Jira Bridge", "Data Loader", "Salesforce CLI", "Salesforce Inspector", "Workbench"}  # fmt: skip
    people = {
        row["UserId"] for row in rows_of(demo, "LoginHistory")
        if row["Status"] == "Success" and row["LoginTime"] >= recent and row["Application"] not in machines
    }  # fmt: skip
    assert 290 <= len(people & {row["Id"] for row in _paid_active(demo)}) <= 325


def test_last_login_date_is_the_last_successful_login(demo):
    last = defaultdict(lambda: NOW - timedelta(days=HISTORY_DAYS))
    for row in rows_of(demo, "LoginHistory"):
        if row["Status"] == "Success":
            last[row["UserId"]] = max(last[row["UserId"]], row["LoginTime"])
    window = NOW - timedelta(days=HISTORY_DAYS)
    for user in rows_of(demo, "User"):
        seen = user.get("LastLoginDate")
        if user["Id"] in last:
            assert seen == last[user["Id"]]
        else:
            assert seen is None or seen < window or user["Username"].startswith(("admin@", "reader@", "integration@"))


def test_nobody_logs_in_before_they_exist_or_in_the_future(demo):
    created = {row["Id"]: row["CreatedDate"] for row in rows_of(demo, "User")}
    for row in rows_of(demo, "LoginHistory"):
        assert created[row["UserId"]] < row["LoginTime"] <= NOW


def test_the_history_has_60_to_80_thousand_rows_over_six_months_in_order(demo):
    rows = rows_of(demo, "LoginHistory")
    assert 60_000 <= len(rows) <= 80_000
    times = [row["LoginTime"] for row in rows]
    assert times == sorted(times)
    assert [row["Id"] for row in rows] == sorted(row["Id"] for row in rows)
    assert NOW - timedelta(days=HISTORY_DAYS) <= times[0] < NOW - timedelta(days=HISTORY_DAYS - 3)
    assert NOW - times[-1] < timedelta(days=1)
    per_day = Counter(moment.date() for moment in times)
    assert len(per_day) >= HISTORY_DAYS


def test_logins_fail_sometimes_and_come_from_people_phones_and_machines(demo):
    rows = rows_of(demo, "LoginHistory")
    statuses = Counter(row["Status"] for row in rows)
    assert 0.01 < 1 - statuses["Success"] / len(rows) < 0.06
    assert {"Invalid Password", "Password lockout"} <= set(statuses)
    kinds = {(row["LoginType"], row.get("LoginSubType")) for row in rows}
    assert {("Application", "UsernamePasswordUiLogin"), ("SAML Sfdc Initiated SSO", None)} <= kinds
    assert {("Remote Access 2.0", "OauthClientCredentials"), ("Remote Access 2.0", "OauthRefreshToken")} <= kinds
    assert any(row["Platform"] == "iPhone" for row in rows)


def test_every_kind_of_waste_that_an_audit_looks_for_is_there(demo):
    paid = _paid_active(demo)
    never = [row for row in paid if row.get("LastLoginDate") is None]
    assert sum(NOW - row["CreatedDate"] > timedelta(days=90) for row in never) >= 20
    assert sum(NOW - row["CreatedDate"] < timedelta(days=30) for row in never) >= 10
    beyond = [
        row for row in paid if row.get("LastLoginDate") and NOW - row["LastLoginDate"] > timedelta(days=HISTORY_DAYS)
    ]
    assert len(beyond) >= 20
    quiet = [
        row
        for row in paid
        if row.get("LastLoginDate") and timedelta(days=90) < NOW - row["LastLoginDate"] < timedelta(days=180)
    ]
    assert len(quiet) >= 40
    left = [row for row in rows_of(demo, "User") if not row["IsActive"]]
    assert len(left) >= 80
    names = Counter((row["FirstName"], row["LastName"]) for row in paid if row.get("FirstName"))
    twins = [row for row in paid if row["Username"].partition("@")[0].endswith((".old", ".admin"))]
    assert len(twins) >= 4
    assert all(names[row["FirstName"], row["LastName"]] >= 2 for row in twins)
    assert sum(row["UserType"] in {"Guest", "AutomatedProcess"} for row in rows_of(demo, "User")) == 2
    assert {group.pattern for group in GROUPS} >= {
        Pattern.MACHINE,
        Pattern.SERVICE,
        Pattern.MOBILE,
        Pattern.QUARTER_END,
    }


def test_the_automated_process_has_no_profile_and_takes_no_seat(demo):
    (robot,) = [row for row in rows_of(demo, "User") if row["UserType"] == "AutomatedProcess"]
    assert robot.get("ProfileId") is None


def test_six_permission_set_licences_with_totals_expiry_and_every_kind_of_holder(demo):
    licenses = rows_of(demo, "PermissionSetLicense")
    grants = rows_of(demo, "PermissionSetLicenseAssign")
    users = {row["Id"]: row for row in rows_of(demo, "User")}
    assert len(licenses) == 6
    assert sum(row["Status"] == "Disabled" for row in licenses) == 1
    used = Counter(row["PermissionSetLicenseId"] for row in grants)
    for row in licenses:
        assert row["UsedLicenses"] == used[row["Id"]] <= row["TotalLicenses"]
    assert len({(row["AssigneeId"], row["PermissionSetLicenseId"]) for row in grants}) == len(grants)
    assert sum(not users[row["AssigneeId"]]["IsActive"] for row in grants) >= 15
    after = [
        row for row in grants if (seen := users[row["AssigneeId"]].get("LastLoginDate")) and row["CreatedDate"] > seen
    ]
    assert len(after) >= 10
    assert all(users[row["AssigneeId"]]["CreatedDate"] <= row["CreatedDate"] < NOW for row in grants)


def test_usernames_are_unique_and_cannot_be_real(demo):
    users = rows_of(demo, "User")
    assert len({row["Username"].lower() for row in users}) == len(users)
    assert all(row["Username"].endswith(".example") for row in users)


def test_managers_form_no_circle(demo):
    boss = {row["Id"]: row.get("ManagerId") for row in rows_of(demo, "User")}
    for start in boss:
        seen, current = set(), start
        while current is not None:
            assert current not in seen
            seen.add(current)
            current = boss[current]


def test_the_same_seed_gives_the_same_org_and_another_seed_another():
    def content(seed):
        org = fresh_org(seed=seed)
        populate(org, "demo", seed=seed, rows={"Account": 50, "Contact": 50, "Opportunity": 50})
        return {name: list(table.scan()) for name, table in org.tables.items()}

    first = content(5)
    assert first == content(5)
    other = content(6)
    assert [row["Username"] for row in first["user"]] != [row["Username"] for row in other["user"]]


def test_two_orgs_of_one_seed_but_other_names_have_other_ids():
    first, second = fresh_org("north"), fresh_org("south")
    left, right = populate(first, "demo", seed=1, rows={"Account": 5}), populate(second, "empty", seed=1)
    assert first.id18 != second.id18
    assert left.admin_id != right.admin_id
    assert left.admin_username != right.admin_username
    assert not {row["Id"] for row in rows_of(first, "Profile")} & {row["Id"] for row in rows_of(second, "Profile")}


def test_the_low_privilege_reader_may_not_see_setup_and_the_admin_may(demo):
    users = {row["Username"]: row["Id"] for row in rows_of(demo, "User")}
    assert demo.privileges(users["admin@tests.example"]).view_setup
    assert not demo.privileges(users["reader@tests.example"]).view_setup


def test_login_types_come_in_api_names_when_the_switch_says_so():
    org = fresh_org()
    org.settings.extra["login_type_form"] = "api"
    populate(org, "demo", seed=1, rows={"Account": 1, "Contact": 1, "Opportunity": 1})
    assert {"Oauth2", "Saml2"} <= {row["LoginType"] for row in rows_of(org, "LoginHistory")}
