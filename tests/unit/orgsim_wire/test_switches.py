"""Every assumption about sign-in, Bulk and Tooling can be turned; see also orgsim/test_orgsim_switches.py."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from orgsim.emulator import Emulator
from orgsim.errors import ApiError
from tests.support.orgsim import Orgsim
from tests.unit.orgsim_wire.signing_in import get_code, is_alive, redeem, signed_in, unpadded
from tests.unit.orgsim_wire.test_bulk import JOBS, query_job


@pytest.mark.fact("oauth-code-lifetime")
def test_a_code_may_die_after_two_minutes(emulator: Emulator):
    emulator.settings.authorization_code_lifetime_s = 120
    code = get_code(emulator, "v" * 43)
    emulator.clock.advance(timedelta(minutes=3))
    assert redeem(emulator, code, "v" * 43)[1]["error_description"] == "expired authorization code"


@pytest.mark.fact("oauth-no-expires-in")
def test_a_session_may_end_sooner(emulator: Emulator):
    emulator.settings.access_token_lifetime_s = 60
    given = signed_in(emulator)
    assert is_alive(emulator, given["access_token"])
    emulator.clock.advance(timedelta(seconds=61))
    assert not is_alive(emulator, given["access_token"])


@pytest.mark.fact("oauth-id-token-lifetime")
@pytest.mark.parametrize("lifetime_s", [120, 600])
def test_an_id_token_lives_as_long_as_set(emulator: Emulator, lifetime_s: int):
    emulator.settings.id_token_lifetime_s = lifetime_s
    claims = json.loads(unpadded(signed_in(emulator)["id_token"].split(".")[1]))
    assert claims["exp"] - claims["iat"] == lifetime_s


@pytest.mark.fact("bulk-query-early-results")
@pytest.mark.parametrize("status", [400, 412])
def test_results_that_are_asked_for_too_early_answer_with_the_set_status(org: Orgsim, status: int):
    org.control("POST", "/settings", {"bulk_early_results_status": status})
    org.control("POST", "/whims", {"job_delay_s": [5, 5]})
    job = org.call("POST", f"{JOBS}/query", {"operation": "query", "query": "SELECT Id FROM Account"})[2]
    assert org.call("GET", f"{JOBS}/query/{job['id']}/results")[0] == status


@pytest.mark.fact("bulk-query-page-rows")
def test_the_servers_own_page_may_be_small(org: Orgsim):
    org.add_rows("Account", [{"Name": f"A{number}"} for number in range(5)])
    org.control("POST", "/settings", {"bulk_query_page_rows": 2})
    job = query_job(org, "SELECT Id FROM Account")
    headers = org.call("GET", f"{JOBS}/query/{job['id']}/results")[1]
    assert (headers["sforce-numberofrecords"], headers["sforce-locator"]) != ("5", "null")
    assert headers["sforce-numberofrecords"] == "2"


@pytest.mark.fact("tooling-external-ids")
def test_an_object_may_take_fewer_external_ids(emulator: Emulator):
    emulator.settings.external_ids_per_object_max = 1
    metadata: dict[str, object] = {"label": "X", "type": "Text", "length": 18, "externalId": True}
    emulator.tooling.add(emulator.org, "Account.A__c", metadata, granted=True)
    with pytest.raises(ApiError):
        emulator.tooling.add(emulator.org, "Account.B__c", metadata, granted=True)


@pytest.mark.fact("bulk-query-unsupported-code")
@pytest.mark.parametrize("code", ["API_ERROR", "INVALIDJOB"])
def test_an_unsupported_bulk_query_answers_with_the_set_code(org: Orgsim, code: str):
    org.control("POST", "/settings", {"bulk_unsupported_query_code": code})
    body = {"operation": "query", "query": "SELECT COUNT(Id) FROM Account GROUP BY Name"}
    status, _, answer = org.call("POST", f"{JOBS}/query", body)
    assert (status, answer[0]["errorCode"]) == (400, code)


@pytest.mark.fact("field-permission-twice")
@pytest.mark.parametrize("code", ["DUPLICATE_VALUE", "FIELD_INTEGRITY_EXCEPTION"])
def test_a_second_grant_answers_with_the_set_code(org: Orgsim, code: str):
    org.control("POST", "/settings", {"duplicate_field_permission_code": code})
    metadata = {"label": "X", "type": "Text", "length": 18}
    org.control("POST", "/fields", {"FullName": "Account.X__c", "Metadata": metadata, "granted": False})
    parent = org.rows("PermissionSet")[0]["Id"]
    body = {"ParentId": parent, "SobjectType": "Account", "Field": "Account.X__c", "PermissionsRead": True}
    path = "/services/data/v62.0/sobjects/FieldPermissions"
    assert org.call("POST", path, body)[0] == 201
    assert org.call("POST", path, body)[2][0]["errorCode"] == code
