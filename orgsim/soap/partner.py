"""The partner SOAP API as far as clients insist on it: sign-in, who and when, and rows; `reading` has the queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from orgsim.errors import NotEmulated
from orgsim.ids import normalize_id
from orgsim.oauth import people
from orgsim.oauth.apps import App
from orgsim.oauth.authority import Authority
from orgsim.rest.collections import ROLLED_BACK
from orgsim.router import Call
from orgsim.schema.absent import refuse_absent
from orgsim.soap.envelope import (
    ENTERPRISE,
    ENTERPRISE_FAULTS,
    PARTNER,
    PARTNER_FAULTS,
    Operation,
    SoapCall,
    SoapDoor,
    SoapFault,
    save_entry,
)
from orgsim.soap.reading import reading_operations
from orgsim.store.merging import Conversion, convert_lead, merge_rows
from orgsim.store.results import BadValue, SaveResult, WriteContext
from orgsim.store.values import csv_value
from orgsim.wire import Response
from orgsim.xmltree import Element

_LOGIN_LAST: Final = 64
_ROWS_MAX: Final = 200
_NULL: Final = "#N/A"
_CUT_TYPES: Final = frozenset(
    {"combobox", "email", "encryptedstring", "multipicklist", "phone", "picklist", "string", "textarea"}
)
"""Whose values AllowFieldTruncationHeader cuts."""
Results = list[Mapping[str, object] | None]


@dataclass(frozen=True, slots=True)
class PartnerService:
    """`POST /services/Soap/u/NN.0[/org]`, and what `Soap/c`, whose types are the org's own, has in common with it."""

    authority: Authority

    def handle(self, call: Call) -> Response:
        """Answer one envelope."""
        operations: Mapping[str, Operation] = {
            **self._common("u"),
            **reading_operations(),
            "create": _create,
            "update": _update,
            "upsert": _upsert,
            "delete": _delete,
            "undelete": _undelete,
            "emptyRecycleBin": _empty_recycle_bin,
            "merge": _merge,
            "convertLead": _convert_leads,
        }
        return SoapDoor(self.authority, PARTNER, PARTNER_FAULTS).answer(call, operations, frozenset({"login"}))

    def handle_enterprise(self, call: Call) -> Response:
        """Answer one envelope of the enterprise API: some clients sign in there and go on with REST."""
        door = SoapDoor(self.authority, ENTERPRISE, ENTERPRISE_FAULTS)
        return door.answer(call, self._common("c"), frozenset({"login"}))

    def _common(self, service: str) -> Mapping[str, Operation]:
        return {
            "login": lambda soap: self._login(soap, service),
            "logout": self._logout,
            "getUserInfo": self._user_info,
            "getServerTimestamp": _timestamp,
        }

    def _login(self, soap: SoapCall, service: str) -> Results:
        org = soap.call.org
        if int(soap.version.partition(".")[0]) > _LOGIN_LAST:
            text = "SOAP login() is not available from API version 65.0 on"
            raise SoapFault(code="UNSUPPORTED_API_VERSION", message=text, kind="LoginFault")
        person = people.by_username(org, soap.operation.value("username").strip())
        password = soap.operation.value("password")
        wanted = soap.options.organization
        elsewhere = wanted != "" and normalize_id(wanted) != org.id18
        if person is None or elsewhere or not person.is_active or not password.startswith(people.PASSWORD):
            text = "Invalid username, password, security token; or user locked out."
            raise SoapFault(code="INVALID_LOGIN", message=text, kind="LoginFault")
        app = App(client_id="soap", name="SOAP login", pkce_required=False, rotation=False)
        issued = self.authority.grants.open_family(app, person.user_id, frozenset({"api"}), org.instance_url)
        result: dict[str, object] = {
            "metadataServerUrl": f"{org.instance_url}/services/Soap/m/{soap.version}/{org.id15}",
            "passwordExpired": False,
            "sandbox": False,
            "serverUrl": f"{org.instance_url}/services/Soap/{service}/{soap.version}/{org.id15}",
            "sessionId": issued.access_token,
            "userId": person.user_id,
            "userInfo": _user_view(soap.call, person),
        }
        return [result]

    def _logout(self, soap: SoapCall) -> None:
        self.authority.grants.revoke(soap.options.token)

    def _user_info(self, soap: SoapCall) -> Results:
        person = people.by_id(soap.call.org, soap.call.user_id)
        return [] if person is None else [_user_view(soap.call, person)]


def _user_view(call: Call, person: people.Person) -> dict[str, object]:
    org = call.org
    return {
        "accessibilityMode": False,
        "chatterExternal": False,
        "currencySymbol": "$",
        "orgAttachmentFileSizeLimit": 5_242_880,
        "orgDefaultCurrencyIsoCode": "USD",
        "orgDefaultCurrencyLocale": "en_US",
        "orgDisallowHtmlAttachments": False,
        "orgHasPersonAccounts": False,
        "organizationId": org.id18,
        "organizationMultiCurrency": org.settings.multi_currency,
        "organizationName": org.name,
        "profileId": person.text("ProfileId") or None,
        "roleId": person.text("UserRoleId") or None,
        "sessionSecondsValid": org.settings.access_token_lifetime_s,
        "userDefaultCurrencyIsoCode": None,
        "userEmail": person.text("Email"),
        "userFullName": person.name,
        "userId": person.user_id,
        "userLanguage": person.text("LanguageLocaleKey") or "en_US",
        "userLocale": person.text("LocaleSidKey") or "en_US",
        "userName": person.username,
        "userTimeZone": person.text("TimeZoneSidKey") or "GMT",
        "userType": person.text("UserType") or "Standard",
        "userUiSkin": "Theme3",
    }


def _timestamp(soap: SoapCall) -> Results:
    return [{"timestamp": csv_value(soap.call.org.clock.now())}]


def _writer(soap: SoapCall) -> WriteContext:
    return WriteContext(soap.call.user_id, via="soap", all_headers=soap.options.as_rest, text=True)


def _records(soap: SoapCall, name: str) -> list[tuple[str, dict[str, object]]]:
    found = soap.operation.all(name)
    _check_size(len(found))
    records = [(entry.value("type").strip() or entry.kind, _values(entry)) for entry in found]
    if soap.options.truncate:
        for kind, values in records:
            _cut_long(soap, kind, values)
    return records


def _cut_long(soap: SoapCall, kind: str, values: dict[str, object]) -> None:
    definition = soap.call.org.visible_object(kind, soap.call.user_id)
    for name, value in values.items():
        found = None if definition is None else definition.field(name)
        if found is not None and found.type in _CUT_TYPES and isinstance(value, str):
            values[name] = value[: found.length]


def _all_or_none(soap: SoapCall, results: Callable[[], list[SaveResult]]) -> list[SaveResult]:
    if not soap.options.all_or_none:
        return results()
    with soap.call.org.savepoint() as roll_back:
        found = results()
        if all(result.success for result in found):
            return found
        roll_back()
    return [SaveResult.refused(ROLLED_BACK) if result.success else result for result in found]


def _check_size(count: int) -> None:
    if count > _ROWS_MAX:
        text = f"record limit reached. cannot submit more than {_ROWS_MAX} records into this call"
        raise SoapFault(code="EXCEEDED_ID_LIMIT", message=text)


def _values(entry: Element) -> dict[str, object]:
    values: dict[str, object] = {}
    for child in entry.children:
        if child.name == "fieldsToNull":
            values[child.text.strip()] = _NULL
        elif child.children:
            values |= {f"{child.name}.{cell.name}": cell.text for cell in child.children if cell.name != "type"}
        elif child.name != "type" and not (child.name == "Id" and not child.text):
            values[child.name] = _NULL if child.is_nil else child.text
    return values


def _known(soap: SoapCall, name: str) -> str:
    definition = soap.call.org.visible_object(name, soap.call.user_id)
    if definition is None:
        refuse_absent(name)
        text = f"sObject type '{name}' is not supported."
        raise SoapFault(code="INVALID_TYPE", message=text, kind="InvalidSObjectFault")
    return definition.name


def _create(soap: SoapCall) -> Results:
    org, ctx = soap.call.org, _writer(soap)
    rows = _records(soap, "sObjects")
    return list(map(save_entry, _all_or_none(soap, lambda: [org.insert(_known(soap, k), row, ctx) for k, row in rows])))


def _update(soap: SoapCall) -> Results:
    org, ctx = soap.call.org, _writer(soap)
    rows = _records(soap, "sObjects")

    def write() -> list[SaveResult]:
        return [org.update(_known(soap, kind), str(row.pop("Id", "")), row, ctx) for kind, row in rows]

    return list(map(save_entry, _all_or_none(soap, write)))


def _upsert(soap: SoapCall) -> Results:
    org, ctx = soap.call.org, _writer(soap)
    key = (soap.operation.value("externalIDFieldName") or "Id").strip()
    rows = _records(soap, "sObjects")

    def write() -> list[SaveResult]:
        return [org.upsert(_known(soap, kind), key, row.pop(key, None), row, ctx) for kind, row in rows]

    return [save_entry(result, created=True) for result in _all_or_none(soap, write)]


def _ids(soap: SoapCall) -> list[tuple[str | None, str]]:
    found = [entry.text.strip() for entry in soap.operation.all("ids")]
    _check_size(len(found))
    pairs: list[tuple[str | None, str]] = []
    for row_id in found:
        definition = soap.call.org.object_of_id(normalize_id(row_id) or "")
        pairs.append((None if definition is None else definition.name, row_id))
    return pairs


def _malformed(row_id: str) -> SaveResult:
    return SaveResult.refused(BadValue("MALFORMED_ID", f"malformed id {row_id}").error)


def _delete(soap: SoapCall) -> Results:
    org, ctx = soap.call.org, _writer(soap)
    ids = _ids(soap)

    def write() -> list[SaveResult]:
        return [_malformed(row_id) if kind is None else org.delete(kind, row_id, ctx) for kind, row_id in ids]

    return list(map(save_entry, _all_or_none(soap, write)))


def _undelete(soap: SoapCall) -> Results:
    org, ctx = soap.call.org, _writer(soap)
    return [
        save_entry(_malformed(row_id) if kind is None else org.undelete(kind, row_id, ctx))
        for kind, row_id in _ids(soap)
    ]


def _empty_recycle_bin(soap: SoapCall) -> Results:
    org, ctx = soap.call.org, _writer(soap)
    results: Results = []
    for kind, row_id in _ids(soap):
        row = None if kind is None else org.row(kind, normalize_id(row_id) or "")
        if kind is None or row is None or not row.get("IsDeleted"):
            text = "Entity is not in the recycle bin"
            results.append(save_entry(SaveResult.refused(BadValue("UNDELETE_FAILED", text).error)))
        else:
            results.append(save_entry(org.delete(kind, row_id, ctx, hard=True)))
    return results


def _merge(soap: SoapCall) -> Results:
    results: Results = []
    for request in soap.operation.all("mergeRequests") or soap.operation.all("request"):
        _only(request, {"masterRecord", "recordToMergeIds"})
        master = request.find("masterRecord")
        losers = [entry.text.strip() for entry in request.all("recordToMergeIds")]
        kind = "" if master is None else master.value("type").strip() or master.kind
        values = {} if master is None else _values(master)
        try:
            master_id = str(values.pop("Id", ""))
            done = merge_rows(soap.call.org, kind, master_id, losers, values=values, ctx=_writer(soap))
            results.append(
                {"id": done.id, "mergedRecordIds": done.merged, "success": True, "updatedRelatedIds": done.moved}
            )
        except BadValue as bad:
            results.append(save_entry(SaveResult.refused(bad.error)))
    return results


def _convert_leads(soap: SoapCall) -> Results:
    results: Results = []
    known = {"leadId", "convertedStatus", "accountId", "contactId", "opportunityId", "opportunityName", "ownerId"}
    for request in soap.operation.all("leadConverts"):
        _only(request, known | {"doNotCreateOpportunity", "overwriteLeadSource", "sendNotificationEmail"})
        wanted = {child.name: child.text.strip() for child in request.children if not child.is_nil}
        try:
            results.append(_convert(soap, wanted))
        except BadValue as bad:
            entry = save_entry(SaveResult.refused(bad.error))
            results.append({"accountId": None, "contactId": None, **entry, "leadId": wanted.get("leadId")})
    return results


def _convert(soap: SoapCall, wanted: Mapping[str, str]) -> Mapping[str, object]:
    conversion = Conversion(
        account=wanted.get("accountId") or None,
        contact=wanted.get("contactId") or None,
        opportunity=wanted.get("doNotCreateOpportunity", "false") not in {"true", "1"},
        opportunity_id=wanted.get("opportunityId") or None,
        opportunity_name=wanted.get("opportunityName") or None,
        owner=wanted.get("ownerId") or None,
        status=wanted.get("convertedStatus", ""),
    )
    ctx = WriteContext(soap.call.user_id, via="soap")
    done = convert_lead(soap.call.org, wanted.get("leadId", ""), conversion, ctx)
    return {
        "accountId": done.account,
        "contactId": done.contact,
        "leadId": done.lead,
        "opportunityId": done.opportunity,
        "success": True,
    }


def _only(request: Element, known: Iterable[str]) -> None:
    unknown = next((child.name for child in request.children if child.name not in set(known)), None)
    if unknown is not None:
        what = f"{unknown} in a SOAP {request.name}"
        raise NotEmulated(what)
