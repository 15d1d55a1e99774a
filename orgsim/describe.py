"""Answers to describe calls: what an org shows of its schema to one user in one API version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, Final, cast

from orgsim.errors import not_found
from orgsim.schema.load import load_listed
from orgsim.schema.model import ChildRelationship, FieldDef, ObjectDef, PicklistValue, RecordTypeInfo
from orgsim.store.access import Access, field_access

if TYPE_CHECKING:
    from orgsim.org import Org

ENCODING: Final = "UTF-8"
BATCH_SIZE_MAX: Final = 200

# Keys that came with later versions. The recordings bracket them: v44 has none, v48 the first group, v52 (describe
# global) the second, v59 the third; within each bracket the version is our choice.
_SHAPE_KEYS_SINCE: Final = 46
_ASSOCIATE_KEYS_SINCE: Final = 52
_DESCRIBE_OPTION_SINCE: Final = 56
_DEFAULT_VALUES_URL_UNTIL: Final = 51  # every recorded describe of v44 and v48 has this url, none of the later ones
_SCOPING_RULE_SINCE: Final = 52  # absent in v48, present in v59

# Where the value of a `urls` key leads, below /services/data/vNN.0/sobjects/NAME.
_URL_PATHS: Final[Mapping[str, str]] = {
    "approvalLayouts": "/describe/approvalLayouts",
    "caseArticleSuggestions": "/suggestedArticles",
    "caseRowArticleSuggestions": "/{ID}/suggestedArticles",
    "compactLayouts": "/describe/compactLayouts",
    "defaultValues": "/defaultValues?recordTypeId&fields",
    "describe": "/describe",
    "eventSchema": "/eventSchema",
    "eventSeriesUpdates": "/{ID}/fromThisEventOnwards",
    "layouts": "/describe/layouts",
    "listviews": "/listviews",
    "namedLayouts": "/describe/namedLayouts/{LayoutName}",
    "passwordUtilities": "/{ID}/password",
    "quickActions": "/quickActions",
    "rowTemplate": "/{ID}",
    "sobject": "",
    "workOrderArticleSuggestions": "/suggestedArticles",
    "workOrderLineItemArticleSuggestions": "/suggestedArticles",
    "workOrderLineItemRowArticleSuggestions": "/{ID}/suggestedArticles",
    "workOrderRowArticleSuggestions": "/{ID}/suggestedArticles",
}
_DETAIL_ONLY_URLS: Final = frozenset(
    {"defaultValues", "eventSeriesUpdates", "uiDetailTemplate", "uiEditTemplate", "uiNewRecord"}
)
_EVERY_OBJECT_URLS: Final = ("rowTemplate", "describe", "sobject")

_GLOBAL_FLAGS: Final = (
    "activateable", "createable", "custom", "customSetting", "deletable", "deprecatedAndHidden", "feedEnabled",
    "hasSubtypes", "isSubtype", "layoutable", "mergeable", "mruEnabled", "queryable", "replicateable", "retrieveable",
    "searchable", "triggerable", "undeletable", "updateable",
)  # fmt: skip
_DETAIL_FLAGS: Final = (*_GLOBAL_FLAGS, "compactLayoutable", "searchLayoutable")
_SHAPE_FLAGS: Final = ("deepCloneable", "isInterface")
_ALWAYS_NULL: Final = ("listviewable", "lookupLayoutable", "networkScopeFieldName")
_SHAPE_NULLS: Final = (
    "defaultImplementation",
    "extendedBy",
    "extendsInterfaces",
    "implementedBy",
    "implementsInterfaces",
)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


_FIELD_KEYS: Final = tuple(
    sorted((_camel(entry.name), entry.name) for entry in dataclass_fields(FieldDef) if entry.name != "since_version")
)
_FLAG_ATTRIBUTES: Final = {flag: _snake(flag) for flag in (*_DETAIL_FLAGS, *_SHAPE_FLAGS)}


def field_attributes() -> tuple[tuple[str, str], ...]:
    """Return (describe name, attribute of FieldDef) for every property of a field."""
    return _FIELD_KEYS


def flag_attributes() -> Mapping[str, str]:
    """Return attributes of ObjectDef by the describe names of an object's flags."""
    return _FLAG_ATTRIBUTES


def describe_global(org: Org, user_id: str, version: str) -> dict[str, object]:
    """Return the answer to `GET /sobjects`: every object that this user can see.

    Objects which a real org would also list but which orgsim cannot describe are left out (clients that describe all
    they find listed would stumble over them), unless `settings.extra["list_undescribed"]` is `yes`.
    """
    number = version_number(version)
    shown = [entry for name in org.objects if (entry := org.visible_object(name, user_id)) is not None]
    if _lists_undescribed(org):
        shown += load_listed()
    return {
        "encoding": ENCODING,
        "maxBatchSize": BATCH_SIZE_MAX,
        "sobjects": [describe_briefly(entry, number) for entry in sorted(shown, key=lambda entry: entry.name)],
    }


def describe_briefly(definition: ObjectDef, version: int) -> dict[str, object]:
    """Return one entry of describe global; also the `objectDescribe` block of `GET /sobjects/NAME`."""
    entry: dict[str, object] = {flag: getattr(definition, _FLAG_ATTRIBUTES[flag]) for flag in _GLOBAL_FLAGS}
    entry |= _names(definition)
    _add_shape(entry, definition, version)
    keys = (*_EVERY_OBJECT_URLS, *(key for key in definition.urls if key not in _DETAIL_ONLY_URLS))
    entry["urls"] = {key: _url(definition, key, version, "") for key in keys}
    return dict(sorted(entry.items()))


def describe_object(org: Org, name: str, user_id: str, version: str) -> dict[str, object]:
    """Return the answer to `GET /sobjects/NAME/describe`; ApiError 404 if the object does not exist for this user.

    Fields that the user may not read are absent; fields that they may not edit are neither createable nor updateable.
    """
    definition = org.visible_object(name, user_id)
    if definition is None:
        raise not_found()
    number = version_number(version)
    entry: dict[str, object] = {flag: getattr(definition, _FLAG_ATTRIBUTES[flag]) for flag in _DETAIL_FLAGS}
    rights = org.rights(definition.name, user_id)
    for right, flag in (("Create", "createable"), ("Edit", "updateable"), ("Delete", "deletable")):
        entry[flag] = bool(entry[flag]) and right in rights
    entry |= dict.fromkeys(_ALWAYS_NULL)
    entry |= _names(definition)
    _add_shape(entry, definition, number)
    if number >= _SHAPE_KEYS_SINCE:
        entry |= dict.fromkeys(_SHAPE_NULLS)
    if number >= _DESCRIBE_OPTION_SINCE:
        entry["sobjectDescribeOption"] = "FULL"
    entry["actionOverrides"], entry["namedLayoutInfos"] = [], []
    entry["childRelationships"] = [_child(child) for child in definition.child_relationships]
    entry["fields"] = _fields(definition, field_access(org, definition.name, user_id), number)
    if not _lists_undescribed(org):
        for field in entry["fields"]:
            field["referenceTo"] = [
                name for name in cast("list[str]", field["referenceTo"]) if name.lower() in org.objects
            ]
    entry["recordTypeInfos"] = [_record_type(definition, info, number) for info in record_types(org, definition)]
    entry["supportedScopes"] = [
        {"label": label, "name": scope}
        for scope, label in definition.supported_scopes
        if scope != "scopingRule" or number >= _SCOPING_RULE_SINCE
    ]
    keys = [*_EVERY_OBJECT_URLS, *definition.urls]
    if number <= _DEFAULT_VALUES_URL_UNTIL and not definition.custom:
        keys.append("defaultValues")
    entry["urls"] = {key: _url(definition, key, number, org.instance_url) for key in keys}
    return dict(sorted(entry.items()))


def _lists_undescribed(org: Org) -> bool:
    return org.settings.extra.get("list_undescribed") == "yes"


def version_number(version: str) -> int:
    """Return 62 for "62.0"; ValueError for what is no version."""
    return int(version.partition(".")[0])


def describe_field(field: FieldDef, *, editable: bool = True) -> dict[str, object]:
    """Return the 57 properties of one field, by their describe names."""
    entry: dict[str, object] = {shown: getattr(field, attribute) for shown, attribute in _FIELD_KEYS}
    entry["picklistValues"] = [_picklist_value(value) for value in field.picklist_values]
    entry["referenceTo"] = list(field.reference_to)
    if not editable:
        entry["createable"] = entry["updateable"] = False
    return entry


def record_types(org: Org, definition: ObjectDef) -> list[RecordTypeInfo]:
    """Return the record types of an object: the active rows of RecordType by name, then the master one.

    Once there are others, the first of them is the default mapping instead of the master (as recorded).
    """
    table = org.tables.get("recordtype")
    if not definition.record_type_infos or table is None:
        return list(definition.record_type_infos)
    rows = sorted(
        (row for row in table.scan() if row.get("SobjectType") == definition.name and row.get("IsActive")),
        key=lambda row: str(row.get("Name")),
    )
    infos = [
        RecordTypeInfo(
            str(row["Id"]),
            str(row.get("Name")),
            str(row.get("DeveloperName")),
            default_record_type_mapping=place == 0,
            master=False,
        )
        for place, row in enumerate(rows)
    ]
    masters = [info for info in definition.record_type_infos if info.master]
    known = {info.record_type_id for info in infos}
    others = [info for info in definition.record_type_infos if not info.master and info.record_type_id not in known]
    if infos:
        masters = [RecordTypeInfo(info.record_type_id, default_record_type_mapping=False) for info in masters]
    return [*infos, *others, *masters]


def _names(definition: ObjectDef) -> dict[str, object]:
    return {
        "keyPrefix": definition.key_prefix,
        "label": definition.label,
        "labelPlural": definition.label_plural,
        "name": definition.name,
    }


def _add_shape(entry: dict[str, object], definition: ObjectDef, version: int) -> None:
    if version >= _SHAPE_KEYS_SINCE:
        entry |= {flag: getattr(definition, _FLAG_ATTRIBUTES[flag]) for flag in _SHAPE_FLAGS}
    if version >= _ASSOCIATE_KEYS_SINCE:
        entry["associateEntityType"] = definition.associate_entity_type
        entry["associateParentEntity"] = definition.associate_parent_entity


def _fields(definition: ObjectDef, access: Access, version: int) -> list[dict[str, object]]:
    return [
        describe_field(field, editable=field.name.lower() in access.editable)
        for field in definition.fields
        if field.name.lower() in access.readable and field.since_version <= version
    ]


def _picklist_value(value: PicklistValue) -> dict[str, object]:
    return {
        "active": value.active,
        "defaultValue": value.default_value,
        "label": value.label,
        "validFor": value.valid_for,
        "value": value.value,
    }


def _child(child: ChildRelationship) -> dict[str, object]:
    return {
        "cascadeDelete": child.cascade_delete,
        "childSObject": child.child_sobject,
        "deprecatedAndHidden": child.deprecated_and_hidden,
        "field": child.field,
        "junctionIdListNames": list(child.junction_id_list_names),
        "junctionReferenceTo": list(child.junction_reference_to),
        "relationshipName": child.relationship_name,
        "restrictedDelete": child.restricted_delete,
    }


def _record_type(definition: ObjectDef, info: RecordTypeInfo, version: int) -> dict[str, object]:
    layout = f"/services/data/v{version}.0/sobjects/{definition.name}/describe/layouts/{info.record_type_id}"
    return {
        "active": info.active,
        "available": info.available,
        "defaultRecordTypeMapping": info.default_record_type_mapping,
        "developerName": info.developer_name,
        "master": info.master,
        "name": info.name,
        "recordTypeId": info.record_type_id,
        "urls": {"layout": layout},
    }


def _url(definition: ObjectDef, key: str, version: int, instance_url: str) -> str:
    pages: Mapping[str, Callable[[], str]] = {
        "uiDetailTemplate": lambda: f"{instance_url}/{{ID}}",
        "uiEditTemplate": lambda: f"{instance_url}/{{ID}}/e",
        "uiNewRecord": lambda: f"{instance_url}/{definition.key_prefix}/e",
    }
    if key in pages:
        return pages[key]()
    return f"/services/data/v{version}.0/sobjects/{definition.name}{_URL_PATHS[key]}"
