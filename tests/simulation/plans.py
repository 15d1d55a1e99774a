"""The syncs that are simulated, drawn by the real planner from describes like those of an org."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Final

from isthmus.salesforce.schema import ChildDescribe, FieldDescribe, ObjectDescribe
from isthmus.sync.model import Drawn, Plan
from isthmus.sync.plan import draw_plan, schema_of
from isthmus.sync.spec import parse_spec
from isthmus.sync.timing.timetable import kept_schedule
from tests.simulation.org import KEY, ObjectShape

SHAPES: Final = MappingProxyType(
    {
        shape.name: shape
        for shape in (
            ObjectShape("Account", "001", ("Name", "Rating", "Gone__c", KEY), {"ParentId": "Account"}, {"Parent": "ParentId"}),
            ObjectShape("Contact", "003", ("LastName", "Rating", "Gone__c", KEY), {"AccountId": "Account"}, {"Account": "AccountId"}),
            ObjectShape("Visit__c", "a00", ("Title__c", "Rating", "Gone__c", KEY), {"Account__c": "Account", "Contact__c": "Contact"}, {"Account__r": "Account__c", "Contact__r": "Contact__c"}),
        )
    }
)  # fmt: skip
TEXTS: Final = {"Account": "Name", "Contact": "LastName", "Visit__c": "Title__c"}

_HEAD: Final = "version: 1\nname: simulated\ninterval_s: 60\nsteps:\n"
SPECS: Final = (
    _HEAD + "  - {object: Account, fields: {Name: Name, Rating: Rating}}\n",
    _HEAD
    + "  - {object: Account, fields: {Name: Name, Rating: Rating, ParentId: ParentId}}\n"
    + "  - {object: Contact, fields: {LastName: LastName, Rating: Rating, AccountId: AccountId}}\n",
    _HEAD
    + "  - {object: Contact, fields: {LastName: LastName, Rating: Rating, AccountId: AccountId}}\n"
    + "  - object: Account\n    fields: {Name: Name, Rating: Rating, ParentId: ParentId}\n"
    + "  - object: Visit__c\n"
    + "    fields: {Title__c: Title__c, Rating: Rating, Account__c: Account__c, Contact__c: Contact__c}\n"
    + "    deletes: {action: delete}\n",
    _HEAD
    + "  - object: Account\n    fields: {Name: Name, Rating: Rating, ParentId: ParentId}\n"
    + "    deletes: {action: flag, field: Gone__c}\n"
    + "  - object: Contact\n    fields: {LastName: LastName, Rating: Rating, AccountId: AccountId}\n"
    + "    deletes: {action: delete}\n",
)

PAIRS: Final = (
    _HEAD.replace("steps:", "direction: two-way\nconflicts: newest_wins\nsteps:")
    + "  - {object: Account, fields: {Name: Name, Rating: Rating, ParentId: ParentId}}\n"
    + "  - {object: Contact, fields: {LastName: LastName, Rating: Rating, AccountId: AccountId}}\n"
)

_PAIRS_HEAD: Final = PAIRS.partition("  - ")[0]
_BOTH_DELETE: Final = (
    _PAIRS_HEAD
    + "  - object: Account\n    fields: {Name: Name, Rating: Rating, ParentId: ParentId}\n"
    + "    deletes: {action: delete}\n"
    + "  - object: Contact\n    fields: {LastName: LastName, Rating: Rating, AccountId: AccountId}\n"
    + "    deletes: {action: delete}\n"
)
DELETING: Final = (
    _BOTH_DELETE,
    _BOTH_DELETE,
    _BOTH_DELETE,
    _PAIRS_HEAD
    + "  - object: Account\n    fields: {Name: Name, Rating: Rating}\n    deletes: {action: flag, field: Gone__c}\n",
    _PAIRS_HEAD + "  - {object: Account, fields: {Name: Name, Rating: Rating}}\n",
)
"""What becomes of deletions both ways; most worlds carry them."""


@lru_cache(maxsize=len(SPECS))
def plan_of(number: int) -> Plan:
    """Return the plan of `SPECS[number]`."""
    schema = schema_of(_described(shape) for shape in SHAPES.values())
    drawn = draw_plan(parse_spec(SPECS[number]), schema, schema)
    assert isinstance(drawn, Drawn), drawn
    return drawn.plan


@lru_cache(maxsize=len(SPECS))
def schedule_of(number: int) -> bytes:
    """Return the schedule of `SPECS[number]` as the database keeps it."""
    return kept_schedule(parse_spec(SPECS[number])).content


@lru_cache(maxsize=1 + len(DELETING))
def pair_plan(text: str = PAIRS) -> Plan:
    """Return the plan of a two-way sync."""
    schema = schema_of(_described(shape, traced=True) for shape in SHAPES.values())
    drawn = draw_plan(parse_spec(text), schema, schema)
    assert isinstance(drawn, Drawn), drawn
    return drawn.plan


def _described(shape: ObjectShape, *, traced: bool = False) -> ObjectDescribe:
    relationships = {lookup: name for name, lookup in shape.relationships.items()}
    traces = [_field("LastModifiedById", "id"), _field("LastModifiedDate", "datetime"), _field("IsDeleted", "id")]
    fields = [
        *(traces if traced else ()),
        _field("Id", "id"),
        _field("SystemModstamp", "datetime"),
        *(_field(name, "string") for name in shape.plain if name not in {KEY, "Gone__c"}),
        _field("Gone__c", "boolean", nillable=False, defaulted_on_create=True),
        _field(KEY, "string", external_id=True, unique=True, case_sensitive=True, length=18),
        *(
            _field(name, "reference", reference_to=(parent,), relationship_name=relationships[name])
            for name, parent in shape.lookups.items()
        ),
    ]
    return ObjectDescribe(
        name=shape.name, label=shape.name, custom=False, queryable=True, createable=True, updateable=True,
        deletable=True, replicateable=True, fields=tuple(fields),
        cascades=(ChildDescribe(object="Contact", field="AccountId"),) if shape.name == "Account" else (),
    )  # fmt: skip


def _field(name: str, kind: str, *, length: int = 255, **more: object) -> FieldDescribe:
    fixed = kind in {"id", "datetime"}
    given: dict[str, object] = {
        "name": name, "label": name, "type": kind, "length": length, "createable": not fixed, "updateable": not fixed,
        "filterable": True, "sortable": True, **more,
    }  # fmt: skip
    return FieldDescribe(**given)  # pyright: ignore[reportArgumentType] - the fields of a struct by name
