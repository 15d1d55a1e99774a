"""The plan of a two-way sync: two one-way plans, drawn from the same describes, joined into one run.

A run first carries deletions, so that nothing is made again that was deleted; then records there and back; then the
lookups that had to wait. Each step keeps windows of its own, so each direction has its own watermark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe
from isthmus.sync.model import (
    STEPS_MAX,
    Child,
    Column,
    ColumnKind,
    Drawn,
    Issue,
    Plan,
    Rejected,
    Severity,
    Step,
    StepKind,
    ValueType,
)
from isthmus.sync.pairing import Likeness, Pairing, Winner
from isthmus.sync.planning.drafts import Schema
from isthmus.sync.planning.issues import error, hint, warning
from isthmus.sync.planning.turning import one_way, turned_back
from isthmus.sync.spec import DeletesSpec, StepSpec, SyncSpec

Draw: TypeAlias = Callable[[SyncSpec, Schema, Schema], Drawn | Rejected]

TRACES: Final = ("LastModifiedById", "LastModifiedDate", "SystemModstamp", "IsDeleted")
LOSSY: Final = frozenset({"decimals_rounded"})
"""Codes of issues that say a value would come back other than it went."""
SELECT_CHARS_MAX: Final = 9000
"""So much may the names of a step's fields take, that a query still has room for the keys that it asks for."""
_WINNERS: Final[Mapping[str, Winner]] = {
    "source_wins": Winner.SOURCE,
    "target_wins": Winner.TARGET,
    "newest_wins": Winner.NEWEST,
    "hold": Winner.HOLD,
}
_OTHER_SIDE: Final = {"source": "target", "target": "source"}


def draw_both(spec: SyncSpec, source: Schema, target: Schema, draw: Draw) -> Drawn | Rejected:
    """Return the plan of both directions, or every reason why there is none. `draw` draws one direction."""
    issues = list(_refusals(spec, source, target))
    back = turned_back(spec, issues)
    if any(issue.severity is Severity.ERROR for issue in issues):
        return Rejected(tuple(issues))
    there_drawn, back_drawn = draw(one_way(spec), source, target), draw(back, target, source)
    issues += _joined(there_drawn.issues, back_drawn.issues)
    if not isinstance(there_drawn, Drawn) or not isinstance(back_drawn, Drawn):
        return Rejected(tuple(issues))
    lossy = _lossy(spec, issues)
    conflicts = spec.conflicts or "hold"
    ways = (
        _Way(spec, source, target, conflicts, backward=False),
        _Way(back, target, source, conflicts, backward=True),
    )
    drawn = [
        _paired(step, way, lossy, issues)
        for way, found in zip(ways, (there_drawn, back_drawn), strict=True)
        for step in found.plan.steps
    ]
    steps = [step for step in drawn if step.links or step.kind is not StepKind.LINK]
    steps = [_with_children(step, steps, source if step.backward else target) for step in steps]
    if len(steps) > STEPS_MAX:
        issues.append(error("too_many_steps", "steps", "the sync has too many steps", "Split it into several syncs."))
    if any(issue.severity is Severity.ERROR for issue in issues):
        return Rejected(tuple(issues))
    order = (StepKind.DELETE, StepKind.LOAD, StepKind.LINK)
    plan = msgspec.structs.replace(
        there_drawn.plan,
        steps=tuple(step for kind in order for step in steps if step.kind is kind),
        tracking_source=back_drawn.plan.tracking,
        two_way=True,
    )
    return Drawn(plan, tuple(issues))


def opposite(plan: Plan, number: int, kind: StepKind | None = None) -> int | None:
    """Return the number of the step (of that `kind`, if given) that goes the other way, None if the plan has none."""
    step = plan.steps[number]
    for other, each in enumerate(plan.steps):
        same = each.kind is (kind or step.kind) and each.source == step.target and each.target == step.source
        if same and each.backward is not step.backward:
            return other
    return None


def _with_children(step: Step, steps: Sequence[Step], there: Schema) -> Step:
    """Tell a step that deletes which records of the sync the org it writes would delete along."""
    describe = there.get(step.target.casefold())
    if step.kind is not StepKind.DELETE or step.flag is not None or describe is None:
        return step
    loads = {
        each.target.casefold(): each for each in steps if each.kind is StepKind.LOAD and each.backward is step.backward
    }
    found = ((loads.get(each.object.casefold()), each.field) for each in describe.cascades)
    children = tuple(
        Child(source=load.source, target=load.target, lookup=lookup) for load, lookup in found if load is not None
    )
    return msgspec.structs.replace(step, children=children)


def _refusals(spec: SyncSpec, source: Schema, target: Schema) -> Iterator[Issue]:
    if spec.run_tag is not None:
        text = "a run that writes in both orgs cannot be rolled back"
        yield error("two_way_run_tag", "run_tag", text, "Remove `run_tag`, or make the sync one-way.")
    if spec.conflicts is None:
        text = "nothing says what happens when both records of a pair were changed"
        remedy = "Add `conflicts: newest_wins`, or source_wins, target_wins, hold."
        yield error("conflicts_missing", "conflicts", text, remedy)
    for side, names in (
        ("source", [s.source_object for s in spec.steps]),
        ("target", [s.target_object for s in spec.steps]),
    ):
        schema = source if side == "source" else target
        for number, name in enumerate(names):
            place = f"steps[{number}]"
            if name.casefold() in {other.casefold() for other in names[:number]}:
                text = f"{name} of the {side} stands in two steps, so the way back is not clear"
                yield error("two_way_object_twice", place, text, "Keep one of them, or make the sync one-way.")
            describe = schema.get(name.casefold())
            missing = [] if describe is None else [each for each in TRACES if describe.field(each) is None]
            if describe is not None and missing:
                text = f"{name} of the {side} does not tell who changed a record when ({', '.join(missing)})"
                yield error("two_way_no_trace", place, text, "Make the sync one-way.")
    for number, step in enumerate(spec.steps):
        if step.where is not None and (step.back is None or step.back.where is None):
            text = "`where` chooses the source's records only; the target's all come back"
            yield hint("two_way_where", f"steps[{number}].where", text, "Add `back: {where: …}` to choose there, too.")


def one_way_leftovers(spec: SyncSpec) -> Iterator[Issue]:
    """Return what a one-way sync says that only a two-way one can mean."""
    remedy = "Write `direction: two-way`, or remove it."
    if spec.conflicts is not None:
        yield error("two_way_only", "conflicts", "a one-way sync has no conflicts", remedy)
    for number, step in enumerate(spec.steps):
        if step.conflicts:
            yield error("two_way_only", f"steps[{number}].conflicts", "a one-way sync has no conflicts", remedy)
        if step.back is not None:
            yield error("two_way_only", f"steps[{number}].back", "a one-way sync has no way back", remedy)


def _joined(there: Sequence[Issue], back: Sequence[Issue]) -> list[Issue]:
    """Both directions' issues; those of the way back name the orgs as the sync does, and say which way they mean."""
    known = {(issue.code, issue.where) for issue in there}
    turned = (
        msgspec.structs.replace(issue, text=f"on the way back: {_swapped(issue.text)}", remedy=_swapped(issue.remedy))
        for issue in back
        if issue.severity is not Severity.HINT or (issue.code, issue.where) not in known
    )
    return [*there, *turned]


def _swapped(text: str) -> str:
    return re.sub(r"\b(source|target)\b", lambda found: _OTHER_SIDE[found[1]], text)


def _lossy(spec: SyncSpec, issues: list[Issue]) -> set[tuple[int, str]]:
    """Return the fields (by step, in lower case) that would come back changed; where one was asked for, refuse it."""
    found: set[tuple[int, str]] = set()
    for issue in list(issues):
        place = re.fullmatch(r"steps\[(\d+)\]\.(?:fields|also)\.(\w+)", issue.where)
        if issue.code not in LOSSY or place is None:
            continue
        number, name = int(place[1]), place[2]
        found.add((number, name.casefold()))
        if spec.steps[number].fields == "auto" and not spec.steps[number].also:
            text = f"{name} is left out in both directions: {issue.text}"
            issues.append(warning("two_way_lossy", issue.where, text, issue.remedy))
        else:
            text = f"{name} would come back changed: {issue.text}"
            issues.append(error("two_way_lossy", issue.where, text, issue.remedy))
    return found


@dataclass(frozen=True, slots=True)
class _Way:
    """One direction: the sync as this direction sees it, the describes of the org it reads and of the one it writes."""

    spec: SyncSpec
    here: Schema
    there: Schema
    conflicts: str
    backward: bool


def _paired(step: Step, way: _Way, lossy: set[tuple[int, str]], issues: list[Issue]) -> Step:
    """Return a drawn step with what it must know to look at both records of a pair."""
    number, own = next(
        (n, each)
        for n, each in enumerate(way.spec.steps)
        if each.source_object.casefold() == step.source.casefold()
        and each.target_object.casefold() == step.target.casefold()
    )
    dropped = _dropped(number, own, step, lossy, issues)
    columns = tuple(column for column in step.columns if column.target not in dropped)
    clears = tuple(column for column in step.clears if column.target not in dropped)
    chars = sum(2 * len(column.target) + len(step.key) + 2 for column in (*columns, *clears))
    if chars > SELECT_CHARS_MAX:
        text = f"{step.target} has too many fields to compare in one query"
        issues.append(error("two_way_too_wide", f"steps[{number}].fields", text, "Name the fields in `fields`."))
    return msgspec.structs.replace(
        step,
        columns=columns,
        clears=clears,
        links=tuple(name for name in step.links if name not in dropped),
        backward=way.backward,
        pairing=_pairing(step, own, way, (*columns, *clears)),
    )


def _dropped(number: int, own: StepSpec, step: Step, lossy: set[tuple[int, str]], issues: list[Issue]) -> set[str]:
    """Return the fields that cannot go both ways: those that come back changed, lookups of several kinds of record."""
    dropped: set[str] = set()
    for column in (*step.columns, *step.clears):
        names = {column.target.casefold(), (column.source or "").casefold()}
        if any((number, name) in lossy for name in names):
            dropped.add(column.target)
        elif column.kinds:
            dropped.add(column.target)
            place = f"steps[{number}].fields.{column.target}"
            text = f"{column.target} can point at several kinds of record, which a two-way sync cannot compare"
            explicit = own.fields != "auto"
            made = error if explicit else hint
            issue = made("two_way_polymorphic", place, text, "Leave it out.")
            if issue not in issues:
                issues.append(issue)
    return dropped


def _pairing(step: Step, own: StepSpec, way: _Way, columns: Sequence[Column]) -> Pairing:
    here, there = way.here[step.source.casefold()], way.there[step.target.casefold()]

    def rule(name: str) -> Winner:
        winner = _WINNERS[name]
        return winner.seen_from_the_other_side if way.backward else winner

    rules = {name.casefold(): rule(policy) for name, policy in own.conflicts.items()}
    parents = {
        column.target: found.relationship_name
        for column in columns
        if column.kind is ColumnKind.PARENT
        and (found := here.field(column.source or "")) is not None
        and found.relationship_name is not None
    }
    deletes = own.deletes
    return Pairing(
        two_way=True,
        conflicts=rule(way.conflicts),
        ties=Winner.TARGET if way.backward else Winner.SOURCE,
        fields={
            column.target: rules[column.target.casefold()] for column in columns if column.target.casefold() in rules
        },
        likeness={column.target: _likeness(column, here, there) for column in columns},
        parents=parents,
        recreates=isinstance(deletes, DeletesSpec) and deletes.action == "delete",
        adoption=step.pairing.adoption if step.pairing is not None else None,
    )


def _likeness(column: Column, here: ObjectDescribe, there: ObjectDescribe) -> Likeness:
    types = {found.type for found in _ends(column, here, there)}
    if column.type is ValueType.BOOLEAN:
        return Likeness.BOOLEAN
    if column.type is ValueType.NUMBER:
        return Likeness.NUMBER
    if "multipicklist" in types:
        return Likeness.SET
    return Likeness.EMAIL if "email" in types else Likeness.TEXT


def _ends(column: Column, here: ObjectDescribe, there: ObjectDescribe) -> Iterator[FieldDescribe]:
    for describe, name in ((here, column.source), (there, column.target)):
        found = describe.field(name or "")
        if found is not None:
            yield found
