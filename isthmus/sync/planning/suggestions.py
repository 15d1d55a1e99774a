"""Which source fields could fill the target fields that nothing fills yet: ranked, each with its reasons.

Nothing here is ever applied: a person reads the suggestion and writes it into the definition. The score is a sum of
what is written down below, so that it can be explained: up to 50 for the names, 25 for the labels, 15 for the type, 10
for common picklist values or the same parent object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final

from msgspec import Struct

from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe
from isthmus.sync.model import TRACKING_FIELD
from isthmus.sync.planning.field_rules import PICKLIST_TYPES, Unfit, carriable, copy_column, writable
from isthmus.sync.planning.value_rules import OWN_RULES
from isthmus.sync.spec import ExpressionSpec, StepSpec, SyncSpec

SCORE_MIN: Final = 45
PER_FIELD_MAX: Final = 3
NAMES, LABELS, TYPES, VALUES = 50, 25, 15, 10
_ALIKE_MIN: Final = 0.75
"""Below this, letters that two words share are chance."""
_SYNONYMS: Final = (
    "phone telephone tel",
    "mobile cell cellphone",
    "zip postalcode postcode plz",
    "state province county region territory",
    "amount total sum value",
    "account customer client company organisation organization",
    "email mail",
    "street address",
    "country nation",
    "number no nr num code key",
    "due deadline until",
    "type kind category",
    "tier segment class level rank",
    "description notes note comment comments details remarks",
    "birthdate birthday dob",
    "status state stage phase",
    "website url web homepage",
    "revenue turnover sales",
    "employees headcount staff",
    "opportunity deal",
    "invoice bill",
    "firstname givenname forename",
    "lastname surname familyname",
    "start begin from",
    "end finish to",
    "owner responsible manager",
    "subject title topic",
    "price rate fee cost",
    "quantity qty count",
    "newsletter mailing",
)
_ALIASES: Final[Mapping[str, frozenset[str]]] = {
    word: frozenset(group for group in _SYNONYMS if word in group.split())
    for word in {word for group in _SYNONYMS for word in group.split()}
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAMESPACE = re.compile(r"^[A-Za-z][A-Za-z0-9]*__(?=[A-Za-z].*__[a-z]+$)")
_SUFFIX = re.compile(r"__[a-z]+$")


class Suggestion(Struct, frozen=True, kw_only=True):
    """`source` could fill `target` in step `step` (from 0). `score` is out of 100; `reasons` say what it is made of."""

    step: int
    target: str
    source: str
    score: int
    reasons: tuple[str, ...]

    @property
    def yaml(self) -> str:
        """The line to be pasted below `fields:`, or below `also:` where `fields` is `auto`."""
        return f"{self.target}: {self.source}  # {self.score}: {', '.join(self.reasons)}"


def suggest(
    spec: SyncSpec, source: Mapping[str, ObjectDescribe], target: Mapping[str, ObjectDescribe]
) -> tuple[Suggestion, ...]:
    """Return suggestions for every step, best first within a target field, at most three for each field."""
    found: list[Suggestion] = []
    for number, step in enumerate(spec.steps):
        theirs, ours = source.get(step.source_object.casefold()), target.get(step.target_object.casefold())
        if theirs is not None and ours is not None:
            found.extend(_of_step(number, step, theirs, ours))
    return tuple(found)


def _of_step(number: int, step: StepSpec, theirs: ObjectDescribe, ours: ObjectDescribe) -> Iterable[Suggestion]:
    filled, used = _settled(step, theirs, ours)
    left = [field for field in theirs.fields if field.name.casefold() not in used and _is_content(field)]
    for field in ours.fields:
        if field.name.casefold() in filled or not _is_content(field) or not writable(field):
            continue
        ranked = [made for each in left if (made := _judged(number, each, field)) is not None]
        ranked.sort(key=lambda suggestion: (-suggestion.score, suggestion.source))
        yield from ranked[:PER_FIELD_MAX]


def _settled(step: StepSpec, theirs: ObjectDescribe, ours: ObjectDescribe) -> tuple[set[str], set[str]]:
    """Return the target fields that are filled already, and the source fields that are used."""
    named = {} if step.fields == "auto" else dict(step.fields)
    named |= step.also
    filled = {name.casefold() for name in named} | {step.match.casefold(), TRACKING_FIELD.casefold()}
    used = {text.casefold() for text in named.values() if not isinstance(text, ExpressionSpec)}
    if step.fields == "auto":
        same = {field.name.casefold() for field in ours.fields} & {field.name.casefold() for field in theirs.fields}
        filled, used = filled | same, used | same
    return filled, used


def _is_content(field: FieldDescribe) -> bool:
    """Whether a person or an integration puts something there: no key, no audit field, nothing with its own rules."""
    system = field.type == "id" or field.name in _SYSTEM or field.name.casefold() in OWN_RULES
    return carriable(field) and not system


_SYSTEM: Final = frozenset(
    """CreatedById CreatedDate IsDeleted LastActivityDate LastModifiedById LastModifiedDate LastReferencedDate
    LastViewedDate MasterRecordId SystemModstamp""".split()
)


def _judged(step: int, source: FieldDescribe, target: FieldDescribe) -> Suggestion | None:
    parent = _same_parent(source, target)
    if parent is None and isinstance(copy_column(source, target), Unfit):
        return None
    score, reasons = 0.0, list[str]()
    for weight, theirs, ours, what in (
        (NAMES, words(source.name), words(target.name), "name"),
        (LABELS, words(source.label), words(target.label), "label"),
    ):
        share, how = _alike(theirs, ours)
        score += weight * share
        if how:
            reasons.append(f"{what} {how}")
    if not reasons:
        return None
    if source.type == target.type:
        score += TYPES
        reasons.append(f"same type {target.type}")
    common = len(set(source.picklist_values) & set(target.picklist_values))
    if parent:
        score += VALUES
        reasons.append(f"both point at {parent}")
    elif {source.type, target.type} <= PICKLIST_TYPES and common:
        score += VALUES * common / len(set(source.picklist_values))
        reasons.append(f"{common} common values")
    if score < SCORE_MIN:
        return None
    return Suggestion(step=step, target=target.name, source=source.name, score=round(score), reasons=tuple(reasons))


def _same_parent(source: FieldDescribe, target: FieldDescribe) -> str | None:
    """Return the object that both lookups point at; None if they do not, or are none, or must not be written."""
    if source.type != "reference" or target.type != "reference":
        return None
    return next((name for name in source.reference_to if name in target.reference_to), None)


def words(name: str) -> tuple[str, ...]:
    """Return the words of an API name or label in lower case: `acme__DueDate__c` has `due` and `date`."""
    bare = _SUFFIX.sub("", _NAMESPACE.sub("", name))
    return tuple(word.casefold() for word in _WORDS.findall(bare))


def _alike(theirs: Sequence[str], ours: Sequence[str]) -> tuple[float, str]:
    """Return how much two names are alike (0 to 1) and in which words to say so; empty if they are not."""
    if not theirs or not ours:
        return 0, ""
    if theirs == ours:
        return 1, "is the same"
    if _joined_synonyms(theirs, ours):
        return 0.9, f"means the same ({' '.join(theirs)}, {' '.join(ours)})"
    pairs = [max((_word_share(word, other), other) for other in ours) for word in theirs]
    share = sum(found for found, _ in pairs) / max(len(theirs), len(ours))
    close = [f"{word}/{other}" for word, (found, other) in zip(theirs, pairs, strict=True) if 0 < found < 1]
    equal = [word for word, (found, _) in zip(theirs, pairs, strict=True) if found == 1]
    how = f"has {', '.join([*equal, *close])} in common" if equal or close else ""
    return share, how


def _joined_synonyms(theirs: Sequence[str], ours: Sequence[str]) -> bool:
    return bool(_ALIASES.get("".join(theirs), frozenset()) & _ALIASES.get("".join(ours), frozenset()))


def _word_share(word: str, other: str) -> float:
    if word == other:
        return 1
    if _ALIASES.get(word, frozenset()) & _ALIASES.get(other, frozenset()):
        return 0.85
    ratio = SequenceMatcher(None, word, other, autojunk=False).ratio()
    return ratio * 0.8 if ratio >= _ALIKE_MIN else 0
