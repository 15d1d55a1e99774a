"""EntityDefinition and FieldDefinition: the schema as rows, made anew for every query, with the real grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orgsim.errors import ApiError, NotEmulated
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.soql.ast import Comparison, Condition, Every, FieldPath, Query, SelectExpression
from orgsim.store.results import Row

if TYPE_CHECKING:
    from orgsim.org import Org

ENTITY: Final = "EntityDefinition"
FIELD: Final = "FieldDefinition"
DEFINITIONS: Final = frozenset({ENTITY.lower(), FIELD.lower()})
ROWS_MAX: Final = 100_000
"""The whole result is one page: these objects have no queryMore."""

CUSTOMIZABLE: Final = frozenset(
    """Account Asset Campaign CampaignMember Case Contact Contract Event Individual Lead OperatingHours Opportunity
    OpportunityContactRole OpportunityLineItem Order OrderItem Pricebook2 PricebookEntry Product2 Task User""".split()
)
_ENTITY_TEXTS: Final = (
    "DurableId", "QualifiedApiName", "DeveloperName", "NamespacePrefix", "MasterLabel", "Label", "PluralLabel",
    "KeyPrefix",
)  # fmt: skip
_ENTITY_FLAGS: Final = {
    "IsApexTriggerable": "triggerable",
    "IsCustomSetting": "custom_setting",
    "IsDeprecatedAndHidden": "deprecated_and_hidden",
    "IsEverCreatable": "createable",
    "IsEverDeletable": "deletable",
    "IsEverUpdatable": "updateable",
    "IsFeedEnabled": "feed_enabled",
    "IsCompactLayoutable": "compact_layoutable",
    "IsLayoutable": "layoutable",
    "IsMruEnabled": "mru_enabled",
    "IsQueryable": "queryable",
    "IsReplicateable": "replicateable",
    "IsRetrieveable": "retrieveable",
    "IsSearchLayoutable": "search_layoutable",
    "IsSearchable": "searchable",
    "IsTriggerable": "triggerable",
    "HasSubtypes": "has_subtypes",
    "IsSubtype": "is_subtype",
}
_FIELD_TEXTS: Final = (
    "DurableId", "QualifiedApiName", "DeveloperName", "NamespacePrefix", "MasterLabel", "Label", "RelationshipName",
    "ExtraTypeInfo",
)  # fmt: skip
_FIELD_FLAGS: Final = {
    "IsApiFilterable": "filterable",
    "IsApiGroupable": "groupable",
    "IsApiSortable": "sortable",
    "IsCalculated": "calculated",
    "IsHighScaleNumber": "high_scale_number",
    "IsHtmlFormatted": "html_formatted",
    "IsNameField": "name_field",
    "IsNillable": "nillable",
    "IsPolymorphicForeignKey": "polymorphic_foreign_key",
}
_FIELD_NUMBERS: Final = ("Length", "Precision", "Scale")
_REIFIED: Final = frozenset(
    {"entitydefinitionid", "durableid", "entitydefinition.qualifiedapiname", "entitydefinition.durableid"}
)
_NO_FILTER: Final = "FieldDefinition: a filter on a reified column is required [EntityDefinitionId,DurableId]"


def org_of_definitions(org: Org, query: Query, user_id: str) -> Org:
    """Return an org whose only rows are the definitions of what this user sees; refuses what these objects refuse."""
    _check(query)
    entities = [entry for name in org.objects if (entry := org.visible_object(name, user_id)) is not None]
    shadow = type(org)(
        {ENTITY.lower(): _entity_object(), FIELD.lower(): _field_object()},
        name=org.name,
        instance_url=org.instance_url,
        clock=org.clock,
    )
    shadow.load(ENTITY, [_entity_row(entry) for entry in entities])
    if query.object_name.lower() == FIELD.lower():
        shadow.load(FIELD, [_field_row(entry, field) for entry in entities for field in _readable(org, entry, user_id)])
    return shadow


def _readable(org: Org, definition: ObjectDef, user_id: str) -> list[FieldDef]:
    return org.visible_fields(definition.name, user_id)


def _check(query: Query) -> None:
    if query.counts_only or query.group_by or query.having or query.offset:
        what = f"COUNT(), GROUP BY and OFFSET on {query.object_name}"
        raise NotEmulated(what)
    for item in query.select:
        path = item.expression if isinstance(item, SelectExpression) else None
        if isinstance(path, FieldPath) and path.names[-1].lower() == "id":
            what = f"the Id of {query.object_name} (ask for DurableId)"
            raise NotEmulated(what)
        known = _KNOWN_ENTITY if query.object_name.lower() == ENTITY.lower() else _KNOWN_FIELD
        if isinstance(path, FieldPath) and len(path.names) == 1 and path.names[0].lower() not in known:
            what = f"the column {path.names[0]} of {query.object_name}"
            raise NotEmulated(what)
    if query.object_name.lower() == FIELD.lower() and not _reified(query.where):
        raise ApiError(400, "MALFORMED_QUERY", _NO_FILTER)


def _reified(condition: Condition | None) -> bool:
    if isinstance(condition, Every):
        return any(_reified(part) for part in condition.parts)
    left = condition.left if isinstance(condition, Comparison) else None
    return isinstance(left, FieldPath) and ".".join(left.names).lower() in _REIFIED


def _entity_object() -> ObjectDef:
    fields = [_id_field(), *(_text_field(name) for name in _ENTITY_TEXTS)]
    fields += [_flag_field(name) for name in (*_ENTITY_FLAGS, "IsCustomizable")]
    return ObjectDef(ENTITY, "Entity Definition", "Entity Definitions", "4ie", fields)


def _field_object() -> ObjectDef:
    parent = _text_field("EntityDefinitionId")
    parent.reference_to, parent.relationship_name = [ENTITY], ENTITY  # text, because a DurableId is no record id
    fields = [_id_field(), parent, *(_text_field(name) for name in _FIELD_TEXTS)]
    fields += [_flag_field(name) for name in (*_FIELD_FLAGS, "IsIndexed")]
    fields += [FieldDef(name, "int", digits=9, soap_type="xsd:int") for name in _FIELD_NUMBERS]
    return ObjectDef(FIELD, "Field Definition", "Field Definitions", "4fe", fields)


def _id_field() -> FieldDef:
    return FieldDef("Id", "id", length=18, byte_length=18, soap_type="tns:ID", nillable=False)


def _text_field(name: str) -> FieldDef:
    return FieldDef(name, "string", length=255, byte_length=765)


def _flag_field(name: str) -> FieldDef:
    return FieldDef(name, "boolean", soap_type="xsd:boolean", default_value=False, nillable=False)


def _entity_row(definition: ObjectDef) -> Row:
    names: Row = {
        "Id": definition.name,
        "DurableId": definition.name,
        "QualifiedApiName": definition.name,
        "DeveloperName": definition.name.removesuffix("__c"),
        "MasterLabel": definition.label,
        "Label": definition.label,
        "PluralLabel": definition.label_plural,
        "KeyPrefix": definition.key_prefix,
        "IsCustomizable": definition.custom or definition.name in CUSTOMIZABLE,
    }
    return names | {shown: bool(getattr(definition, attribute)) for shown, attribute in _ENTITY_FLAGS.items()}


def _field_row(definition: ObjectDef, field: FieldDef) -> Row:
    reference = field.type == "reference" and not field.custom
    short = field.name.removesuffix("Id") if reference else field.name.removesuffix("__c")
    durable = f"{definition.name}.{short}"
    names: Row = {
        "Id": durable,
        "DurableId": durable,
        "EntityDefinitionId": definition.name,
        "QualifiedApiName": field.name,
        "DeveloperName": short,
        "MasterLabel": field.label,
        "Label": field.label,
        "RelationshipName": field.relationship_name,
        "ExtraTypeInfo": field.extra_type_info,
        "Length": field.length,
        "Precision": field.precision,
        "Scale": field.scale,
        "IsIndexed": field.external_id or field.unique or field.type in {"id", "reference"},
    }
    return names | {shown: bool(getattr(field, attribute)) for shown, attribute in _FIELD_FLAGS.items()}


_KNOWN_ENTITY: Final = frozenset(entry.name.lower() for entry in _entity_object().fields)
_KNOWN_FIELD: Final = frozenset(entry.name.lower() for entry in _field_object().fields)
