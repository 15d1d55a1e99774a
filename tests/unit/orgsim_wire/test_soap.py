"""The SOAP calls: sessions, rows, the recycle bin, merges, leads, fields, and refusals in envelopes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from orgsim.xmltree import Element, parse_xml
from tests.support.orgsim import Orgsim, call


def soap(
    org: Orgsim, body: str, *, token: str | None = None, service: str = "u", header: str = ""
) -> tuple[int, Element]:
    session = f"<SessionHeader><sessionId>{org.access_token if token is None else token}</sessionId></SessionHeader>"
    envelope = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<e:Header>{session}{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>"
    )
    path = f"/services/Soap/{service}/62.0"
    status, _, answer = call(org.instance_url, "POST", path, envelope.encode(), Content_Type="text/xml")
    root = parse_xml(answer.encode() if isinstance(answer, str) else answer)
    inner = root.find("Body")
    assert inner is not None
    return status, inner.children[0]


def results(org: Orgsim, body: str, service: str = "u") -> list[Element]:
    status, answer = soap(org, body, service=service)
    assert status == 200, answer
    return answer.all("result")


@pytest.mark.fact("soap-session-fault", "soap-prefixed-envelope")
def test_a_bad_session_and_a_bad_envelope_are_faults(org: Orgsim):
    status, fault = soap(org, "<getUserInfo/>", token="00Dxx!no")
    assert (status, fault.value("faultcode")) == (500, "sf:INVALID_SESSION_ID")
    raw = call(org.instance_url, "POST", "/services/Soap/u/62.0", b"<nonsense", Content_Type="text/xml")[2]
    assert "<faultcode>sf:XML_PARSER_ERROR</faultcode>" in raw
    assert "<soapenv:Fault>" in raw
    raw = call(org.instance_url, "POST", "/services/Soap/u/12.0", b"<x/>", Content_Type="text/xml")[2]
    assert "UNSUPPORTED_API_VERSION" in raw


@pytest.mark.fact("soap-fault-kinds")
@pytest.mark.parametrize(
    ("body", "kind", "place"),
    [
        ("<query><queryString>SELECT Id, Nope FROM Account</queryString></query>", "InvalidFieldFault", ("1", "12")),
        ("<query><queryString>SELECT Id FROM Nope</queryString></query>", "InvalidSObjectFault", ("1", "16")),
        ("<query><queryString>SELECT Id FROM</queryString></query>", "MalformedQueryFault", ("1", "15")),
        ("<queryMore><queryLocator>nope</queryLocator></queryMore>", "InvalidQueryLocatorFault", None),
        ("<describeSObject><sObjectType>Nope</sObjectType></describeSObject>", "InvalidSObjectFault", ("-1", "-1")),
        ("<search><searchString>nope</searchString></search>", "MalformedSearchFault", ("-1", "-1")),
    ],
)
def test_a_fault_is_of_the_kind_that_typed_clients_catch(
    org: Orgsim, body: str, kind: str, place: tuple[str, str] | None
):
    status, fault = soap(org, body)
    detail = fault.find("detail")
    assert status == 500
    assert detail is not None
    [inner] = detail.children
    assert inner.name == kind
    found = (inner.value("row"), inner.value("column")) if inner.find("row") is not None else None
    assert found == place


@pytest.mark.parametrize(
    "name",
    ["describeTabs", "describeLayout", "describeDataCategoryGroups", "process", "sendEmail", "setPassword",
     "resetPassword", "findDuplicates", "executeListView"],
)  # fmt: skip
def test_unknown_calls_are_loud(org: Orgsim, name: str):
    assert soap(org, f"<{name}/>")[0] == 501
    assert org.transcript()[-1]["note"]


@pytest.mark.parametrize("name", ["retrieve", "checkRetrieveStatus", "cancelDeploy", "renameMetadata"])
def test_unknown_calls_of_the_metadata_api_are_loud(org: Orgsim, name: str):
    assert soap(org, f"<{name}/>", service="m")[0] == 501


@pytest.mark.parametrize(
    "header",
    [
        "<AssignmentRuleHeader><assignmentRuleId>01Q000000000001</assignmentRuleId></AssignmentRuleHeader>",
        "<DuplicateRuleHeader><includeRecordDetails>true</includeRecordDetails></DuplicateRuleHeader>",
        "<LocaleOptions><language>de</language></LocaleOptions>",
        "<MruHeader><updateMru>true</updateMru></MruHeader>",
        "<CallOptions><defaultNamespace>ns</defaultNamespace></CallOptions>",
        "<OwnerChangeOptions/>",
        "<PackageVersionHeader/>",
        "<DebuggingHeader/>",
    ],
)
def test_headers_that_would_change_the_meaning_are_loud(org: Orgsim, header: str):
    assert soap(org, "<getServerTimestamp/>", header=header)[0] == 501


def test_all_or_none_is_loud_where_rows_go_one_by_one(org: Orgsim):
    header = "<AllOrNoneHeader><allOrNone>true</allOrNone></AllOrNoneHeader>"
    assert soap(org, "<undelete><ids>001000000000000AAA</ids></undelete>", header=header)[0] == 501


LOADER = (
    "<CallOptions><client>x</client></CallOptions><QueryOptions><batchSize>500</batchSize></QueryOptions>"
    "<AllowFieldTruncationHeader><allowFieldTruncation>true</allowFieldTruncation></AllowFieldTruncationHeader>"
    "<DisableFeedTrackingHeader><disableFeedTracking>true</disableFeedTracking></DisableFeedTrackingHeader>"
    "<DuplicateRuleHeader><allowSave>false</allowSave><includeRecordDetails>false</includeRecordDetails>"
    "<runAsCurrentUser>false</runAsCurrentUser></DuplicateRuleHeader>"
)


def _account(values: str) -> str:
    return f'<sObjects xsi:type="sObject"><type>Account</type>{values}</sObjects>'


@pytest.mark.fact("soap-loader-headers")
def test_the_headers_of_a_data_loader_are_taken_and_long_texts_cut(org: Orgsim):
    status, answer = soap(org, f"<create>{_account(f'<Name>{chr(120) * 300}</Name>')}</create>", header=LOADER)
    [result] = answer.all("result")
    assert (status, result.value("success")) == (200, "true")
    assert org.rows("Account")[-1]["Name"] == "x" * 255
    [refused] = results(org, f"<create>{_account(f'<Name>{chr(120) * 300}</Name>')}</create>")
    assert refused.value("success") == "false"


@pytest.mark.fact("soap-all-or-none")
@pytest.mark.parametrize("together", [True, False])
def test_rows_stand_or_fall_together_where_that_is_asked_for(org: Orgsim, together: bool):
    header = f"<AllOrNoneHeader><allOrNone>{str(together).lower()}</allOrNone></AllOrNoneHeader>"
    status, answer = soap(org, f"<create>{_account('<Name>good</Name>')}{_account('')}</create>", header=header)
    codes = [None if (e := result.find("errors")) is None else e.value("statusCode") for result in answer.all("result")]
    assert status == 200
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK" if together else None, "REQUIRED_FIELD_MISSING"]
    assert [row["Name"] for row in org.rows("Account")] == ([] if together else ["good"])


@pytest.mark.fact("soap-limit-info")
def test_an_answer_says_how_much_of_the_allowance_is_used(org: Orgsim):
    envelope = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header><SessionHeader><sessionId>'
        f"{org.access_token}</sessionId></SessionHeader></e:Header><e:Body><getUserInfo/></e:Body></e:Envelope>"
    )
    raw = call(org.instance_url, "POST", "/services/Soap/u/62.0", envelope.encode(), Content_Type="text/xml")[2]
    assert re.search(r"<limitInfo><current>\d+</current><limit>\d+</limit><type>API REQUESTS</type></limitInfo>", raw)


@pytest.mark.parametrize(("scope", "status"), [("", 200), ("own", 200), ("00D000000000001AAA", 500)])
def test_a_login_may_name_its_org_and_any_namespace(org: Orgsim, scope: str, status: int):
    wanted = org.ready["org_id"] if scope == "own" else scope
    header = f"<LoginScopeHeader><organizationId>{wanted}</organizationId></LoginScopeHeader>"
    header += "<CallOptions><client>x</client><defaultNamespace>sf</defaultNamespace></CallOptions>"
    login = f"<login><username>{org.username}</username><password>{org.password}</password></login>"
    assert soap(org, login, token="", header=header)[0] == status


@pytest.mark.fact("soap-enterprise-login")
def test_the_enterprise_api_signs_in_and_refuses_the_rest_loudly(org: Orgsim):
    name, password = org.username, org.password
    [result] = results(org, f"<login><username>{name}</username><password>{password}</password></login>", service="c")
    assert f"{org.instance_url}/services/Soap/c/62.0/" in result.value("serverUrl")
    assert call(org.instance_url, "GET", "/services/data/v62.0/limits", token=result.value("sessionId"))[0] == 200
    assert soap(org, "<query><queryString>SELECT Id FROM User</queryString></query>", service="c")[0] == 501


@pytest.mark.fact("soap-save-results")
def test_rows_are_written_binned_and_brought_back(org: Orgsim):
    good, bad = results(
        org,
        "<create><sObjects><type>Account</type><Name>A &amp; B</Name></sObjects>"
        "<sObjects><type>Account</type><Phone>1</Phone></sObjects></create>",
    )
    assert [child.name for child in good.children] == ["id", "success"]
    assert bad.find("errors") is not None
    row_id = good.value("id")
    update = f"<update><sObjects><type>Account</type><fieldsToNull>Phone</fieldsToNull><Id>{row_id}</Id>"
    assert results(org, f"{update}<Name>C</Name></sObjects></update>")[0].value("success") == "true"
    assert [row["Name"] for row in org.rows("Account")] == ["C"]
    for name, success in (
        ("delete", "true"),
        ("undelete", "true"),
        ("undelete", "false"),
        ("emptyRecycleBin", "false"),
    ):
        assert results(org, f"<{name}><ids>{row_id}</ids></{name}>")[0].value("success") == success
    results(org, f"<delete><ids>{row_id}</ids></delete>")
    assert results(org, f"<emptyRecycleBin><ids>{row_id}</ids></emptyRecycleBin>")[0].value("success") == "true"
    assert org.control("GET", "/rows/Account?deleted=true") == []


@pytest.mark.fact("soap-merge")
def test_a_merge_moves_children_and_marks_what_it_took_in(org: Orgsim):
    master, loser = org.add_rows("Account", [{"Name": "master"}, {"Name": "loser"}])
    [contact] = org.add_rows("Contact", [{"LastName": "moves", "AccountId": loser}])
    request = (
        f"<merge><mergeRequests><masterRecord><type>Account</type><Id>{master}</Id><Phone>7</Phone></masterRecord>"
        f"<recordToMergeIds>{loser}</recordToMergeIds></mergeRequests></merge>"
    )
    [result] = results(org, request)
    assert (result.value("mergedRecordIds"), result.value("updatedRelatedIds")) == (loser, contact)
    assert org.rows("Contact")[0]["AccountId"] == master
    rows = {row["Id"]: row for row in org.control("GET", "/rows/Account?deleted=true")}
    assert (rows[loser]["IsDeleted"], rows[loser]["MasterRecordId"]) == (True, master)
    assert rows[master]["Phone"] == "7"
    [again] = results(org, request)
    assert again.value("success") == "false"


@pytest.mark.fact("soap-convert-lead")
def test_a_lead_is_converted_once_and_only_to_a_converted_status(org: Orgsim):
    [lead] = org.add_rows("Lead", [{"LastName": "Lead", "Company": "Lead & Co", "Email": "a@b.example"}])

    def convert(status: str) -> Element:
        request = f"<leadId>{lead}</leadId><convertedStatus>{status}</convertedStatus>"
        return results(org, f"<convertLead><leadConverts>{request}</leadConverts></convertLead>")[0]

    assert convert("Open").value("success") == "false"
    assert org.rows("Account") == []
    done = convert("Closed - Converted")
    assert done.value("success") == "true"
    [contact], [deal], [row] = org.rows("Contact"), org.rows("Opportunity"), org.rows("Lead")
    assert contact["AccountId"] == deal["AccountId"] == done.value("accountId")
    assert (row["IsConverted"], row["ConvertedOpportunityId"]) == (True, deal["Id"])
    assert convert("Closed - Converted").value("success") == "false"


@pytest.mark.fact("metadata-crud-calls")
def test_a_field_made_by_metadata_is_hidden_until_granted(org: Orgsim):
    field = "<fullName>Account.Soap__c</fullName><label>Soap</label><length>18</length><type>Text</type>"
    create = f'<createMetadata><metadata xsi:type="CustomField">{field}</metadata></createMetadata>'
    assert results(org, create, "m")[0].value("success") == "true"
    [again] = results(org, create, "m")
    assert again.find("errors").value("statusCode") == "DUPLICATE_DEVELOPER_NAME"  # pyright: ignore[reportOptionalMemberAccess]
    status, _, described = org.call("GET", "/services/data/v62.0/sobjects/Account/describe")
    assert status == 200
    assert "Soap__c" not in {entry["name"] for entry in described["fields"]}
    read = "<readMetadata><type>CustomField</type><fullNames>Account.Soap__c</fullNames></readMetadata>"
    assert results(org, read, "m")[0].find("records").value("label") == "Soap"  # pyright: ignore[reportOptionalMemberAccess]
    delete = "<deleteMetadata><type>CustomField</type><fullNames>Account.Soap__c</fullNames></deleteMetadata>"
    assert [results(org, delete, "m")[0].value("success") for _ in range(2)] == ["true", "false"]


def test_a_user_without_customize_application_makes_no_fields(org: Orgsim):
    token = org.control("POST", f"/users/{org.ready['reader_username']}/token")["access_token"]
    status, fault = soap(
        org, '<createMetadata><metadata xsi:type="CustomField"/></createMetadata>', token=token, service="m"
    )
    assert (status, fault.value("faultcode")) == (500, "sf:INSUFFICIENT_ACCESS")


@pytest.mark.fact("soap-query-result")
def test_rows_are_queried_page_by_page_and_fetched_by_id(org: Orgsim):
    ids = org.add_rows("Account", [{"Name": f"A & {number:03d}"} for number in range(250)])
    org.add_rows("Contact", [{"LastName": "child", "AccountId": ids[0]}])
    soql = "SELECT Name, CreatedDate, Owner.Name, (SELECT LastName FROM Contacts) FROM Account ORDER BY Name"
    header = "<QueryOptions><batchSize>200</batchSize></QueryOptions>"
    status, answer = soap(org, f"<query><queryString>{soql}</queryString></query>", header=header)
    assert status == 200, answer
    first = answer.all("result")[0]
    assert (first.value("size"), first.value("done"), len(first.all("records"))) == ("250", "false", 200)
    record = first.all("records")[0]
    assert [child.name for child in record.children] == ["type", "Id", "Name", "CreatedDate", "Owner", "Contacts"]
    assert (record.value("type"), record.value("Name")) == ("Account", "A & 000")
    assert record.children[1].is_nil  # the Id was not asked for
    assert record.value("CreatedDate").endswith(".000Z")
    owner, contacts = record.find("Owner"), record.find("Contacts")
    assert owner is not None
    assert contacts is not None
    assert owner.value("type") == "User"
    assert contacts.value("size") == "1"
    more = f"<queryMore><queryLocator>{first.value('queryLocator')}</queryLocator></queryMore>"
    [rest] = results(org, more)
    assert (rest.value("done"), len(rest.all("records"))) == ("true", 50)
    fetch = f"<fieldList>Id,Name</fieldList><sObjectType>Account</sObjectType><ids>{ids[3]}</ids><ids>{ids[1]}</ids>"
    found = results(org, f"<retrieve>{fetch}<ids>001000000000001AAA</ids></retrieve>")
    assert [row.value("Name") for row in found] == ["A & 003", "A & 001", ""]
    assert found[2].is_nil
    status, fault = soap(org, "<query><queryString>SELECT Nope FROM Account</queryString></query>")
    assert (status, fault.value("faultcode")) == (500, "sf:INVALID_FIELD")


@pytest.mark.fact("soap-query-result")
def test_deleted_rows_groups_and_counts_come_by_soap_too(org: Orgsim):
    [kept, gone] = org.add_rows("Account", [{"Name": "kept"}, {"Name": "gone"}])
    results(org, f"<delete><ids>{gone}</ids></delete>")
    everything = results(org, "<queryAll><queryString>SELECT Id FROM Account</queryString></queryAll>")[0]
    assert {record.value("Id") for record in everything.all("records")} == {kept, gone}
    grouped = results(
        org, "<query><queryString>SELECT Name, COUNT(Id) n FROM Account GROUP BY Name</queryString></query>"
    )
    [group] = grouped[0].all("records")
    assert (group.value("type"), group.value("Name"), group.value("n")) == ("AggregateResult", "kept", "1")
    counted = results(org, "<query><queryString>SELECT COUNT() FROM Account</queryString></query>")[0]
    assert (counted.value("size"), counted.all("records")) == ("1", [])


def test_objects_are_described_by_soap_as_by_rest(org: Orgsim):
    described = results(org, "<describeSObject><sObjectType>account</sObjectType></describeSObject>")[0]
    shown = org.call("GET", "/services/data/v62.0/sobjects/Account/describe")[2]
    assert [entry.value("name") for entry in described.all("fields")] == [entry["name"] for entry in shown["fields"]]
    assert described.value("keyPrefix") == "001"
    two = results(org, "<describeSObjects><sObjectType>Contact</sObjectType><sObjectType>User</sObjectType>"
                       "</describeSObjects>")  # fmt: skip
    assert [entry.value("name") for entry in two] == ["Contact", "User"]
    names = {entry.value("name") for entry in results(org, "<describeGlobal/>")[0].all("sobjects")}
    assert {"Account", "LoginHistory"} <= names
    status, fault = soap(org, "<describeSObject><sObjectType>Nope</sObjectType></describeSObject>")
    assert (status, fault.value("faultcode")) == (500, "sf:INVALID_TYPE")


@pytest.mark.fact("metadata-lists")
def test_custom_fields_are_listed_and_their_type_described(org: Orgsim):
    field = "<fullName>Account.Listed__c</fullName><label>Listed</label><length>18</length><type>Text</type>"
    results(org, f'<createMetadata><metadata xsi:type="CustomField">{field}</metadata></createMetadata>', "m")
    listed = results(org, "<listMetadata><queries><type>CustomField</type></queries></listMetadata>", "m")
    assert "Account.Listed__c" in {entry.value("fullName") for entry in listed}
    [described] = results(org, "<describeMetadata><asOfVersion>62.0</asOfVersion></describeMetadata>", "m")
    [kind] = described.all("metadataObjects")
    assert (kind.value("xmlName"), kind.value("childXmlNames")) == ("CustomObject", "CustomField")
    assert soap(org, "<listMetadata><queries><type>Layout</type></queries></listMetadata>", service="m")[0] == 501


@pytest.mark.fact("soap-id-twice")
def test_an_id_that_was_asked_for_stands_twice(org: Orgsim):
    [account] = org.add_rows("Account", [{"Name": "A"}])
    for fields, ids in (("Id, Name", [account, account]), ("Name", [""])):
        [page] = results(org, f"<query><queryString>SELECT {fields} FROM Account</queryString></query>")
        [record] = page.all("records")
        assert [entry.text for entry in record.all("Id")] == ids
        assert record.value("Name") == "A"
    read = f"<retrieve><fieldList>Name</fieldList><sObjectType>Account</sObjectType><ids>{account}</ids></retrieve>"
    assert results(org, read)[0].value("Name") == "A"


@pytest.mark.fact("soap-describes-follow-the-wsdl")
def test_describes_have_the_elements_of_the_wsdl_in_its_order(org: Orgsim):
    described = results(org, "<describeSObject><sObjectType>Account</sObjectType></describeSObject>")[0]
    names = list(dict.fromkeys(child.name for child in described.children))
    assert names == sorted(names)
    assert {"idEnabled", "urlDetail", "urlNew"} <= set(names)
    assert not {"urls", "listviewable", "sobjectDescribeOption"} & set(names)
    assert described.find("networkScopeFieldName").is_nil  # pyright: ignore[reportOptionalMemberAccess]
    field = described.all("fields")[0]
    assert field.find("calculatedFormula") is None
    entry = results(org, "<describeGlobal/>")[0].all("sobjects")[0]
    assert (entry.value("idEnabled"), entry.find("urls")) == ("false", None)


@pytest.mark.fact("soap-changes-and-search")
def test_changes_and_hits_are_told_by_soap_as_by_rest(org: Orgsim):
    kept, gone = org.add_rows("Account", [{"Name": "Zebra Works"}, {"Name": "Quagga Works"}])
    org.call("DELETE", f"/services/data/v62.0/sobjects/Account/{gone}")
    org.control("POST", "/clock", {"advance_s": 120})
    now = datetime.now(UTC) + timedelta(minutes=3)
    window = f"<startDate>{(now - timedelta(days=1)).isoformat()}</startDate><endDate>{now.isoformat()}</endDate>"
    inner = f"<sObjectType>Account</sObjectType>{window}"
    [updated] = results(org, f"<getUpdated>{inner}</getUpdated>")
    assert kept in {entry.text for entry in updated.all("ids")}
    assert updated.value("latestDateCovered").endswith("Z")
    [deleted] = results(org, f"<getDeleted>{inner}</getDeleted>")
    assert [entry.value("id") for entry in deleted.all("deletedRecords")] == [gone]
    found = "<search><searchString>FIND {Zebra} RETURNING Account(Id, Name)</searchString></search>"
    [hit] = results(org, found)[0].all("searchRecords")
    assert hit.find("record").value("Name") == "Zebra Works"  # pyright: ignore[reportOptionalMemberAccess]
    unknown = f"<getUpdated><sObjectType>Nope</sObjectType>{window}</getUpdated>"
    assert soap(org, unknown)[1].value("faultcode") == "sf:INVALID_TYPE"
    loud = "<search><searchString>FIND {a} RETURNING Account WITH SNIPPET</searchString></search>"
    assert soap(org, loud)[0] == 501
