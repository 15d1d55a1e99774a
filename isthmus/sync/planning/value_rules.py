"""Owners, record types and picklist values: what a step's maps mean, judged by the describes of both orgs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from isthmus.salesforce.schema import ObjectDescribe
from isthmus.sync.model import (
    ANY_OTHER,
    Column,
    ColumnKind,
    Issue,
    OwnerRule,
    PicklistRule,
    RecordTypeRule,
    UserKey,
    ValueType,
)
from isthmus.sync.planning.field_rules import PICKLIST_TYPES, writable
from isthmus.sync.planning.issues import error, hint, warning
from isthmus.sync.spec import DeletesSpec, StepSpec

OWNER: Final = "OwnerId"
RECORD_TYPE: Final = "RecordTypeId"
OWN_RULES: Final = frozenset({OWNER.casefold(), RECORD_TYPE.casefold()})
"""Ids of one org mean nothing in another: these fields are never copied, they have rules."""
_KEYS: Final = {"username": UserKey.USERNAME, "email": UserKey.EMAIL, "federation_id": UserKey.FEDERATION_ID}


def owner_column(
    where: str, step: StepSpec, source: ObjectDescribe, target: ObjectDescribe, issues: list[Issue]
) -> Column | None:
    """Return the column that sets the owner, or None: records then belong to the connected user."""
    place = f"{where}.owner"
    ours = target.field(OWNER)
    if step.owner is None:
        if ours is not None and step.fields == "auto":
            text = "OwnerId is left out: records belong to the connected user in the target"
            issues.append(hint("own_rule", place, text, "Say who owns them with `owner`."))
        return None
    theirs = source.field(OWNER)
    if ours is None or not writable(ours):
        text = f"{target.name} has no owner in the target that the connected user may set"
        issues.append(error("owner_unusable", place, text, "Leave `owner` out."))
        return None
    if step.owner.match is not None and theirs is None:
        text = f"{source.name} has no owner in the source"
        issues.append(error("owner_unusable", place, text, "Name one owner with `user`."))
        return None
    if step.owner.match is not None and step.owner.fallback is None:
        text = "records whose owner has no active counterpart in the target will fail"
        issues.append(hint("owner_no_fallback", place, text, "Name a `fallback` user."))
    match = None if step.owner.match is None else _KEYS[step.owner.match]
    return Column(
        target=ours.name,
        kind=ColumnKind.MAP,
        source="Id" if match is None or theirs is None else theirs.name,
        rule=OwnerRule(user=step.owner.user, match=match, fallback=step.owner.fallback),
    )


def record_type_column(
    where: str, step: StepSpec, source: ObjectDescribe, target: ObjectDescribe, issues: list[Issue]
) -> Column | None:
    """Return the column that sets the record type, or None: records then get the target's default one.

    Without `record_types`, and with `fields: auto`, types travel if each has its namesake in the target.
    """
    place = f"{where}.record_types"
    wanted = step.record_types
    theirs, ours = source.field(RECORD_TYPE), target.field(RECORD_TYPE)
    known = {each.developer_name for each in target.record_types if each.active and not each.master}
    used = {each.developer_name for each in source.record_types if each.active and not each.master}
    silent = wanted is None
    if wanted == "ignore" or (silent and (step.fields != "auto" or not used)):
        return None
    if theirs is None or ours is None or not writable(ours):
        if not silent:
            text = f"{target.name} has no record types in both orgs that the connected user may set"
            issues.append(error("record_types_unusable", place, text, "Leave `record_types` out."))
        return None
    names = wanted if isinstance(wanted, dict) else {}
    issues.extend(_name_issues(place, names, used, known, target.name))
    missing = sorted(name for name in used if names.get(name, names.get(ANY_OTHER, name)) not in known)
    if missing:
        what = "record types are left out" if silent else "records of these types will fail"
        text = f"{what}: {target.name} lacks in the target {', '.join(missing[:5])}"
        remedy = "Map them: `record_types: {Theirs: Ours}`, with `*` for all others."
        issues.append(warning("record_type_missing", place, text, remedy))
        if silent:
            return None
    return Column(target=ours.name, kind=ColumnKind.MAP, source=theirs.name, rule=RecordTypeRule(names=dict(names)))


def _name_issues(place: str, names: dict[str, str], used: set[str], known: set[str], target: str) -> list[Issue]:
    issues: list[Issue] = []
    for theirs, ours in names.items():
        if ours not in known:
            text = f"{target} has no record type {ours} in the target"
            remedy = "Check the developer name, and that the connected user may use the type."
            issues.append(error("record_type_unknown", f"{place}.{theirs}", text, remedy))
        elif theirs not in used and theirs != ANY_OTHER:
            text = f"the source has no record type {theirs}"
            issues.append(warning("record_type_unused", f"{place}.{theirs}", text, "Check the name."))
    return issues


def with_picklists(
    where: str, step: StepSpec, source: ObjectDescribe, target: ObjectDescribe, columns: Sequence[Column]
) -> tuple[list[Column], list[Issue]]:
    """Return the columns with the step's value maps put in, and what is wrong with the maps."""
    issues: list[Issue] = []
    found = list(columns)
    places = {column.target.casefold(): number for number, column in enumerate(found)}
    for name, values in step.picklists.items():
        place = f"{where}.picklists.{name}"
        number = places.get(name.casefold())
        column = None if number is None else found[number]
        theirs = source.field(column.source or "") if column is not None else None
        ours = target.field(name)
        computed = column is not None and column.kind is ColumnKind.TRANSFORM
        copied = column is not None and column.kind is ColumnKind.COPY and theirs is not None
        if number is None or column is None or ours is None or not (copied or computed):
            text = f"{name} is not filled from a field of the source, so it has no values to map"
            issues.append(error("picklist_not_copied", place, text, "Add it to `fields`."))
            continue
        if ours.restricted_picklist:
            for value in values.values():
                if value not in ours.picklist_values:
                    text = f"the restricted picklist {ours.name} has no value {value} in the target"
                    issues.append(error("picklist_value_unknown", place, text, "Check the spelling."))
        if theirs is not None and theirs.type in PICKLIST_TYPES:
            for value in values:
                if value != ANY_OTHER and value not in theirs.picklist_values:
                    text = f"{theirs.name} has no active value {value} in the source"
                    issues.append(warning("picklist_value_unused", place, text, "Check the spelling."))
        rule = PicklistRule(values=dict(values), multiple=theirs is not None and theirs.type == "multipicklist")
        found[number] = msgspec.structs.replace(column, kind=ColumnKind.MAP, rule=rule)
    return found, issues


def delete_issues(
    where: str, step: StepSpec, source: ObjectDescribe, target: ObjectDescribe, key_source: str
) -> list[Issue]:
    """Return why a step's deletions cannot be carried over."""
    rule = step.deletes
    if not isinstance(rule, DeletesSpec):
        return []
    place = f"{where}.deletes"
    found: list[Issue] = []
    if key_source != "Id":
        text = "deletions are told by record id, and this step matches by another field"
        found.append(error("deletes_need_source_id", place, text, "Leave `match` or `deletes` out."))
    if not source.replicateable and source.field("IsDeleted") is None:
        text = f"the source does not tell which records of {source.name} were deleted"
        found.append(error("deletes_not_told", place, text, "Leave `deletes` out."))
    elif not source.replicateable:
        text = f"the source tells deletions of {source.name} by its recycle bin only: what was purged is not noticed"
        found.append(warning("deletes_by_bin", place, text, "Purge such records in the target, too."))
    if rule.field is None:
        if not target.deletable:
            text = f"the connected user may not delete {target.name} in the target"
            found.append(error("target_not_deletable", place, text, "Give the right, or use `flag`."))
        return found
    flag = target.field(rule.field)
    if flag is None or flag.type != "boolean" or not writable(flag):
        text = f"{target.name} has no checkbox {rule.field} in the target that the connected user may edit"
        found.append(error("flag_unusable", place, text, "Create it there, with access for the user."))
    return found


def lowered_flag(step: StepSpec, columns: Sequence[Column]) -> list[Column]:
    """Return the column that takes the mark of deletion off a record that is there (again), if the step sets one."""
    rule = step.deletes
    if not isinstance(rule, DeletesSpec) or rule.field is None:
        return []
    if any(column.target.casefold() == rule.field.casefold() for column in columns):
        return []
    return [Column(target=rule.field, kind=ColumnKind.CONSTANT, type=ValueType.BOOLEAN, constant="false")]
