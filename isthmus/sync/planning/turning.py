"""A two-way step as its way back sees it: source and target exchanged, every map turned round.

What cannot be turned round is refused, with the reason: a value that comes back changed would never come to rest.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from isthmus.sync.model import ANY_OTHER, TRACKING_FIELD, Issue
from isthmus.sync.planning.issues import error
from isthmus.sync.spec import OwnerSpec, StepSpec, SyncSpec


def turned_back(spec: SyncSpec, issues: list[Issue]) -> SyncSpec:
    """Return the sync from its target to its source; what has no way back becomes an issue."""
    steps = tuple(_turned(f"steps[{number}]", step, issues) for number, step in enumerate(spec.steps))
    return msgspec.structs.replace(spec, direction="one-way", steps=steps)


def one_way(spec: SyncSpec) -> SyncSpec:
    """Return the sync as if it went there only."""
    return msgspec.structs.replace(spec, direction="one-way", conflicts=None)


def source_of(step: StepSpec, target_field: str) -> str | None:
    """Return the source's field that fills a field of the target, None if it is not plainly copied."""
    named = {**(step.fields if step.fields != "auto" else {}), **step.also}
    for name, filler in named.items():
        if name.casefold() == target_field.casefold():
            return filler if isinstance(filler, str) and not filler.startswith("=") else None
    return target_field if step.fields == "auto" else None


def _turned(where: str, step: StepSpec, issues: list[Issue]) -> StepSpec:
    for key, given in (("mask", step.mask), ("match", step.match.casefold() != TRACKING_FIELD.casefold())):
        if given:
            what = "a masked value" if key == "mask" else "a key of its own"
            text = f"`{key}` has no way back: {what} cannot be told to the other org"
            remedy = f"Leave `{key}` out, or make the sync one-way."
            issues.append(error("two_way_not_invertible", f"{where}.{key}", text, remedy))
    fields = "auto" if step.fields == "auto" else _turned_fields(f"{where}.fields", step.fields, issues)
    also = _turned_fields(f"{where}.also", step.also, issues)
    picklists: dict[str, dict[str, str]] = {}
    for name, values in step.picklists.items():
        origin = source_of(step, name)
        if origin is not None:
            picklists[origin] = _turned_values(f"{where}.picklists.{name}", values, issues)
    types = step.record_types
    if isinstance(types, dict):
        types = _turned_values(f"{where}.record_types", types, issues)
    return msgspec.structs.replace(
        step,
        source=step.target,
        target=step.source,
        where=step.back.where if step.back else None,
        fields=fields,
        also=also,
        owner=_turned_owner(step),
        record_types=types,
        picklists=picklists,
        adopt_on=None if step.adopt_on is None else source_of(step, step.adopt_on),
        conflicts={origin: rule for name, rule in step.conflicts.items() if (origin := source_of(step, name))},
        back=None,
    )


def _turned_fields(where: str, fields: Mapping[str, object], issues: list[Issue]) -> dict[str, str]:
    turned: dict[str, str] = {}
    for name, filler in fields.items():
        if not isinstance(filler, str) or filler.startswith("="):
            text = f"{name} is filled by a constant or an expression, which has no way back"
            remedy = "Copy a field, or make the sync one-way."
            issues.append(error("two_way_not_invertible", f"{where}.{name}", text, remedy))
        elif filler in turned:
            text = f"{filler} fills two fields, so its way back is not clear"
            remedy = "Map it once."
            issues.append(error("two_way_not_invertible", f"{where}.{name}", text, remedy))
        else:
            turned[filler] = name
    return turned


def _turned_values(where: str, values: Mapping[str, str], issues: list[Issue]) -> dict[str, str]:
    turned = {ours: theirs for theirs, ours in values.items()}
    if ANY_OTHER in values or len(turned) < len(values):
        text = "several values become the same one, so its way back is not clear"
        remedy = "Give each value one of its own and leave `*` out, or make the sync one-way."
        issues.append(error("two_way_not_invertible", where, text, remedy))
    return turned


def _turned_owner(step: StepSpec) -> OwnerSpec | None:
    """A fixed owner, or a stand-in for a missing one, would come back as the real one: such owners go one way."""
    if step.back is not None and step.back.owner is not None:
        return step.back.owner
    owner = step.owner
    return OwnerSpec(match=owner.match) if owner is not None and owner.match and owner.fallback is None else None
