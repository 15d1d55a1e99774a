"""The partner API's calls that read: queries with their pages, rows by id, searches, what changed, describes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import urlencode

import msgspec

from orgsim.errors import ApiError, NotEmulated
from orgsim.ids import normalize_id
from orgsim.schema.absent import refuse_absent
from orgsim.soap.describing import soap_describe, soap_describe_global
from orgsim.soap.envelope import Operation, SoapCall, SoapFault
from orgsim.soql.result import QueryResult
from orgsim.store.results import WriteContext
from orgsim.wire import Request

Results = list[Mapping[str, object] | None]
_IDS_MAX: Final = 2000
_OBJECTS_MAX: Final = 100
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")


def reading_operations() -> Mapping[str, Operation]:
    """Return the operations by the name of their element."""
    return {
        "query": lambda soap: _query(soap, all_rows=False),
        "queryAll": lambda soap: _query(soap, all_rows=True),
        "queryMore": _query_more,
        "retrieve": _retrieve,
        "getUpdated": lambda soap: _changed(soap, "updated"),
        "getDeleted": lambda soap: _changed(soap, "deleted"),
        "search": _search,
        "describeGlobal": _describe_global,
        "describeSObject": lambda soap: _describe(soap, soap.operation.value("sObjectType")),
        "describeSObjects": _describe_several,
    }


def _number(soap: SoapCall) -> int:
    return int(soap.version.partition(".")[0])


def _reader(soap: SoapCall) -> WriteContext:
    return WriteContext(soap.call.user_id, via="soap")


def _query(soap: SoapCall, *, all_rows: bool) -> Results:
    org, soql = soap.call.org, soap.operation.value("queryString")
    rows = soap.batch_rows(org.settings.query_page_rows_min, org.settings.query_page_rows_max)
    return [_page(soap, org.query(soql, all_rows=all_rows, ctx=_reader(soap), page_rows=rows, version=_number(soap)))]


def _query_more(soap: SoapCall) -> Results:
    return [_page(soap, soap.call.org.cursors.page(soap.call.user_id, soap.operation.value("queryLocator").strip()))]


def _page(soap: SoapCall, result: QueryResult) -> dict[str, object]:
    answer = cast("dict[str, object]", msgspec.json.decode(msgspec.json.encode(result.payload(soap.version))))
    return _result(answer)


def _result(answer: Mapping[str, object]) -> dict[str, object]:
    """Return a QueryResult of the REST form of a page."""
    records = cast("list[dict[str, object]]", answer["records"])
    following = cast("str", answer.get("nextRecordsUrl") or "").rpartition("/")[2]
    return {
        "@xsi:type": "QueryResult",
        "done": answer["done"],
        "queryLocator": following or None,
        "records": [_record(record) for record in records],
        "size": answer["totalSize"],
    }


def _record(record: Mapping[str, object]) -> dict[str, object]:
    """Return an sObject: type and Id first, then the fields as asked, so that an Id asked for stands there twice."""
    kind = cast("dict[str, object]", record["attributes"])["type"]
    row_id = [record["Id"], record["Id"]] if "Id" in record else None
    shown: dict[str, object] = {"@xsi:type": "sf:sObject", "sf:type": kind, "sf:Id": row_id}
    for name, value in record.items():
        if name not in {"attributes", "Id"}:
            shown[f"sf:{name}"] = _cell(value)
    return shown


def _cell(value: object) -> object:
    if isinstance(value, dict):
        inner = cast("dict[str, object]", value)
        if "records" in inner:
            return _result(inner)
        if "attributes" in inner:
            return _record(inner)
        return {f"sf:{key}": _cell(part) for key, part in inner.items()}
    if isinstance(value, str) and _DATE_TIME.fullmatch(value):  # REST and SOAP write date-times differently
        return value.removesuffix("+0000") + "Z"
    return value


def _retrieve(soap: SoapCall) -> Results:
    """Return a row or nil per id, in order."""
    ids = [entry.text.strip() for entry in soap.operation.all("ids")]
    if len(ids) > _IDS_MAX:
        raise SoapFault(code="EXCEEDED_ID_LIMIT", message=f"at most {_IDS_MAX} ids per call")
    long = [normalize_id(row_id) for row_id in ids]
    if None in long:
        raise SoapFault(code="MALFORMED_ID", message=f"malformed id {ids[long.index(None)]}")
    if not long:
        return []
    fields, kind = soap.operation.value("fieldList"), soap.operation.value("sObjectType").strip()
    names = [name.strip() for name in fields.split(",") if name.strip()]
    if "id" not in {name.lower() for name in names}:
        names.append("Id")
    wanted = ", ".join(f"'{row_id}'" for row_id in dict.fromkeys(long))
    soql = f"SELECT {', '.join(names)} FROM {kind} WHERE Id IN ({wanted})"  # noqa: S608  # SOQL against this emulator
    found = soap.call.org.query(soql, ctx=_reader(soap), page_rows=_IDS_MAX, version=_number(soap))
    page = _page(soap, found)
    by_id: dict[object, Mapping[str, object]] = {
        cast("list[str]", record["sf:Id"])[0]: record for record in cast("list[dict[str, object]]", page["records"])
    }
    return [by_id.get(row_id) for row_id in long]


def _describe_global(soap: SoapCall) -> Results:
    return [soap_describe_global(soap.call.org, soap.call.user_id, soap.version)]


def _describe_several(soap: SoapCall) -> Results:
    kinds = [entry.text for entry in soap.operation.all("sObjectType")]
    if len(kinds) > _OBJECTS_MAX:
        raise SoapFault(code="EXCEEDED_MAX_TYPES_LIMIT", message=f"at most {_OBJECTS_MAX} types per call")
    return [described for kind in kinds for described in _describe(soap, kind)]


def _describe(soap: SoapCall, kind: str) -> Results:
    try:
        return [soap_describe(soap.call.org, kind.strip(), soap.call.user_id, soap.version)]
    except ApiError:
        text = f"sObject type '{kind.strip()}' is not supported."
        raise SoapFault(code="INVALID_TYPE", message=text, kind="InvalidSObjectFault") from None


def _by_rest(soap: SoapCall, path: str, **parameters: str) -> dict[str, object]:
    """Return the answer of the REST resource that says the same; SoapFault with its code if it refuses."""
    base = f"/services/data/v{soap.version}"
    target = f"{base}/{path}?{urlencode(parameters)}"
    answer = soap.call.dispatch(Request.build("GET", target, session=soap.call.request.session))
    if answer.status == HTTPStatus.NOT_IMPLEMENTED:
        what = "a clause of this call"
        raise NotEmulated(what)
    if answer.status != HTTPStatus.OK:
        refused = cast("list[dict[str, str]]", answer.payload)[0]
        raise SoapFault(code=refused["errorCode"], message=refused["message"])
    return cast("dict[str, object]", answer.payload)


def _changed(soap: SoapCall, kind: str) -> Results:
    """Answer getUpdated and getDeleted."""
    name = soap.operation.value("sObjectType").strip()
    if soap.call.org.visible_object(name, soap.call.user_id) is None:
        refuse_absent(name)
        text = f"sObject type '{name}' is not supported."
        raise SoapFault(code="INVALID_TYPE", message=text, kind="InvalidSObjectFault")
    start, end = soap.operation.value("startDate").strip(), soap.operation.value("endDate").strip()
    answer = _by_rest(soap, f"sobjects/{name}/{kind}", start=start, end=end)
    shown: dict[str, object] = {key: _cell(value) for key, value in answer.items()}
    if kind == "deleted":
        gone = cast("list[dict[str, object]]", answer["deletedRecords"])
        shown["deletedRecords"] = [{"deletedDate": _cell(row["deletedDate"]), "id": row["id"]} for row in gone]
    return [dict(sorted(shown.items()))]


def _search(soap: SoapCall) -> Results:
    answer = _by_rest(soap, "search", q=soap.operation.value("searchString"))
    found = cast("list[dict[str, object]]", answer["searchRecords"])
    return [
        {
            "queryId": soap.call.org.new_id("000"),
            "searchRecords": [{"record": {**_record(row), "@xsi:type": "sf:sObject"}} for row in found],
        }
    ]
