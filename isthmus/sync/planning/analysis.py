"""What else may go wrong with a mapping: rules of the platform that a describe gives away, one function for each.

`field_rules` says whether a pair can be mapped at all and whether its values fit; here is what surprises people later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from isthmus.salesforce.schema import FieldDescribe
from isthmus.sync.model import Column, Issue
from isthmus.sync.planning.drafts import Draft
from isthmus.sync.planning.field_rules import TEXT_TYPES, carriable, writable
from isthmus.sync.planning.issues import hint, warning

CURRENCY: Final = "CurrencyIsoCode"
PERSON: Final = "IsPersonAccount"
NAMES_SHOWN: Final = 6
_CODED_PARTS: Final = ("Country", "State")


def pair_issues(where: str, source: FieldDescribe, target: FieldDescribe) -> list[Issue]:
    """Return what is worth knowing about a pair of fields that fits."""
    found: list[Issue] = []
    if target.dependent_picklist:
        text = f"{target.name} depends on another picklist in the target: not every value goes with every other"
        found.append(hint("picklist_dependent", where, text, "Map the controlling field, too."))
    if target.unique:
        text = f"{target.name} is unique in the target: a row whose value stands there already fails"
        remedy = "Rows fail with DUPLICATE_VALUE. Match by this field, or leave it out."
        found.append((hint if source.unique else warning)("target_unique", where, text, remedy))
    if source.html_formatted and not target.html_formatted and target.type in TEXT_TYPES:
        text = f"{source.name} is rich text: its tags will show as text in {target.name}"
        found.append(warning("rich_text_to_plain", where, text, "Map a rich text field, or an expression."))
    if target.html_formatted and not source.html_formatted:
        text = f"{target.name} is rich text: line ends of {source.name} will not show there"
        found.append(hint("plain_to_rich_text", where, text))
    if source.type == "datetime" and target.type in TEXT_TYPES:
        text = f"{target.name} is text: the time is written in UTC, not in anybody's own zone"
        found.append(hint("time_as_text", where, text, "Use an expression to write it in another way."))
    return found


def step_issues(draft: Draft, columns: Sequence[Column]) -> list[Issue]:
    """Return what is worth knowing about a whole step, given its columns."""
    filled = {column.target.casefold() for column in columns}
    mapped = [field for field in draft.target.fields if field.name.casefold() in filled]
    return [
        *_currencies(draft, mapped),
        *_coded_addresses(draft, mapped),
        *_person_accounts(draft),
        *_left_out(draft),
    ]


def _currencies(draft: Draft, mapped: Sequence[FieldDescribe]) -> list[Issue]:
    if not any(field.type == "currency" for field in mapped):
        return []
    theirs, ours = draft.source.field(CURRENCY), draft.target.field(CURRENCY)
    place = f"{draft.where}.fields.{CURRENCY}"
    if theirs is not None and ours is None:
        text = "the source has several currencies, the target one: amounts arrive as numbers, in that currency"
        return [warning("currency_lost", place, text, "Filter by CurrencyIsoCode, or convert with an expression.")]
    if ours is None or any(field.name == CURRENCY for field in mapped):
        return []
    if theirs is None:
        text = "the target has several currencies, the source one: amounts arrive in the connected user's currency"
        return [warning("currency_default", place, text, f"Say which it is, for example `{CURRENCY}: =EUR`.")]
    text = "both orgs have several currencies and none is mapped: amounts arrive in the connected user's currency"
    return [warning("currency_not_mapped", place, text, f"Map `{CURRENCY}: {CURRENCY}`.")]


def _coded_addresses(draft: Draft, mapped: Sequence[FieldDescribe]) -> list[Issue]:
    """State and country picklists: where they are on, the texts beside the codes must be known to the org."""
    found: list[Issue] = []
    for field in mapped:
        code = f"{field.name}Code"
        if not field.name.endswith(_CODED_PARTS) or draft.target.field(code) is None:
            continue
        if draft.source.field(code) is None:
            text = f"{field.name} is a picklist of states or countries in the target and free text in the source"
            remedy = f"Rows with a text that the target does not know fail: map it to `{code}` by an expression."
            found.append(warning("address_picklists", f"{draft.where}.fields.{field.name}", text, remedy))
    return found


def _person_accounts(draft: Draft) -> list[Issue]:
    """A person account is an account with a contact behind it, and takes no Name."""
    sides = [each.field(PERSON) is not None for each in (draft.source, draft.target)]
    if draft.target.name not in {"Account", "Contact"} or not any(sides):
        return []
    if draft.spec.where is not None and PERSON.casefold() in draft.spec.where.casefold():
        return []
    org = "both orgs" if all(sides) else "the source" if sides[0] else "the target"
    text = f"{org} can have person accounts: those take no Name, and their contact belongs to them"
    remedy = f"Use steps of their own: `where: {PERSON} = false`, and `{PERSON} = true` with LastName for the others."
    return [warning("person_accounts", draft.where, text, remedy)]


def _left_out(draft: Draft) -> list[Issue]:
    """Say which fields of the same name `fields: auto` does not carry, and why: by type, or for want of a right."""
    if draft.spec.fields != "auto":
        return []
    also = {name.casefold() for name in draft.spec.also}
    pairs = [
        (theirs, ours)
        for ours in draft.target.fields
        if (theirs := draft.source.field(ours.name)) is not None and ours.name.casefold() not in also
    ]
    found: list[Issue] = []
    masked = [ours.name for theirs, ours in pairs if theirs.encrypted or ours.encrypted or _is_masked(theirs, ours)]
    files = [ours.name for theirs, ours in pairs if theirs.type == "base64"]
    closed = [ours.name for theirs, ours in pairs if carriable(theirs) and _is_closed(ours)]
    for code, names, why, remedy in (
        ("encrypted_left_out", masked, "is encrypted", "Copy it by hand, or store it in a plain field."),
        ("files_left_out", files, "holds files", "Copy files with a tool for files."),
        ("no_edit_right", closed, "may not be edited by the connected user in the target", "Give edit access to it."),
    ):
        if names:
            shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
            found.append(hint(code, f"{draft.where}.fields", f"left out: {shown} {why}", remedy))
    return found


def _is_masked(theirs: FieldDescribe, ours: FieldDescribe) -> bool:
    return "encryptedstring" in {theirs.type, ours.type}


def _is_closed(field: FieldDescribe) -> bool:
    """Whether only a missing right stands in the way: nothing else makes a custom field read-only."""
    own = field.calculated or field.auto_number
    return field.custom and field.permissionable and not own and not writable(field) and carriable(field)
