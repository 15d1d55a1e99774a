"""Two orgs' schemas beside each other: what is there only once, and what differs. Pure, names and types only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe


class Difference(Struct, frozen=True, kw_only=True):
    """One property of a field that both orgs have, and what each says of it."""

    field: str
    what: str
    source: str
    target: str


class ObjectComparison(Struct, frozen=True, kw_only=True):
    """A pair of objects. `missing`: `source` or `target` where the connected user does not see the object there."""

    source: str
    target: str
    missing: str | None = None
    fields_same: int = 0
    fields_only_source: tuple[str, ...] = ()
    fields_only_target: tuple[str, ...] = ()
    record_types_only_source: tuple[str, ...] = ()
    record_types_only_target: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        lists = (self.fields_only_source, self.fields_only_target, self.differences)
        return not (self.missing or any(lists) or self.record_types_only_source or self.record_types_only_target)


class Comparison(Struct, frozen=True, kw_only=True):
    """Objects that only one org has (of those that can hold records of a sync), and the pairs that were asked for."""

    objects_both: int = 0
    objects_only_source: tuple[str, ...] = ()
    objects_only_target: tuple[str, ...] = ()
    pairs: tuple[ObjectComparison, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.objects_only_source or self.objects_only_target) and all(pair.same for pair in self.pairs)


def compare(
    listed: tuple[Sequence[str], Sequence[str]],
    pairs: Iterable[tuple[str, str]],
    source: Mapping[str, ObjectDescribe],
    target: Mapping[str, ObjectDescribe],
) -> Comparison:
    """Return the comparison of what two orgs list, and of `pairs` by their describes (by name in lower case)."""
    theirs, ours = ({name.casefold(): name for name in names} for names in listed)
    return Comparison(
        objects_both=len(theirs.keys() & ours.keys()),
        objects_only_source=_sorted(theirs[name] for name in theirs.keys() - ours.keys()),
        objects_only_target=_sorted(ours[name] for name in ours.keys() - theirs.keys()),
        pairs=tuple(_pair(names, source.get(names[0].casefold()), target.get(names[1].casefold())) for names in pairs),
    )


def _pair(names: tuple[str, str], theirs: ObjectDescribe | None, ours: ObjectDescribe | None) -> ObjectComparison:
    if theirs is None or ours is None:
        return ObjectComparison(source=names[0], target=names[1], missing="source" if theirs is None else "target")
    found = [(field, ours.field(field.name)) for field in theirs.fields]
    both = [(field, other) for field, other in found if other is not None]
    known = {field.name.casefold() for field in theirs.fields}
    differences = [difference for field, other in both for difference in _differences(field, other)]
    types = [{each.developer_name for each in side.record_types if not each.master} for side in (theirs, ours)]
    return ObjectComparison(
        source=theirs.name,
        target=ours.name,
        fields_same=len(both) - len({difference.field for difference in differences}),
        fields_only_source=tuple(field.name for field, other in found if other is None),
        fields_only_target=tuple(field.name for field in ours.fields if field.name.casefold() not in known),
        record_types_only_source=_sorted(types[0] - types[1]),
        record_types_only_target=_sorted(types[1] - types[0]),
        differences=tuple(differences),
    )


def _differences(theirs: FieldDescribe, ours: FieldDescribe) -> Iterator[Difference]:
    for what, source, target in (
        ("type", theirs.type, ours.type),
        ("length", theirs.length, ours.length),
        ("digits", theirs.digits or theirs.precision, ours.digits or ours.precision),
        ("decimals", theirs.scale, ours.scale),
        ("required", not theirs.nillable, not ours.nillable),
        ("unique", theirs.unique, ours.unique),
        ("external id", theirs.external_id, ours.external_id),
        ("formula", theirs.calculated, ours.calculated),
        ("encrypted", theirs.encrypted, ours.encrypted),
        ("restricted picklist", theirs.restricted_picklist, ours.restricted_picklist),
        ("dependent picklist", theirs.dependent_picklist, ours.dependent_picklist),
        ("points at", theirs.reference_to, ours.reference_to),
        ("create right", theirs.createable, ours.createable),
        ("edit right", theirs.updateable, ours.updateable),
    ):
        if source != target:
            yield Difference(field=theirs.name, what=what, source=_text(source), target=_text(target))
    only = (
        [value for value in theirs.picklist_values if value not in ours.picklist_values],
        [value for value in ours.picklist_values if value not in theirs.picklist_values],
    )
    if any(only) and theirs.type == ours.type:
        yield Difference(field=theirs.name, what="values only there", source=_text(only[0]), target=_text(only[1]))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"  # pyright: ignore[reportUnknownArgumentType] - items of any type have a text
    return str(value)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=str.casefold))
