"""`adopt_on`: by which field the first run takes records of the target for a row's own, and whether that can work."""

from __future__ import annotations

from isthmus.sync.model import TRACKING_FIELD, ColumnKind, Issue
from isthmus.sync.pairing import Adoption, Pairing
from isthmus.sync.planning.drafts import Draft
from isthmus.sync.planning.field_rules import TEXT_TYPES
from isthmus.sync.planning.issues import error


def looking(draft: Draft, issues: list[Issue]) -> Pairing | None:
    """Return how a one-way step looks at what is there: to adopt it, or to spare it fields that it takes only once."""
    adoption = adoption_of(draft, issues)
    once = any(column.create_only for column in draft.columns)
    return Pairing(two_way=False, adoption=adoption, always=once) if adoption is not None or once else None


def adoption_of(draft: Draft, issues: list[Issue]) -> Adoption | None:
    """Return by which fields a step adopts; what cannot work becomes an issue."""
    name = draft.spec.adopt_on
    if name is None:
        return None
    place = f"{draft.where}.adopt_on"
    if draft.key.casefold() != TRACKING_FIELD.casefold() or draft.key_source != "Id":
        text = f"records are adopted by setting their {TRACKING_FIELD}, and this step matches by {draft.key}"
        issues.append(error("adopt_needs_tracking", place, text, "Leave `match` or `adopt_on` out."))
        return None
    column = next((each for each in draft.columns if each.target.casefold() == name.casefold()), None)
    theirs = draft.target.field(name)
    ours = None if column is None else draft.source.field(column.source or "")
    if column is None or column.kind is not ColumnKind.COPY or theirs is None or ours is None:
        text = f"{name} is not copied from a field of the source, so records cannot be told to be the same by it"
        issues.append(error("adopt_not_copied", place, text, "Name a field that the step copies, such as Email."))
        return None
    for field, side in ((ours, "source"), (theirs, "target")):
        if field.type not in TEXT_TYPES or not field.filterable:
            text = f"{field.name} cannot be searched for as a text in the {side}"
            issues.append(error("adopt_not_searchable", place, text, "Name a text field that can be filtered by."))
            return None
    return Adoption(source=ours.name, target=theirs.name)
