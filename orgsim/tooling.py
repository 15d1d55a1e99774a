"""Tooling API as far as data clients go: make, look up, change and delete custom fields.

A field made here is invisible to everyone, administrators too, until FieldPermissions grant it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, cast

from orgsim.bulk.jobs import session_of
from orgsim.custom_fields import INTEGRITY, Metadata, make_field
from orgsim.ids import normalize_id
from orgsim.org import Org
from orgsim.router import Call, Route
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.soql.definitions import DEFINITIONS
from orgsim.store.results import Row, WriteContext
from orgsim.wire import ApiError, NotEmulated, Response, empty_response, json_response

FIELD_PREFIX: Final = "00N"
ACTIVITY: Final = "activity"
ACTIVITIES: Final = ("Task", "Event")
_NAME: Final = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
_NAME_CHARACTERS_MAX: Final = 43
_ROWS_MAX: Final = 100_000
_BASE: Final = "/services/data/{version}/tooling"
_FROM: Final = re.compile(r"\bfrom\s+(\w+)", re.IGNORECASE)
_WHOLE_COLUMNS: Final = re.compile(r"(?:\s*,\s*(?:FullName|Metadata)\b|\b(?:FullName|Metadata)\s*,)", re.IGNORECASE)
_MEMBERS: Final = """businessOwnerGroup businessOwnerUser businessStatus caseSensitive complianceGroup customDataType
    defaultValue deleteConstraint deprecated description displayFormat displayLocationInDecimal encryptionScheme
    escapeMarkup externalDeveloperName externalId formula formulaTreatBlanksAs inlineHelpText isAIPredictionField
    isConvertLeadDisabled isFilteringDisabled isNameField isSortingDisabled label length lookupFilter maskChar maskType
    metadataRelationshipControllingField populateExistingRows precision readOnlyProxy referenceTargetField referenceTo
    relationshipLabel relationshipName relationshipOrder reparentableMasterDetail required restrictedAdminField scale
    securityClassification startingNumber stripMarkup summarizedField summaryFilterItems summaryForeignKey
    summaryOperation trackFeedHistory trackHistory trackTrending translateData type unique urls valueSet visibleLines
    writeRequiresMasterRead""".split()

_SHADOW_TEXTS: Final = (
    "TableEnumOrId",
    "EntityDefinitionId",
    "DeveloperName",
    "NamespacePrefix",
    "InlineHelpText",
    "ManageableState",
)


@dataclass(slots=True)
class Tooling:
    """The custom fields of one org by tooling id, and the routes that touch them."""

    ids: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    given: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])

    def clear(self) -> None:
        """Forget all ids, because the org was made anew."""
        self.ids.clear()
        self.given.clear()

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of this part."""
        one = f"{_BASE}/sobjects/CustomField/{{id}}"
        return (
            Route("POST", f"{_BASE}/sobjects/CustomField", self.create),
            Route("GET", one, self.read),
            Route("PATCH", one, self.change),
            Route("DELETE", one, self.delete),
            Route("GET", f"{_BASE}/query", self.query),
        )

    def create(self, call: Call) -> Response:
        """`POST tooling/sobjects/CustomField`."""
        wanted = call.request.json_object()
        _may_customize(call)
        metadata = _metadata(wanted)
        field_id = self.add(call.org, str(wanted.get("FullName") or ""), metadata, granted=False)
        return json_response({"id": field_id, "success": True, "errors": [], "warnings": [], "infos": []}, 201)

    def add(self, org: Org, full_name: str, metadata: Metadata, *, granted: bool, activity: bool = False) -> str:
        """Make a field and return its tooling id; ApiError as the real service would. `granted` shows it to all.

        Tasks and events share their custom fields: they are made on Activity and on neither of the two.
        """
        owner, _, name = full_name.partition(".")
        if owner.lower() == ACTIVITY:
            made = [self.add(org, f"{each}.{name}", metadata, granted=granted, activity=True) for each in ACTIVITIES]
            return made[0]
        definition, name = _target(org, full_name)
        if definition.name in ACTIVITIES and not activity:
            text = f"Entity Enumeration Or ID: bad value for restricted picklist field: {definition.name}"
            raise ApiError(400, INTEGRITY, text)
        if definition.field(name) is not None:
            text = f"There is already a field named {name.removesuffix('__c')} on {definition.name}."
            raise ApiError(400, "DUPLICATE_DEVELOPER_NAME", text)
        made = make_field(name, metadata)
        taken = sum(entry.external_id for entry in definition.fields)
        if made.external_id and taken >= org.settings.external_ids_per_object_max:
            raise ApiError(400, INTEGRITY, "You have reached the maximum number of external IDs")
        org.add_field(definition.name, made, granted=granted or not made.permissionable)
        field_id = org.new_id(FIELD_PREFIX)
        self.ids[definition.name, made.name] = field_id
        self.given[field_id] = dict(metadata)
        return field_id

    def read(self, call: Call) -> Response:
        """`GET tooling/sobjects/CustomField/<id>`."""
        definition, entry = self._found(call)
        return json_response(self._document(call, definition, entry))

    def change(self, call: Call) -> Response:
        """`PATCH tooling/sobjects/CustomField/<id>` with the full Metadata."""
        definition, entry = self._found(call)
        _may_customize(call)
        self.replace(call.org, (definition, entry), _metadata(call.request.json_object()))
        return empty_response()

    def replace(self, org: Org, found: tuple[ObjectDef, FieldDef], metadata: Metadata) -> None:
        """Give a field a new description; ApiError if its type would change."""
        definition, entry = found
        changed = make_field(entry.name, metadata)
        if changed.type != entry.type:
            raise ApiError(400, INTEGRITY, "Cannot change the type of a field")
        definition.fields[definition.fields.index(entry)] = changed
        self.given[self.id_of(org, definition, entry)] = dict(metadata)
        definition.remove_field("")  # drops the definition's own index of names
        org.metadata_changed()

    def delete(self, call: Call) -> Response:
        """`DELETE tooling/sobjects/CustomField/<id>`."""
        definition, entry = self._found(call)
        _may_customize(call)
        self.remove(call.org, (definition, entry))
        return empty_response()

    def remove(self, org: Org, found: tuple[ObjectDef, FieldDef]) -> None:
        """Take a field away."""
        definition, entry = found
        org.remove_field(definition.name, entry.name)
        self.given.pop(self.ids.pop((definition.name, entry.name), ""), None)

    def find(self, org: Org, full_name: str) -> tuple[ObjectDef, FieldDef] | None:
        """Return the custom field of this name, such as Account.Legacy__c, or None."""
        object_name, _, name = full_name.partition(".")
        owner = org.objects.get(object_name.lower())
        entry = None if owner is None else owner.field(name)
        return None if owner is None or entry is None or not entry.custom else (owner, entry)

    def metadata_of(self, org: Org, found: tuple[ObjectDef, FieldDef]) -> dict[str, object]:
        """Return a field's Metadata; unset members are None."""
        return self._metadata_view(found[1], self.id_of(org, *found))

    def query(self, call: Call) -> Response:
        """`GET tooling/query?q=`: SELECT from CustomField; other objects are not emulated."""
        soql = call.request.param("q") or ""
        found = _FROM.search(soql)
        if found is None:
            raise ApiError(400, "MALFORMED_QUERY", "unexpected token: <EOF>")
        if found[1].lower() in DEFINITIONS:
            return self._definitions(call, soql)
        if found[1].lower() != "customfield":
            what = f"the tooling object {found[1]}"
            raise NotEmulated(what)
        whole = _WHOLE_COLUMNS.search(soql) is not None
        shadow = self._shadow(call.org)
        payload, records = _asked(shadow, call, _WHOLE_COLUMNS.sub("", soql))
        if whole and len(records) > 1:
            text = (
                "When retrieving results with Metadata or FullName fields, the query qualifications must specify no "
                f"more than one row for retrieval. Result size: {len(records)}"
            )
            raise ApiError(400, "MALFORMED_QUERY", text)
        for record in records:
            self._finish(call, record, whole=whole)
        return _result_page(payload, records, "CustomField")

    def _definitions(self, call: Call, soql: str) -> Response:
        """Answer a query of EntityDefinition or FieldDefinition, which the data API knows too."""
        payload, records = _asked(call.org, call, soql)
        for record in records:
            attributes = cast("dict[str, str]", record["attributes"])
            attributes["url"] = attributes["url"].replace("/sobjects/", "/tooling/sobjects/", 1)
        kind = next((cast("dict[str, str]", record["attributes"])["type"] for record in records), None)
        return _result_page(payload, records, kind)

    def _finish(self, call: Call, record: dict[str, object], *, whole: bool) -> None:
        attributes = cast("dict[str, str]", record.get("attributes") or {})
        row_id = attributes.get("url", "").rpartition("/")[2]
        record["attributes"] = {
            "type": "CustomField",
            "url": f"/services/data/v{call.version}/tooling/sobjects/CustomField/{row_id}",
        }
        if whole:
            definition, entry = self._by_id(call.org, row_id)
            record["FullName"] = f"{definition.name}.{entry.name}"
            record["Metadata"] = self._metadata_view(entry, row_id)

    def _shadow(self, org: Org) -> Org:
        """Return an org that holds nothing but today's custom fields as rows, to be asked with the real grammar."""
        definition = _custom_field_object()
        shadow = Org({"customfield": definition}, name=org.name, instance_url=org.instance_url, clock=org.clock)
        rows: list[Row] = []
        for owner in org.objects.values():
            for entry in owner.fields:
                if entry.custom:
                    rows.append(self._row(org, owner, entry))  # noqa: PERF401  # a comprehension would hide the nesting
        shadow.load("CustomField", rows)
        return shadow

    def id_of(self, org: Org, owner: ObjectDef, entry: FieldDef) -> str:
        """Return the tooling id of a custom field, given out when first asked for."""
        key = (owner.name, entry.name)
        if key not in self.ids:
            self.ids[key] = org.new_id(FIELD_PREFIX)
        return self.ids[key]

    def _row(self, org: Org, owner: ObjectDef, entry: FieldDef) -> Row:
        return {
            "Id": self.id_of(org, owner, entry),
            "TableEnumOrId": owner.name,
            "EntityDefinitionId": owner.name,
            "DeveloperName": entry.name.removesuffix("__c"),
            "Length": entry.length or None,
            "Precision": entry.precision or None,
            "Scale": entry.scale if entry.precision else None,
            "InlineHelpText": entry.inline_help_text,
            "ManageableState": "unmanaged",
        }

    def _found(self, call: Call) -> tuple[ObjectDef, FieldDef]:
        return self._by_id(call.org, normalize_id(call.params["id"]) or "")

    def _by_id(self, org: Org, field_id: str) -> tuple[ObjectDef, FieldDef]:
        for owner in org.objects.values():
            for entry in owner.fields:
                if entry.custom and self.id_of(org, owner, entry) == field_id:
                    return owner, entry
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")

    def _document(self, call: Call, definition: ObjectDef, entry: FieldDef) -> dict[str, object]:
        row = self._row(call.org, definition, entry)
        field_id = str(row["Id"])
        url = f"/services/data/v{call.version}/tooling/sobjects/CustomField/{field_id}"
        return {
            "attributes": {"type": "CustomField", "url": url},
            **row,
            "Description": self.given.get(field_id, {}).get("description"),
            "RelationshipLabel": None,
            "SummaryOperation": None,
            "MaskType": None,
            "MaskChar": None,
            "NamespacePrefix": None,
            "Metadata": self._metadata_view(entry, field_id),
            "FullName": f"{definition.name}.{entry.name}",
        }

    def _metadata_view(self, entry: FieldDef, field_id: str) -> dict[str, object]:
        view: dict[str, object] = {str(name): None for name in _MEMBERS}
        view |= {
            "label": entry.label,
            "externalId": entry.external_id,
            "unique": entry.unique,
            "caseSensitive": entry.case_sensitive if entry.unique else None,
            "length": entry.length or None,
            "required": not entry.nillable,
        }
        return view | {name: value for name, value in self.given.get(field_id, {}).items() if name in view}


def _asked(org: Org, call: Call, soql: str) -> tuple[dict[str, object], list[dict[str, object]]]:
    context = WriteContext(session_of(call.request).user_id, via="tooling")
    page = org.query(soql, ctx=context, page_rows=_ROWS_MAX)
    payload = page.payload(call.version)
    payload["records"] = records = [dict(record) for record in cast("list[dict[str, object]]", payload["records"])]
    return payload, records


def _result_page(payload: dict[str, object], records: list[dict[str, object]], kind: str | None) -> Response:
    view = {
        "size": len(records),
        "totalSize": payload["totalSize"],
        "done": True,
        "queryLocator": None,
        "entityTypeName": kind,
        "records": records,
    }
    return json_response(view)


def _custom_field_object() -> ObjectDef:
    fields = [FieldDef("Id", "id", length=18, byte_length=18, soap_type="tns:ID", nillable=False)]
    fields += [FieldDef(name, "string", length=255, byte_length=765) for name in _SHADOW_TEXTS]
    fields += [FieldDef(name, "int", digits=9, soap_type="xsd:int") for name in ("Length", "Precision", "Scale")]
    return ObjectDef("CustomField", "Custom Field", "Custom Fields", FIELD_PREFIX, fields)


def _target(org: Org, full_name: str) -> tuple[ObjectDef, str]:
    object_name, _, name = full_name.partition(".")
    definition = org.objects.get(object_name.lower())
    if definition is None:
        raise ApiError(
            400, INTEGRITY, f"Entity Enumeration Or ID: bad value for restricted picklist field: {object_name}"
        )
    if not _NAME.fullmatch(name) or len(name) > _NAME_CHARACTERS_MAX:
        text = (
            "Field Name: The Field Name can only contain underscores and alphanumeric characters. It must begin with a "
            "letter, not include spaces, not end with an underscore, and not contain two consecutive underscores."
        )
        raise ApiError(400, INTEGRITY, text)
    return definition, name


def _metadata(wanted: Metadata) -> Metadata:
    metadata = wanted.get("Metadata")
    if not isinstance(metadata, dict):
        raise ApiError(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Metadata]", ["Metadata"])
    return cast("Metadata", metadata)


def _may_customize(call: Call) -> None:
    if not call.org.privileges(call.user_id).customize_application:
        text = "insufficient access rights on object id"
        raise ApiError(403, "INSUFFICIENT_ACCESS_OR_READONLY", text)
