from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from tests.support.orgsim import Orgsim, start_orgsim

DATA = "/services/data/v62.0"


def test_rows_go_in_without_rules_and_come_out_complete(org: Orgsim):
    [parent] = org.add_rows("Account", [{"Name": "Parent"}])
    values = {
        "LastName": "Ng",
        "FirstName": "Al",
        "AccountId": parent,
        "SystemModstamp": "2020-01-02T03:04:05.000+0000",
    }
    [row_id] = org.add_rows("Contact", [values])
    [row] = org.rows("Contact")
    assert len(row_id) == 18
    assert row["Id"] == row_id
    assert (row["Name"], row["AccountId"], row["Phone"]) == ("Al Ng", parent, None)
    assert row["SystemModstamp"] == "2020-01-02T03:04:05.000+0000"
    described = {field["name"] for field in org.call("GET", f"{DATA}/sobjects/Contact/describe")[2]["fields"]}
    assert described - set(row) == {"MailingAddress", "OtherAddress"}


def test_ids_come_back_in_the_order_of_the_rows(org: Orgsim):
    ids = org.add_rows("Account", [{"Name": str(number)} for number in range(50)])
    assert [row["Name"] for row in sorted(org.rows("Account"), key=lambda row: ids.index(row["Id"]))] == [
        str(number) for number in range(50)
    ]


def test_a_change_moves_the_stamp_and_a_deletion_hides_the_row(org: Orgsim):
    [row_id] = org.add_rows("Account", [{"Name": "x", "SystemModstamp": "2020-01-01T00:00:00Z"}])
    changed = org.control("PATCH", f"/rows/Account/{row_id}", {"Name": "y"})
    assert changed["Name"] == "y"
    assert changed["SystemModstamp"] > "2026"
    org.control("DELETE", f"/rows/Account/{row_id}")
    assert org.rows("Account") == []
    assert org.control("GET", "/rows/Account?deleted=true")[0]["IsDeleted"] is True
    assert org.control("GET", "/counts")["Account"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/rows/Nope", None, 404),
        ("POST", "/rows/Account", [{"Nope": 1}], 400),
        ("POST", "/rows/Account", {"Name": "no array"}, 400),
        ("PATCH", "/rows/Account/001000000000000AAA", {"Name": "y"}, 404),
        ("POST", "/faults", {"status": 500, "colour": "red"}, 400),
        ("POST", "/faults", {"path": "(", "reset": True}, 400),
        ("POST", "/faults", {"method": "GET"}, 400),
        ("POST", "/whims", {"level": "furious"}, 400),
        ("POST", "/settings", {"nonsense": 1}, 400),
        ("POST", "/settings", {"access_token_lifetime_s": "long"}, 400),
        ("POST", "/users/nobody/revoke", None, 404),
        ("POST", "/clock", {"advance": 1}, 400),
    ],
)
def test_senseless_orders_are_refused_with_a_reason(org: Orgsim, method: str, path: str, body: object, status: int):
    with pytest.raises(urllib.error.HTTPError) as refused:
        org.control(method, path, body)
    assert refused.value.code == status


def test_a_web_page_cannot_use_the_control_port(org: Orgsim):
    request = urllib.request.Request(f"{org.control_url}/reset", b"", {"Origin": "https://evil.example"}, method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 403


def test_the_transcript_holds_each_call_once_and_no_credential(org: Orgsim):
    org.control("DELETE", "/transcript")
    org.call("GET", f"{DATA}/limits?x=1")
    org.call("GET", "/services/oauth2/revoke?token=5Aep861secret")
    org.call("GET", f"{DATA}/chatter/feeds")
    first, second, third = org.transcript()
    assert set(first) == {"at", "method", "path", "query", "status", "bytes_in", "bytes_out", "note"}
    assert (first["method"], first["path"], first["query"], first["status"]) == ("GET", f"{DATA}/limits", "x=1", 200)
    assert first["bytes_out"] > 0
    assert "secret" not in second["query"]
    assert third["status"] == 501
    assert third["note"].startswith("not emulated")


def test_the_state_is_the_same_after_reading_and_differs_after_writing(org: Orgsim):
    before = org.control("GET", "/state")
    org.call("GET", f"{DATA}/query?q=SELECT+Id+FROM+User")
    org.call("GET", f"{DATA}/sobjects/Account/describe")
    assert org.control("GET", "/state") == before
    org.call("POST", f"{DATA}/sobjects/Account", {"Name": "new"})
    after = org.control("GET", "/state")
    assert after["sha256"] != before["sha256"]
    assert [name for name in after["tables"] if after["tables"][name] != before["tables"][name]] == ["Account"]


def test_a_reset_brings_the_same_org_back_and_keeps_tokens(org: Orgsim):
    before = org.control("GET", "/state")["sha256"]
    org.add_rows("Account", [{"Name": "x"}])
    org.control("POST", "/clock", {"advance_s": 100})
    org.control("POST", "/reset")
    assert org.rows("Account") == []
    assert org.control("GET", "/state")["sha256"] == before
    assert org.call("GET", f"{DATA}/limits")[0] == 200


def test_the_clock_moves_the_orgs_time_and_ends_sessions(org: Orgsim):
    token = org.control("POST", f"/users/{org.username}/token")["access_token"]
    org.control("POST", "/clock", {"advance_s": 3 * 3600})
    assert org.call("GET", f"{DATA}/limits", token=token)[0] == 401
    assert org.control("POST", "/clock", {"set": "2030-01-01T00:00:00Z"})["now"].startswith("2030-01-01T00:00:0")


def test_a_consent_to_an_app_gives_a_refresh_token_without_a_browser(org: Orgsim):
    given = org.control("POST", f"/users/{org.username}/token", {"client_id": "PlatformCLI"})
    form = f"grant_type=refresh_token&client_id=PlatformCLI&refresh_token={given['refresh_token']}"
    kind = "application/x-www-form-urlencoded"
    status, _, answer = org.call("POST", "/services/oauth2/token", form.encode(), token="", Content_Type=kind)
    assert status == 200
    assert org.call("GET", f"{DATA}/limits", token=answer["access_token"])[0] == 200
    with pytest.raises(urllib.error.HTTPError, match="404"):
        org.control("POST", f"/users/{org.username}/token", {"client_id": "nobody"})


def test_users_lose_tokens_by_revocation_and_work_by_deactivation(org: Orgsim):
    reader = org.control("GET", "/users")["reader_username"]
    first = org.control("POST", f"/users/{reader}/token")["access_token"]
    assert org.call("GET", f"{DATA}/sobjects", token=first)[0] == 200
    org.control("POST", f"/users/{reader}/revoke")
    assert org.call("GET", f"{DATA}/sobjects", token=first)[0] == 401
    second = org.control("POST", f"/users/{reader}/token")["access_token"]
    org.control("POST", f"/users/{reader}/deactivate")
    assert org.call("GET", f"{DATA}/sobjects", token=second)[0] == 401
    org.control("POST", f"/users/{reader}/activate")
    assert org.call("GET", f"{DATA}/sobjects", token=second)[0] == 200


def test_monitor_login_history_can_be_given_and_taken(org: Orgsim):
    users = org.control("GET", "/users")
    org.add_rows(
        "LoginHistory",
        [
            {"UserId": users[who], "LoginTime": "2026-01-01T00:00:00Z", "Status": "Success"}
            for who in ("admin_id", "reader_id")
        ],
    )
    token = org.control("POST", f"/users/{users['reader_id']}/token")["access_token"]

    def seen() -> int:
        return org.call("GET", f"{DATA}/query?q=SELECT+Id+FROM+LoginHistory", token=token)[2]["totalSize"]

    assert seen() == 1
    org.control("POST", f"/users/{users['reader_id']}/permissions", {"MonitorLoginHistory": True})
    assert seen() == 2
    org.control("POST", f"/users/{users['reader_id']}/permissions", {"MonitorLoginHistory": False})
    assert seen() == 1


def test_the_days_allowance_ends_with_salesforces_refusal(org: Orgsim):
    org.control("POST", "/usage", {"used": 0, "per_day": 2})
    assert org.call("GET", f"{DATA}/limits")[1]["sforce-limit-info"] == "api-usage=1/2"
    org.call("GET", f"{DATA}/limits")
    status, _, body = org.call("GET", f"{DATA}/limits")
    assert (status, body[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_the_control_port_explains_itself(org: Orgsim):
    with urllib.request.urlopen(org.control_url + "/") as answer:
        assert "/transcript" in answer.read().decode()


def test_two_orgs_of_one_seed_but_two_names_share_no_id():
    with start_orgsim(name="north") as north, start_orgsim(name="south") as south:
        ids = [{row["Id"] for row in org.rows("User")} for org in (north, south)]
        assert not ids[0] & ids[1]
        assert north.ready["org_id"] != south.ready["org_id"]
        assert north.username != south.username
