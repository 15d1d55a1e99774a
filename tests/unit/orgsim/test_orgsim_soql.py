from __future__ import annotations

import re
from datetime import UTC, date, datetime
from urllib.parse import quote

import pytest

from orgsim.errors import ApiError
from orgsim.org import WriteContext


@pytest.fixture
def crm(api):
    """Three accounts, four contacts, two opportunities."""
    org = api.org
    a, b, _ = org.load(
        "Account",
        [
            {
                "Name": "Acme",
                "Type": "Prospect",
                "NumberOfEmployees": 10,
                "AnnualRevenue": 1000.0,
                "OwnerId": api.admin,
            },
            {"Name": "beta", "NumberOfEmployees": 20, "Industry": "Banking", "OwnerId": api.clerk},
            {"Name": "100%_x", "Type": "Other", "OwnerId": api.admin},
        ],
    )
    org.load(
        "Contact",
        [
            {"LastName": "One", "FirstName": "Ann", "AccountId": a, "Email": "one@x.org", "OwnerId": api.admin},
            {"LastName": "Two", "AccountId": a, "OwnerId": api.admin},
            {"LastName": "Three", "AccountId": b, "OwnerId": api.clerk},
            {"LastName": "Alone", "OwnerId": api.admin},
        ],
    )
    for name, stage, amount in (("Big", "Closed Won", 500.0), ("Small", "Prospecting", 5.0)):
        org.load(
            "Opportunity",
            [
                {
                    "Name": name,
                    "StageName": stage,
                    "Amount": amount,
                    "AccountId": a,
                    "CloseDate": date(2026, 3, 1),
                    "OwnerId": api.admin,
                }
            ],
        )
    return api


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("Name = 'ACME'", ["Acme"]),
        ("Name != 'acme'", ["beta", "100%_x"]),
        ("Type != 'Prospect'", ["beta", "100%_x"]),
        ("Type = null", ["beta"]),
        ("Type != null", ["Acme", "100%_x"]),
        ("Type = ''", ["beta"]),
        ("NumberOfEmployees > 10", ["beta"]),
        ("NumberOfEmployees >= 10 AND NumberOfEmployees < 20", ["Acme"]),
        ("AnnualRevenue = 1000.0", ["Acme"]),
        ("Name LIKE 'a%'", ["Acme"]),
        ("Name LIKE '%E%'", ["Acme", "beta"]),
        ("Name LIKE '____'", ["Acme", "beta"]),
        (r"Name LIKE '100\%\_x'", ["100%_x"]),
        ("NOT Name LIKE 'a%'", ["beta", "100%_x"]),
        ("(NOT (Name = 'Acme' OR Name = 'beta'))", ["100%_x"]),
        ("Name IN ('acme', 'BETA')", ["Acme", "beta"]),
        ("Name NOT IN ('acme')", ["beta", "100%_x"]),
        ("Type NOT IN ('Other')", ["Acme", "beta"]),
        ("Type IN (null, 'Other')", ["beta", "100%_x"]),
        ("Owner.Username = 'clerk@test'", ["beta"]),
        ("Account.Name = 'beta'", ["beta"]),
        ("Id IN (SELECT AccountId FROM Contact WHERE LastName = 'Three')", ["beta"]),
        ("Id NOT IN (SELECT AccountId FROM Contact)", ["100%_x"]),
        ("IsDeleted = false", ["Acme", "beta", "100%_x"]),
        ("IsDeleted = null", ["Acme", "beta", "100%_x"]),
        ("Name = 'acme' OR (Type = 'Other' AND Name LIKE '1%')", ["Acme", "100%_x"]),
        ("CreatedDate = TODAY", ["Acme", "beta", "100%_x"]),
        ("CreatedDate < TODAY", []),
        ("CreatedDate = LAST_N_DAYS:3", ["Acme", "beta", "100%_x"]),
        ("CreatedDate > 2026-03-18T10:30:14Z", ["Acme", "beta", "100%_x"]),
        (
            "SystemModstamp >= 2026-03-18T10:30:15.000Z AND SystemModstamp < 2026-03-18T10:30:16Z",
            ["Acme", "beta", "100%_x"],
        ),
        ("SystemModstamp > 2026-03-18T10:30:15Z", []),
        ("CALENDAR_YEAR(CreatedDate) = 2026", ["Acme", "beta", "100%_x"]),
        ("Parent.Name = null", ["Acme", "beta", "100%_x"]),
    ],
)
def test_conditions_choose_these_accounts(crm, where, names):
    assert crm.values(f"SELECT Name FROM Account WHERE {where}") == names


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("Name", ["100%_x", "Acme", "beta"]),
        ("Name DESC", ["beta", "Acme", "100%_x"]),
        ("NumberOfEmployees", ["100%_x", "Acme", "beta"]),
        ("NumberOfEmployees DESC", ["beta", "Acme", "100%_x"]),
        ("NumberOfEmployees NULLS LAST", ["Acme", "beta", "100%_x"]),
        ("NumberOfEmployees DESC NULLS FIRST, Name", ["100%_x", "beta", "Acme"]),
        ("Owner.Name, Name DESC", ["Acme", "100%_x", "beta"]),
        ("Id DESC LIMIT 1", ["100%_x"]),
        ("Name LIMIT 1 OFFSET 1", ["Acme"]),
    ],
)
def test_rows_come_in_order(crm, order, names):
    assert crm.values(f"SELECT Name FROM Account ORDER BY {order}") == names


def test_records_have_canonical_names_in_select_order(crm):
    answer = crm.query(
        "select name, id, account.name, account.owner.USERNAME, CreatedDate from contact where lastname='One'"
    )
    record = answer["records"][0]
    assert list(record) == ["attributes", "Name", "Id", "Account", "CreatedDate"]
    assert record["attributes"] == {"type": "Contact", "url": f"/services/data/v62.0/sobjects/Contact/{record['Id']}"}
    assert record["Name"] == "Ann One"
    assert list(record["Account"]) == ["attributes", "Name", "Owner"]
    assert record["Account"]["Owner"]["Username"] == "admin@test"
    assert record["CreatedDate"] == "2026-03-18T10:30:15.000+0000"
    assert (answer["totalSize"], answer["done"]) == (1, True)


def test_a_missing_parent_is_null_and_so_are_missing_children(crm):
    assert crm.query("SELECT Account.Name FROM Contact WHERE LastName = 'Alone'")["records"][0]["Account"] is None
    rows = crm.query("SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName LIMIT 1) FROM Account")["records"]
    assert rows[2]["Contacts"] is None
    assert rows[0]["Contacts"]["totalSize"] == 1
    assert rows[0]["Contacts"]["records"][0]["LastName"] == "One"


def test_polymorphic_parents(crm):
    crm.org.load("Task", [{"Subject": "T", "WhoId": crm.org.tables["contact"].scan()[0]["Id"], "OwnerId": crm.admin}])
    row = crm.query("SELECT Who.Name, Who.Type, TYPEOF Who WHEN Contact THEN LastName END FROM Task")
    assert isinstance(row, list), "one relationship cannot come twice"
    row = crm.query("SELECT Who.Name, Who.Type FROM Task")["records"][0]
    assert (row["Who"]["Name"], row["Who"]["Type"], row["Who"]["attributes"]["type"]) == ("Ann One", "Contact", "Name")
    row = crm.query("SELECT TYPEOF Who WHEN Contact THEN LastName ELSE Name END FROM Task")["records"][0]
    assert row["Who"]["LastName"] == "One"
    assert row["Who"]["attributes"]["type"] == "Contact"
    assert crm.values("SELECT Subject FROM Task WHERE Who.Type = 'Lead'") == []


def test_aggregates(crm):
    assert crm.query("SELECT COUNT() FROM Account") == {"totalSize": 3, "done": True, "records": []}
    assert crm.query("SELECT COUNT() FROM Account LIMIT 2")["totalSize"] == 2
    record = crm.query(
        "SELECT COUNT(Id) n, COUNT(Type), SUM(AnnualRevenue), MAX(Name) m, AVG(NumberOfEmployees) FROM Account"
    )["records"][0]
    assert record == {
        "attributes": {"type": "AggregateResult"},
        "n": 3,
        "expr0": 2,
        "expr1": 1000.0,
        "m": "beta",
        "expr2": 15.0,
    }
    rows = crm.query(
        "SELECT Account.Name, COUNT(Id) n FROM Contact GROUP BY Account.Name HAVING COUNT(Id) > 0 ORDER BY COUNT(Id) DESC, Account.Name LIMIT 2"
    )["records"]
    assert [(row["Name"], row["n"]) for row in rows] == [("Acme", 2), (None, 1)]
    rows = crm.query("SELECT CALENDAR_YEAR(CreatedDate) y, COUNT(Id) FROM Contact GROUP BY CALENDAR_YEAR(CreatedDate)")[
        "records"
    ]
    assert [(row["y"], row["expr0"]) for row in rows] == [(2026, 4)]


def test_fields_function_and_labels(crm):
    record = crm.query("SELECT FIELDS(ALL) FROM Account LIMIT 1")["records"][0]
    assert {"Id", "Name", "SystemModstamp", "BillingAddress"} <= set(record)
    assert crm.query("SELECT FIELDS(ALL) FROM Account")[0]["errorCode"] == "MALFORMED_QUERY"
    assert (
        crm.query("SELECT toLabel(Type), format(AnnualRevenue) a FROM Account LIMIT 1")["records"][0]["a"] == "$1,000"
    )


@pytest.mark.parametrize(
    ("soql", "code", "part"),
    [
        (
            "SELECT Foo FROM Account",
            "INVALID_FIELD",
            "ERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Account'. If you",
        ),
        ("SELECT Id FROM Foo", "INVALID_TYPE", "ERROR at Row:1:Column:16\nsObject type 'Foo' is not supported. If you"),
        ("SELECT Id, Id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Foo.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Foo' in field path"),
        (
            "SELECT (SELECT Id FROM Foos) FROM Account",
            "INVALID_TYPE",
            "Didn't understand relationship 'Foos' in FROM part",
        ),
        ('SELECT Id FROM Account WHERE Name = "x"', "MALFORMED_QUERY", "unexpected token"),
        (
            "SELECT Id FROM Account WHERE Name = 'x' AND Name = 'y' OR Name = 'z'",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        ("SELECT Id FROM", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account WHERE Name = 'a\\q'", "MALFORMED_QUERY", "Invalid string literal"),
        ("SELECT Id FROM Account WHERE Name = 'a", "MALFORMED_QUERY", None),
        ("SELECT Id FROM Account WHERE Id = 'nonsense'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: nonsense"),
        (
            "SELECT Id FROM Account WHERE CreatedDate > '2020-01-01'",
            "INVALID_FIELD",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
        ("SELECT Id FROM Account WHERE CreatedDate > 2020-01-01", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Account WHERE NumberOfEmployees = '1'", "INVALID_FIELD", "must be of type int"),
        (
            "SELECT Id FROM Account WHERE Description = 'x'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
        ("SELECT SUM(Name) FROM Account", "MALFORMED_QUERY", "does not support aggregate operator SUM"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
        ("SELECT IsPersonAccount FROM Account", "INVALID_FIELD", None),
        ("SELECT Id FROM ScratchOrgInfo", "INVALID_TYPE", None),
        (
            "SELECT Status FROM LoginHistory WHERE Status = 'Success'",
            "INVALID_FIELD",
            "field 'Status' can not be filtered in a query call",
        ),
        ("SELECT LoginTime FROM LoginHistory GROUP BY LoginTime", "INVALID_FIELD", "can not be grouped"),
        ("SELECT Name n FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
    ],
)
def test_wrong_queries_are_refused_with_the_code_of_the_platform(crm, soql, code, part):
    answer = crm.query(soql)
    assert isinstance(answer, list), answer
    assert answer[0]["errorCode"] == code
    assert part is None or part in answer[0]["message"]


def test_the_recorded_error_block(crm):
    message = crm.query("select count() from XYZZY")[0]["message"]
    assert message.startswith(
        "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported."
    )


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Id FROM Account UPDATE TRACKING",
        "SELECT Id FROM Account WITH DATA CATEGORY Geo__c AT x__c",
        "SELECT Id FROM Account USING SCOPE team",
        "SELECT Id FROM Account WHERE DISTANCE(BillingAddress, GEOLOCATION(1,2), 'mi') < 20",
        "SELECT Id FROM Account WHERE AnnualRevenue > USD500",
    ],
)
def test_clauses_nobody_emulates_are_501(crm, soql):
    answer = crm.call("GET", "/query?q=" + quote(soql))
    assert answer.status == 501
    assert answer.payload[0]["errorCode"] == "NOT_EMULATED"


def test_user_licence_counts_are_filterable_only_before_v64(crm):
    soql = quote("SELECT Name FROM UserLicense WHERE UsedLicenses > 0")
    assert crm.call("GET", f"/services/data/v63.0/query?q={soql}").status == 200
    assert crm.call("GET", f"/services/data/v64.0/query?q={soql}").payload[0]["errorCode"] == "INVALID_FIELD"


def test_a_clerk_sees_only_own_logins_and_no_licences(crm):
    crm.org.load(
        "LoginHistory",
        [
            {"UserId": user, "LoginTime": datetime(2026, 3, 1, tzinfo=UTC), "Status": "Success"}
            for user in (crm.admin, crm.clerk, crm.admin)
        ],
    )
    assert crm.values("SELECT UserId FROM LoginHistory") == [crm.admin, crm.clerk, crm.admin]
    assert crm.values("SELECT UserId FROM LoginHistory", user=crm.clerk) == [crm.clerk]
    assert crm.query("SELECT COUNT() FROM LoginHistory", user=crm.clerk)["totalSize"] == 1
    assert crm.query("SELECT Id FROM UserLicense", user=crm.clerk)[0]["errorCode"] == "INVALID_TYPE"


def test_for_view_writes_and_plain_queries_do_not(crm):
    crm.query("SELECT Id FROM Account")
    assert crm.org.views == {}
    crm.query("SELECT Id FROM Account WHERE Name = 'Acme' FOR VIEW")
    row = crm.query("SELECT LastViewedDate, LastReferencedDate FROM Account WHERE LastViewedDate != null")["records"]
    assert [entry["LastViewedDate"] for entry in row] == ["2026-03-18T10:30:15.000+0000"]
    assert crm.query("SELECT LastViewedDate FROM Account", user=crm.clerk)["records"][0]["LastViewedDate"] is None


def test_deleted_rows_are_seen_by_query_all_only(crm):
    crm.call("DELETE", "/sobjects/Account/" + crm.values("SELECT Id FROM Account")[0])
    assert len(crm.values("SELECT Id FROM Account")) == 2
    answer = crm.call("GET", "/queryAll?q=SELECT+Id,IsDeleted+FROM+Account").payload
    assert [row["IsDeleted"] for row in answer["records"]] == [True, False, False]


def test_dates_belong_to_the_users_day(crm):
    crm.org.clock.freeze(datetime(2026, 3, 18, 3, 0, tzinfo=UTC))  # the evening of the 17th in Los Angeles
    late = crm.org.load("Account", [{"Name": "late"}])[0]
    assert crm.values("SELECT Id FROM Account WHERE CreatedDate = TODAY AND Name = 'late'") == [late]
    assert crm.values("SELECT Id FROM Account WHERE CreatedDate = 2026-03-18T03:00:00Z") == [late]
    assert crm.values("SELECT Id FROM Account WHERE CreatedDate = TODAY AND Name = 'late'", user=crm.clerk) == [late]
    assert crm.values("SELECT Id FROM Account WHERE DAY_ONLY(convertTimezone(CreatedDate)) = 2026-03-17") == [late]
    assert re.match("005", crm.admin)


def test_recently_viewed_shows_everybody_their_own(crm):
    crm.query("SELECT Id FROM Account WHERE Name = 'Acme' FOR VIEW")
    crm.query("SELECT Id FROM Contact WHERE LastName = 'One' FOR REFERENCE", user=crm.clerk)
    assert crm.values("SELECT Name FROM RecentlyViewed") == ["Acme"]
    assert crm.query("SELECT Name, Type FROM RecentlyViewed", user=crm.clerk)["records"][0]["Name"] == "Ann One"
    assert crm.query("SELECT COUNT() FROM RecentlyViewed")["totalSize"] == 1


def test_fields_all_is_bounded_by_ids_too(crm):
    row_id = crm.values("SELECT Id FROM Account LIMIT 1")[0]
    assert crm.query(f"SELECT FIELDS(ALL) FROM Account WHERE Id = '{row_id}'")["totalSize"] == 1


def test_a_third_semi_join_is_too_many(crm):
    part = "Id IN (SELECT AccountId FROM Contact)"
    answer = crm.query(f"SELECT Id FROM Account WHERE {part} AND {part} AND {part}")
    assert answer[0]["errorCode"] == "EXCEEDED_MAX_SEMIJOIN_SUBSELECTS"


def test_a_stream_has_flat_columns_and_typed_values(crm):
    ctx = WriteContext(crm.admin, "bulk")
    stream = crm.org.stream(
        "SELECT LastName, Account.Name, Account.AnnualRevenue FROM Contact ORDER BY LastName", ctx=ctx
    )
    assert [(column.name, column.type) for column in stream.columns] == [
        ("LastName", "string"), ("Account.Name", "string"), ("Account.AnnualRevenue", "currency"),
    ]  # fmt: skip
    assert list(stream.rows)[:2] == [["Alone", None, None], ["One", "Acme", 1000.0]]


@pytest.mark.fact("bulk-query-refusal-texts")
def test_bulk_says_what_it_does_not_support(crm):
    for soql, words in (
        ("SELECT COUNT() FROM Account", "aggregate functions"),
        ("SELECT Id FROM Account OFFSET 1", "OFFSET"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "Aggregate Relationships not supported in Bulk V2 Query"),
        ("SELECT BillingAddress FROM Account", "Selecting compound data not supported in Bulk Query"),
    ):
        with pytest.raises(ApiError) as refused:
            crm.org.stream(soql, ctx=WriteContext(crm.admin, "bulk"))
        assert words in refused.value.message
