"""What orgsim does not emulate is refused loudly, each time, and leaves a trace: never a silent guess."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support.orgsim import Orgsim

V = "/services/data/v62.0"
RESOURCES = (
    "GET /actions", "GET /actions/standard", "GET /analytics/reports", "GET /appMenu/AppSwitcher", "GET /apexrest/x",
    "GET /async-queries", "GET /chatter/feeds", "GET /commerce/sale", "GET /compactLayouts?q=Account",
    "GET /connect/organization", "GET /consent/action/email?ids=x", "GET /dedupe/jobs", "GET /domino", "GET /eclair",
    "GET /event/eventSchema/x", "GET /folders", "GET /graphql", "GET /jobs/unknown", "GET /knowledgeManagement/settings",
    "GET /licensing", "GET /localizedvalue", "GET /metadata/deployRequest", "GET /nouns", "GET /payments",
    "GET /process/approvals", "GET /process/rules", "GET /prechatForms", "GET /quickActions", "GET /query/?explain=x",
    "GET /scheduling", "GET /serviceTemplates", "GET /sobjects/Account/describe/layouts",
    "GET /sobjects/Account/describe/approvalLayouts", "GET /sobjects/Account/describe/compactLayouts",
    "GET /sobjects/Account/quickActions", "GET /sobjects/Account/listviews/00B000000000001/results",
    "GET /sobjects/Event/001000000000000AAA/fromThisEventOnwards", "GET /sobjects/Account/defaultValues/x/y",
    "GET /sobjects/User/005000000000000AAA/password/x", "GET /support/dataCategoryGroups", "GET /tabs", "GET /theme",
    "GET /tooling/executeAnonymous?anonymousBody=x", "GET /tooling/completions?type=apex", "GET /ui-api/apps",
    "GET /wave", "PUT /graphql", "POST /graphql", "POST /actions/standard/emailSimple", "POST /analytics/reports",
    "POST /sobjects/User/005000000000000AAA/password", "DELETE /sobjects/User/005000000000000AAA/password",
    "POST /process/approvals", "POST /tooling/runTestsAsynchronous", "POST /composite/unknown",
)  # fmt: skip
SERVICES = (
    "POST /services/Soap/T/62.0", "POST /services/Soap/s/62.0",
    "GET /services/oauth2/singleaccess", "GET /services/scim/v1/Users", "GET /services/auth/sso/x",
)  # fmt: skip
CLAUSES = (
    "SELECT Id FROM Account WITH DATA CATEGORY Geography__c AT usa__c",
    "SELECT Id FROM Account WITH SECURITY_ENFORCED",
    "SELECT Id FROM Account WITH USER_MODE",
    "SELECT Id FROM Account USING SCOPE Team",
    "SELECT Id FROM Account USING SCOPE Delegated",
    "SELECT Id FROM Account USING SCOPE My_Territory",
    "SELECT Id FROM Account UPDATE TRACKING",
    "SELECT Id FROM Account UPDATE VIEWSTAT",
    "SELECT Id FROM Account WHERE DISTANCE(BillingAddress, GEOLOCATION(1, 1), 'mi') < 20",
    "SELECT Id, DISTANCE(BillingAddress, GEOLOCATION(1, 1), 'mi') FROM Account",
    "SELECT Id FROM Opportunity WHERE Amount > USD5000",
)
SEARCHES = (
    "FIND {acme} RETURNING Account WITH SNIPPET(target_length=120)",
    "FIND {acme} RETURNING Account WITH DATA CATEGORY Geography__c AT usa__c",
    "FIND {acme} RETURNING Account WITH NETWORK = 'x'",
    "FIND {acme} RETURNING Account(Id USING ListView = MyView)",
    "FIND {acme} RETURNING Account LIMIT 2 UPDATE TRACKING",
    "FIND {acme} RETURNING Account UPDATE VIEWSTAT",
    "FIND {acme} RETURNING Account(Id OFFSET 1), Contact",
    "FIND {*acme}",
    "FIND {acme} RETURNING LoginHistory",
)
HEADERS = {
    "If-Match": '"x"',
    "If-None-Match": '"x"',
    "Sforce-Query-Lob": "x",
    "Sforce-Locale": "de",
    "Sforce-Mru": "updateMru=true",
    "Sforce-Auto-Assign": "01Q000000000001",
    "Sforce-Call-Options": "client=x, defaultNamespace=ns",
    "X-SFDC-PackageVersion-ns": "1.0",
    "Accept": "application/xml",
    "Content-Type": "application/xml",
}


def _loud(org: Orgsim, method: str, target: str, body: object = None, **headers: str) -> None:
    status, _, answer = org.call(method, target, body, **headers)
    assert status == 501, answer
    assert answer[0]["errorCode"] == "NOT_EMULATED"
    last = org.transcript()[-1]
    assert (last["method"], last["path"], last["status"]) == (method, target.partition("?")[0], 501)
    assert last["note"]


OBJECTS = (
    "TenantUsageEntitlement", "UserPackageLicense", "PackageLicense", "PermissionSetGroup", "SetupAuditTrail", "UserLogin",
    "EventLogFile", "OauthToken", "ConnectedApplication", "AccountHistory", "OpportunityShare", "EmailMessage",
)  # fmt: skip


def test_the_list_is_long_enough():
    assert len(RESOURCES) + len(CLAUSES) + len(SEARCHES) + len(HEADERS) + len(OBJECTS) >= 50


@pytest.mark.fact("objects-absent")
@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_that_every_real_org_has_is_refused_loudly_and_not_as_unknown(org: Orgsim, name: str):
    _loud(org, "GET", f"{V}/query?q=SELECT+Id+FROM+{name}")
    _loud(org, "GET", f"{V}/sobjects/{name}/describe")


def test_an_object_that_is_nobodys_is_unknown(org: Orgsim):
    assert org.call("GET", f"{V}/query?q=SELECT+Id+FROM+Nonsense__c")[0] == 400
    assert org.call("GET", f"{V}/sobjects/Nonsense__c/describe")[0] == 404


@pytest.mark.parametrize("resource", RESOURCES)
def test_an_unknown_resource_is_refused_loudly(org: Orgsim, resource: str):
    method, path = resource.split(" ")
    _loud(org, method, V + path, {} if method != "GET" else None)


@pytest.mark.parametrize("resource", SERVICES)
def test_another_service_is_refused_loudly(org: Orgsim, resource: str):
    method, path = resource.split(" ")
    _loud(org, method, path, {} if method != "GET" else None)


@pytest.mark.parametrize("soql", CLAUSES)
def test_an_unknown_clause_is_refused_loudly(org: Orgsim, soql: str):
    _loud(org, "GET", f"{V}/query?q={quote(soql)}")


@pytest.mark.parametrize("sosl", SEARCHES)
def test_an_unknown_clause_of_a_search_is_refused_loudly(org: Orgsim, sosl: str):
    _loud(org, "GET", f"{V}/search?q={quote(sosl)}")


@pytest.mark.parametrize("name", ["metadata=LABELS", "netWorkIds=x", "Account.fields=Id", "pricebookId=x"])
def test_an_unknown_parameter_of_a_search_is_refused_loudly(org: Orgsim, name: str):
    _loud(org, "GET", f"{V}/parameterizedSearch?q=acme&{name}")


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_would_change_the_meaning_is_refused_loudly(org: Orgsim, name: str):
    _loud(org, "POST", f"{V}/sobjects/Lead", {"LastName": "x", "Company": "y"}, **{name: HEADERS[name]})


@pytest.mark.parametrize("name", ["Sforce-Call-Options", "Accept", "If-None-Match"])
def test_such_a_header_is_refused_on_reads_too(org: Orgsim, name: str):
    _loud(org, "GET", f"{V}/sobjects/Lead/describe", **{name: HEADERS[name]})


def test_a_clause_in_a_bulk_query_is_refused_loudly(org: Orgsim):
    body = {"operation": "query", "query": "SELECT Id FROM Account WITH SECURITY_ENFORCED"}
    _loud(org, "POST", f"{V}/jobs/query", body)
