"""Draw the plan of a sync: a pure function of the definition and of the describes of both orgs.

1. Each step's objects, key and filter are settled from the describes (`drafts`), then its columns (`columns`); whatever
   does not fit becomes an issue.
2. Lookups to objects of the same sync become references by the parent's key; other lookups are left out, and said so
   (`parents`).
3. Steps are ordered parents first. A circle, or a lookup of an object to itself, is broken by deferring nullable
   lookups to a second pass (`StepKind.LINK`) after all rows exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from isthmus.salesforce.schema import ObjectDescribe
from isthmus.sync.model import (
    OBJECTS_MAX,
    TRACKING_FIELD,
    Budget,
    Drawn,
    Issue,
    Plan,
    Rejected,
    Severity,
    Step,
    StepKind,
)
from isthmus.sync.pairing import Pairing
from isthmus.sync.planning.adoption import looking
from isthmus.sync.planning.columns import with_columns
from isthmus.sync.planning.drafts import Draft, Schema, refuse_twice, stamp_of, started
from isthmus.sync.planning.issues import error
from isthmus.sync.planning.parents import parents_first
from isthmus.sync.planning.run_tag import tag_column
from isthmus.sync.planning.two_way import draw_both, one_way_leftovers
from isthmus.sync.spec import DeletesSpec, SyncSpec

__all__ = ["Schema", "draw_plan", "objects_of", "schema_of"]


def schema_of(describes: Iterable[ObjectDescribe]) -> dict[str, ObjectDescribe]:
    """Return the describes of one org by name."""
    return {describe.name.casefold(): describe for describe in describes}


def objects_of(spec: SyncSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the objects whose describes a plan needs: of the source, of the target."""
    sources = dict.fromkeys(step.source_object for step in spec.steps)
    targets = dict.fromkeys(step.target_object for step in spec.steps)
    return tuple(sources), tuple(targets)


def draw_plan(spec: SyncSpec, source: Schema, target: Schema) -> Drawn | Rejected:
    """Return the plan with what is worth knowing about it, or every reason why there is none."""
    if spec.direction == "two-way":
        return draw_both(spec, source, target, _draw)
    leftovers = tuple(one_way_leftovers(spec))
    return Rejected(leftovers) if leftovers else _draw(spec, source, target)


def _draw(spec: SyncSpec, source: Schema, target: Schema) -> Drawn | Rejected:
    """Draw one direction."""
    issues: list[Issue] = []
    drafts: list[Draft] = []
    for number, step in enumerate(spec.steps):
        draft = started(number, step, source, target, issues)
        if draft is not None:
            drafts.append(draft)
    refuse_twice(drafts, issues)
    issues.extend(_critical_issues(spec))
    drafts = [_tagged(with_columns(draft, drafts, issues), spec.run_tag, issues) for draft in drafts]
    ordered = parents_first(drafts, issues)
    pairings = {draft.number: looking(draft, issues) for draft in ordered}
    if len(drafts) > OBJECTS_MAX:
        issues.append(error("too_many_steps", "steps", "the sync has too many steps", "Split it into several syncs."))
    if any(issue.severity is Severity.ERROR for issue in issues):
        return Rejected(tuple(issues))
    loads = [_step(draft, StepKind.LOAD, pairings[draft.number]) for draft in ordered]
    links = [_step(draft, StepKind.LINK, _for_links(pairings[draft.number])) for draft in ordered if draft.deferred]
    removals = [_step(draft, StepKind.DELETE) for draft in reversed(ordered) if draft.spec.deletes != "ignore"]
    tracking = dict.fromkeys(
        draft.target.name for draft in ordered if draft.key == TRACKING_FIELD and draft.target.field(draft.key) is None
    )
    by_hand = spec.schedule is not None and spec.schedule.manual
    budget = Budget(day_percent=spec.budget.day_percent, run_percent=spec.budget.run_percent)
    steps = (*loads, *links, *removals)
    plan = Plan(
        steps=steps,
        tracking=tuple(tracking),
        budget=budget,
        run_tag=spec.run_tag,
        by_hand=by_hand,
        retry_times=spec.retry.times,
    )
    return Drawn(plan, tuple(issues))


def _for_links(pairing: Pairing | None) -> Pairing | None:
    """A second pass looks only where the first one always does; it never adopts."""
    return Pairing(two_way=False, always=True) if pairing is not None and pairing.always else None


def _tagged(draft: Draft, field: str | None, issues: list[Issue]) -> Draft:
    if field is None:
        return draft
    return replace(draft, columns=(*draft.columns, *tag_column(draft, field, issues)))


def _critical_issues(spec: SyncSpec) -> Iterator[Issue]:
    """A sync that runs by the clock goes on with what changed next: it has no step that could hold up the others."""
    if spec.schedule is not None and spec.schedule.manual:
        return
    for number, step in enumerate(spec.steps):
        if step.critical:
            text = "a critical step is one of a migration, which runs by hand"
            remedy = "Add `schedule: {manual: true}`, or remove `critical`."
            yield error("critical_needs_manual", f"steps[{number}].critical", text, remedy)


def _step(draft: Draft, kind: StepKind, pairing: Pairing | None = None) -> Step:
    rule = draft.spec.deletes
    later = tuple(column for column in draft.columns if column.target in draft.deferred)
    load, removal = kind is StepKind.LOAD, rule if kind is StepKind.DELETE and isinstance(rule, DeletesSpec) else None
    first = tuple(column for column in draft.columns if column.target not in draft.deferred)
    return Step(
        kind=kind,
        source=draft.source.name,
        target=draft.target.name,
        key=draft.key,
        key_source=draft.key_source,
        columns=first if load else (*first, *later) if kind is StepKind.LINK else (),
        clears=later if load else (),
        links=tuple(column.target for column in later) if kind is StepKind.LINK else (),
        where=draft.spec.where,
        flag=removal.field if removal else None,
        ceiling=removal.ceiling if removal else None,
        allow_duplicates=draft.spec.duplicates == "allow" and removal is None,
        stamp=stamp_of(draft.source) or "",
        pairing=pairing,
        deletions_listed=draft.source.replicateable,
        critical=draft.spec.critical and kind is not StepKind.DELETE,
    )
