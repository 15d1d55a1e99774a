"""The words of a sync as frozen values. No field here can hold a record's value or a record's id.

Plans and steps are msgspec structs, because they travel: into the database with the definition, and into the mover
with the job. Everything that a mover can say back is an integer (see `flow.frames`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from msgspec import Struct

from isthmus.sync.flow.expressions.values import Type
from isthmus.sync.pairing import Pairing

TRACKING_FIELD: Final = "SwiftPort_Source_Id__c"
"""Where the target keeps the 18-character source id of a row: the only mapping there is."""
TRACKING_LENGTH: Final = 18
STEPS_MAX: Final = 240
"""Parts of a plan: a frame has one byte for the number."""
OBJECTS_MAX: Final = STEPS_MAX // 3
"""Steps of a definition: each becomes a load, and at most a second pass and deletions besides."""
COLUMNS_MAX: Final = 800


class ColumnKind(StrEnum):
    """Where the value of a column comes from."""

    COPY = "copy"
    CONSTANT = "constant"
    PARENT = "parent"
    MAP = "map"
    TRANSFORM = "transform"


class ValueType(StrEnum):
    """How a value is written in JSON: `text` covers dates and times, which Salesforce takes as strings."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"


class UserKey(StrEnum):
    """By which field the users of two orgs are told to be the same person."""

    USERNAME = "Username"
    EMAIL = "Email"
    FEDERATION_ID = "FederationIdentifier"


ANY_OTHER: Final = "*"
"""The entry of a value map for every value that it does not name."""


class OwnerRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="rule", tag="owner"):
    """Who owns a record in the target: always `user`, or the user with the same `match`, else `fallback`.

    Users are named by user name; the mover finds their ids anew in each run and keeps them in memory only. Queues are
    matched by their developer names.
    """

    user: str | None = None
    match: UserKey | None = None
    fallback: str | None = None


class RecordTypeRule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="rule", tag="record_type"
):
    """Developer names of the source to those of the target; what `names` does not have stays the same."""

    names: dict[str, str]


class PicklistRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="rule", tag="picklist"):
    """Values of the source to those of the target; what `values` does not have stays the same."""

    values: dict[str, str]
    multiple: bool = False


class LookupRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="rule", tag="lookup"):
    """What the field `take` holds in the target's record of `object` whose field `by` has the column's value.

    Asked of the target in each run and kept in the mover's memory only. Of two records with one value neither is taken.
    """

    object: str
    by: str
    take: str = "Id"


Rule: TypeAlias = OwnerRule | RecordTypeRule | PicklistRule | LookupRule


class MaskKind(StrEnum):
    """What stands in the place of a value that must not leave: see `flow.masks`."""

    EMAIL = "email"
    PHONE = "phone"
    NAME = "name"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    REDACT = "redact"
    REDACT_EMAIL = "redact_email"
    NULL = "null"


class Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field of the source that a transform reads; `path` may lead over parents (`Account.Code__c`)."""

    path: str
    type: Type


class Transform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is made of a row's values: what `expression` gives of `inputs` (without one: the only input), then `mask`.

    `zones` are the IANA zones of the expression, `length` is that of the target's field (0: it has none).
    """

    inputs: tuple[Input, ...]
    gives: Type
    expression: str | None = None
    mask: MaskKind | None = None
    zones: tuple[str, ...] = ()
    length: int = 0


class ParentKind(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of record that a lookup such as Task.WhatId may point at: ids of the source that begin with `prefix`.

    In the target such a parent is a record of `object`, found by its external id `key`. `object` None: the lookup of
    the target takes one kind only, and does not want it named.
    """

    prefix: str
    object: str | None
    key: str


class Column(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field of the target and what fills it.

    A `MAP` column sends what its `rule` makes of the source's value; a value of which it makes nothing fails its row.

    A `TRANSFORM` column sends what its `transform` makes of the row, and has no `source`. A `PARENT` or `MAP` column
    with a transform takes what that gives instead of the source's value.

    A `PARENT` column takes the source's lookup value (a source id) and sends it as `relationship.parent_key`, so that
    the target org itself finds the parent: no id map is kept anywhere. Where the parent may be of several kinds,
    `kinds` says which key each has; an id of any other kind counts as null.
    """

    target: str
    kind: ColumnKind
    type: ValueType = ValueType.TEXT
    source: str | None = None
    constant: str | None = None
    relationship: str | None = None
    parent_key: str | None = None
    kinds: tuple[ParentKind, ...] = ()
    rule: Rule | None = None
    transform: Transform | None = None
    create_only: bool = False
    """The target takes the field when a record is created, and never again: master-detail, a price's product."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields of the source that the column is made of."""
        if self.transform is not None:
            return tuple(each.path for each in self.transform.inputs)
        return () if self.source is None else (self.source,)

    @property
    def headers(self) -> tuple[str, ...]:
        """The column's names in Bulk files: one, or `Account:What.Key__c` for each kind of parent."""
        if self.kind is not ColumnKind.PARENT:
            return (self.target,)
        if not self.kinds:
            return (f"{self.relationship}.{self.parent_key}",)
        kinds = ((f"{kind.object}:" if kind.object else "", kind.key) for kind in self.kinds)
        return tuple(f"{named}{self.relationship}.{key}" for named, key in kinds)


class StepKind(StrEnum):
    """`LOAD` upserts rows; `LINK` is the second pass over those with lookups that form a circle.

    It sends whole rows: an upsert of the lookups alone would make an empty record of a row whose load was refused.

    `DELETE` carries deletions over.
    """

    LOAD = "load"
    LINK = "link"
    DELETE = "delete"


class Child(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records of the target's object `target` whose `lookup` names a record go along when that is deleted.

    `source` is the object of their counterparts.
    """

    source: str
    target: str
    lookup: str


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One object's part of a plan.

    `clears` names target lookups that a `LINK` step fills later: the load step sets them to null where the source is
    null and leaves them alone elsewhere. Failures are counted by the ordinal of the column in `columns`.
    """

    kind: StepKind
    source: str
    target: str
    key: str
    key_source: str = "Id"
    columns: tuple[Column, ...] = ()
    clears: tuple[Column, ...] = ()
    links: tuple[str, ...] = ()
    """Target lookups for whose sake a `LINK` step exists: it reads the rows in which one of them is filled."""
    where: str | None = None
    flag: str | None = None
    """A `DELETE` step sets this checkbox instead of deleting."""
    ceiling: int | None = None
    """A `DELETE` step touches no record if a window has more of them."""
    deletions_listed: bool = True
    """Whether the source lists deletions (getDeleted); else they are looked for in its recycle bin."""
    allow_duplicates: bool = False
    """Rows go in where a duplicate rule of the target only warns."""
    stamp: str = "SystemModstamp"
    """The source's field that tells when a record was changed; windows are spans of it."""
    backward: bool = False
    """The step reads the sync's target and writes its source: its own source and target are the other way round."""
    pairing: Pairing | None = None
    """How the step looks at both records of a pair before it writes; None: it upserts without looking."""
    children: tuple[Child, ...] = ()
    """What the target would delete along with a record of a `DELETE` step, as far as the sync has it too."""
    critical: bool = False
    """The run stops after the step if one of its rows failed."""


class Budget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which share of an org's daily API calls may be used: by everybody before a run goes on, and by one run alone."""

    day_percent: int = 80
    run_percent: int = 25


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The checked, ordered steps: parents first, second passes last."""

    steps: tuple[Step, ...]
    tracking: tuple[str, ...] = ()
    """Target objects that still lack their tracking field; activation creates it."""
    tracking_source: tuple[str, ...] = ()
    """The same for the source org of a two-way sync."""
    two_way: bool = False
    budget: Budget = Budget()
    run_tag: str | None = None
    """The target's field that every written row gets the run's tag in, so that a run can be rolled back."""
    by_hand: bool = False
    """A migration: it runs when somebody asks, and then tries everything that failed once more."""
    retry_times: int = 5
    """How often a window with rows that may pass by themselves is read again without being asked."""


class Severity(StrEnum):
    """How much an issue matters: an error refuses the plan."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


class Issue(Struct, frozen=True, kw_only=True):
    """Something to know about a plan, in plain words with its remedy. `code` is stable and meant for programs."""

    severity: Severity
    code: str
    where: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A plan that can run, with what is worth knowing about it."""

    plan: Plan
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """No plan: at least one issue is an error."""

    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of SystemModstamp, `since <= stamp < until`. `since` None means from the beginning."""

    since: datetime | None
    until: datetime


class SyncState(StrEnum):
    """A saved sync starts inactive; `ACTIVATING` lasts until the tracking fields exist."""

    INACTIVE = "inactive"
    ACTIVATING = "activating"
    ACTIVE = "active"
    PAUSED = "paused"


class PauseReason(StrEnum):
    """Why a sync stands still although it was active or wanted to be."""

    BY_HAND = "by_hand"
    SOURCE_REVOKED = "source_revoked"
    TARGET_REVOKED = "target_revoked"
    ACTIVATION_REFUSED = "activation_refused"
    LOOPING = "looping"


class RunState(StrEnum):
    """`PARTIAL` finished with failed rows; `REVOKED` was stopped because an org withdrew its consent."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    REVOKED = "revoked"


class EndReason(IntEnum):
    """Why the mover stopped, as a number in its last frame. Ordinals are stable."""

    FINISHED = 0
    SOURCE_LEASE_LOST = 1
    TARGET_LEASE_LOST = 2
    SOURCE_UNAVAILABLE = 3
    TARGET_UNAVAILABLE = 4
    SOURCE_LIMITED = 5
    TARGET_LIMITED = 6
    SOURCE_REFUSED = 7
    TARGET_REFUSED = 8
    UNEXPECTED_ANSWER = 9
    INCOMPLETE_READ = 10
    MALFORMED_CSV = 11
    BUG = 12
    MOVER_DIED = 13
    SOURCE_REVOKED = 14
    TARGET_REVOKED = 15
    MOVER_REFUSED = 16
    DELETES_ABOVE_CEILING = 17
    DELETES_UNPROVEN = 18
    SOURCE_BUDGET = 19
    TARGET_BUDGET = 20
    LEASES_ENDED = 21
    CRITICAL_STEP = 22


class Path(IntEnum):
    """How the rows of a window travelled."""

    NONE = 0
    COLLECTIONS = 1
    BULK = 2


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Which connection is which side: the index of an endpoint in a job."""

    SOURCE = 0
    TARGET = 1
