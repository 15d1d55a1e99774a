"""The run's tag: a field of the target that says which run wrote a record last, so that a run can be rolled back. Pure.

No id of a created record is kept anywhere. What a run has created is found again in the target itself: by the tag, by
who created it, and by when. A record that a later run wrote has that run's tag, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import msgspec

from isthmus.sync.flow.job import RollbackStep
from isthmus.sync.model import Column, ColumnKind, Issue, Plan, Step, StepKind, ValueType
from isthmus.sync.planning.drafts import Draft
from isthmus.sync.planning.field_rules import writable
from isthmus.sync.planning.issues import error

TAG_LENGTH: Final = 32
_TEXTS: Final = frozenset({"string", "textarea"})


def tag_of(run: UUID) -> str:
    """Return the tag of a run."""
    return run.hex


def tag_column(draft: Draft, field: str, issues: list[Issue]) -> tuple[Column, ...]:
    """Return the step's tag column, or none where the target's field cannot take it."""
    found = draft.target.field(field)
    if found is None:
        text = f"{draft.target.name} has no field {field} in the target org"
    elif found.type not in _TEXTS or found.length < TAG_LENGTH or not writable(found) or not found.filterable:
        text = f"{field} of {draft.target.name} is no text of {TAG_LENGTH} characters to write and to filter by"
    elif any(column.target == found.name for column in draft.columns):
        text = f"{field} of {draft.target.name} is filled by the step already"
    else:
        return (Column(target=found.name, kind=ColumnKind.CONSTANT, type=ValueType.TEXT, constant=""),)
    remedy = f"Make it a Text field of {TAG_LENGTH} characters on every object of the sync, or remove `run_tag`."
    issues.append(error("run_tag_unusable", draft.where, text, remedy))
    return ()


def tagged(step: Step, field: str, tag: str) -> Step:
    """Return the step with the tag in its place."""
    columns = tuple(
        msgspec.structs.replace(column, constant=tag)
        if column.kind is ColumnKind.CONSTANT and column.target.casefold() == field.casefold()
        else column
        for column in step.columns
    )
    return msgspec.structs.replace(step, columns=columns)


def rollback_steps(plan: Plan) -> tuple[RollbackStep, ...]:
    """Return what to delete in which order: children before their parents, each object once."""
    return tuple(_once([(n, step) for n, step in enumerate(plan.steps) if step.kind is StepKind.LOAD]))


def _once(steps: Sequence[tuple[int, Step]]) -> Iterator[RollbackStep]:
    seen: set[str] = set()
    for number, step in reversed(steps):
        if step.target.casefold() not in seen:
            seen.add(step.target.casefold())
            yield RollbackStep(number, step.target)
