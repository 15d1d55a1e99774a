"""One simulated org: its schema, rows, users, clock, switches and books, and everything one can do to its data."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Literal, cast

from orgsim.clock import OrgClock
from orgsim.ids import ID_SHORT, IdFactory, encode_base62
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.settings import NEWEST_VERSION, OrgSettings
from orgsim.soql.cursors import Cursors
from orgsim.soql.for_bulk import stream_query
from orgsim.soql.result import QueryResult, RowStream
from orgsim.soql.run import query_steps
from orgsim.soql.steps import Steps, settled
from orgsim.store import engine
from orgsim.store.access import ACCESS_OBJECTS, Access, Privileges, field_access, object_visible, privileges
from orgsim.store.features import Features
from orgsim.store.limits import ParentLocks
from orgsim.store.loads import fiscal_start, load_rows
from orgsim.store.plan import WritePlan, draw_plan
from orgsim.store.recent import RecentlyViewed
from orgsim.store.removal import remove_row, undelete_row
from orgsim.store.results import Operation, Row, RowError, SaveResult, Value, WriteContext
from orgsim.store.rewrites import Rewrites
from orgsim.store.rules import RuleBook, run_due
from orgsim.store.shape import Shape, draw_shape
from orgsim.store.sharing import object_rights
from orgsim.store.table import MemoryTable, Table
from orgsim.store.values import Converter, converter
from orgsim.traffic import ApiUsage
from orgsim.transactions import Transaction
from orgsim.transcript import Transcript

__all__ = ["Org", "Row", "RowError", "SaveResult", "Table", "Value", "WriteContext"]

_POD_DIGITS = 62 * 62


class Org:
    """A Salesforce org in memory. Object names are taken in any capitalisation.

    `objects` and `tables` are keyed by lower-case object name. `guarded_fields` are (object, field) pairs, lower case,
    that a user sees only through FieldPermissions. `views` holds (LastViewedDate, LastReferencedDate) per (user, row).
    """

    def __init__(
        self,
        objects: Mapping[str, ObjectDef],
        *,
        name: str = "orgsim",
        instance_url: str = "http://127.0.0.1:8080",
        seed: int = 0,
        settings: OrgSettings | None = None,
        clock: OrgClock | None = None,
    ) -> None:
        self.name = name
        self.instance_url = instance_url.rstrip("/")
        self.seed = seed
        self.rng = random.Random(seed)
        self.settings = settings or OrgSettings()
        self.clock = clock or OrgClock()
        pod = sum(ord(letter) * (place + 7) for place, letter in enumerate(name)) + seed
        self.ids = IdFactory(encode_base62(pod % _POD_DIGITS, 2))
        self.id18 = self.ids.new("00D")
        self.objects: dict[str, ObjectDef] = {}
        self.tables: dict[str, Table] = {}
        self.guarded_fields: set[tuple[str, str]] = set()
        self.views: dict[tuple[str, str], tuple[datetime | None, datetime | None]] = {}
        self.deletions: dict[str, list[tuple[datetime, str]]] = {}
        self.open_transactions: list[datetime] = []
        self.transactions: dict[str, Transaction] = {}
        self.rules = RuleBook()
        self.rewrites = Rewrites()
        self.locks = ParentLocks()
        self.usage = ApiUsage(self.settings.api_requests_per_day)
        self.transcript = Transcript()
        self.cursors = Cursors()
        self.metadata_changed_at: datetime = self.clock.stamp()
        self.features = Features()
        self._complete = False
        self._prefixes: dict[str, ObjectDef] = {}
        self._counters: dict[tuple[str, str], int] = {}
        self._undo: list[Callable[[], None]] | None = None
        self._shapes: dict[str, Shape] = {}
        self._plans: dict[tuple[object, ...], WritePlan] = {}
        self._access: dict[tuple[str, str], Access] = {}
        self._privileges: dict[str, Privileges] = {}
        self._rights: dict[tuple[str, str], frozenset[str]] = {}
        self._converters: dict[int, Converter] = {}
        for definition in objects.values():
            self.add_object(definition)
        if "recentlyviewed" in self.objects:
            self.set_table("recentlyviewed", RecentlyViewed(self, self.objects["recentlyviewed"]))
        self._complete = True
        self.features.follow(self)

    @property
    def id15(self) -> str:
        """The org's id in its 15-character form."""
        return self.id18[:ID_SHORT]

    @property
    def host(self) -> str:
        """The host (and port) of the instance URL."""
        return self.instance_url.partition("://")[2]

    @property
    def users(self) -> Table:
        """The User table."""
        return self.tables["user"]

    # Schema

    def add_object(self, definition: ObjectDef, table: Table | None = None) -> None:
        """Make an object known, with an empty table unless one is given."""
        key = definition.name.lower()
        self.objects[key] = definition
        self.tables[key] = table or MemoryTable(definition)
        if definition.key_prefix:
            self._prefixes[definition.key_prefix] = definition
        self.metadata_changed()

    def remove_object(self, name: str) -> None:
        """Take an object and its rows away."""
        definition = self.objects.pop(name.lower())
        self.tables.pop(name.lower())
        if definition.key_prefix:
            self._prefixes.pop(definition.key_prefix, None)
        self.metadata_changed()

    def set_table(self, object_name: str, table: Table) -> None:
        """Put another table (for example a virtual one) behind an object."""
        self.tables[object_name.lower()] = table

    def add_field(self, object_name: str, field: FieldDef, *, granted: bool = False) -> None:
        """Add a field. Unless `granted`, it is invisible until FieldPermissions allow it, as after an API call."""
        definition = self.objects[object_name.lower()]
        definition.add_field(field)
        if not granted:
            self.guarded_fields.add((definition.name.lower(), field.name.lower()))
        self.metadata_changed()

    def remove_field(self, object_name: str, name: str) -> None:
        """Take a field away; its stored values stay out of sight."""
        self.objects[object_name.lower()].remove_field(name)
        self.guarded_fields.discard((object_name.lower(), name.lower()))
        self.metadata_changed()

    def metadata_changed(self) -> None:
        """Drop everything worked out from schema and permissions; conditional describes notice too."""
        self.metadata_changed_at = self.clock.stamp()
        self._forget_access()
        if self._complete:
            self.features.follow(self)

    def _forget_access(self) -> None:
        self._shapes.clear()
        self._plans.clear()
        self._access.clear()
        self._privileges.clear()
        self._rights.clear()
        self._converters.clear()

    def object_of_id(self, row_id: str) -> ObjectDef | None:
        """Return the object that an id's key prefix belongs to."""
        return self._prefixes.get(row_id[:3])

    def access(self, object_name: str, user_id: str) -> Access:
        """Return which fields of an object a user may read and write."""
        key = (object_name.lower(), user_id)
        held = self._access.get(key)
        if held is None:
            held = self._access[key] = field_access(self, object_name, user_id)
        return held

    def visible_fields(self, object_name: str, user_id: str) -> list[FieldDef]:
        """Return the fields a user may read, in describe order."""
        return list(self.access(object_name, user_id).readable.values())

    def visible_object(self, object_name: str, user_id: str) -> ObjectDef | None:
        """Return the object, or None if it does not exist for this user."""
        seen = object_visible(self, object_name, user_id) and "Read" in self.rights(object_name, user_id)
        return self.objects[object_name.lower()] if seen else None

    def rights(self, object_name: str, user_id: str) -> frozenset[str]:
        """Return what a user may do with an object's rows: some of Read, Create, Edit, Delete."""
        key = (object_name.lower(), user_id)
        held = self._rights.get(key)
        if held is None:
            held = self._rights[key] = object_rights(self, object_name, user_id)
        return held

    def privileges(self, user_id: str) -> Privileges:
        """Return a user's system permissions."""
        held = self._privileges.get(user_id)
        if held is None:
            held = self._privileges[user_id] = privileges(self, user_id)
        return held

    # Reading

    def row(self, object_name: str, row_id: str) -> Row | None:
        """Return a row by its 18-character id, deleted or not; None if there is no such object or row."""
        table = self.tables.get(object_name.lower())
        return None if table is None else table.get(row_id)

    def fiscal_start_month(self) -> int:
        """Return the first month of the org's fiscal year (Organization.FiscalYearStartMonth, else January)."""
        return fiscal_start(self)

    def covered_until(self) -> datetime:
        """Return up to when every commit is visible: now, or the start of the oldest transaction still open."""
        return min((self.clock.now(), *self.open_transactions))

    def query(
        self,
        soql: str,
        *,
        all_rows: bool = False,
        ctx: WriteContext,
        page_rows: int | None = None,
        version: int = NEWEST_VERSION,
    ) -> QueryResult:
        """Run a query and return its first page (the rest waits under a locator). ApiError as Salesforce would."""
        return settled(self.query_steps(soql, all_rows=all_rows, ctx=ctx, page_rows=page_rows, version=version))

    def query_steps(
        self,
        soql: str,
        *,
        all_rows: bool = False,
        ctx: WriteContext,
        page_rows: int | None = None,
        version: int = NEWEST_VERSION,
    ) -> Steps[QueryResult]:
        """Run a query in steps, with pauses in which other calls can be answered."""
        user_id = ctx.user_id
        return query_steps(self, soql, all_rows=all_rows, user_id=user_id, page_rows=page_rows, version=version)

    def stream(
        self, soql: str, *, all_rows: bool = False, ctx: WriteContext, version: int = NEWEST_VERSION
    ) -> RowStream:
        """Run a query for Bulk: flat columns and a lazy stream of typed values."""
        return stream_query(self, soql, all_rows=all_rows, user_id=ctx.user_id, version=version)

    # Writing

    def new_id(self, prefix: str) -> str:
        """Return a fresh 18-character id."""
        return self.ids.new(prefix)

    def insert(self, object_name: str, values: Mapping[str, object], ctx: WriteContext) -> SaveResult:
        """Create one row."""
        return engine.insert_row(self, object_name, values, ctx)

    def update(self, object_name: str, row_id: str, values: Mapping[str, object], ctx: WriteContext) -> SaveResult:
        """Change one row."""
        return engine.update_row(self, object_name, row_id, values, ctx)

    def upsert(
        self, object_name: str, key_field: str, key: object, values: Mapping[str, object], ctx: WriteContext
    ) -> SaveResult:
        """Create or change the row with this external id (or Id; a null Id creates)."""
        return engine.upsert_row(self, object_name, key_field, key, values, ctx=ctx)

    def delete(self, object_name: str, row_id: str, ctx: WriteContext, *, hard: bool = False) -> SaveResult:
        """Delete one row into the recycle bin, or for good."""
        return remove_row(self, object_name, row_id, ctx, hard=hard)

    def undelete(self, object_name: str, row_id: str, ctx: WriteContext) -> SaveResult:
        """Take one row out of the recycle bin."""
        return undelete_row(self, object_name, row_id, ctx)

    def settle(self) -> None:
        """Make the changes of triggers whose time has come."""
        run_due(self)

    def dml_many(
        self,
        operation: Operation,
        object_name: str,
        key_field: str | None,
        rows: Iterable[Mapping[str, object]],
        ctx: WriteContext,
    ) -> list[SaveResult]:
        """Write many rows; one result per row, in order. `rows` carry their key or `Id` as a column."""
        return engine.write_rows(self, operation, object_name, key_field, rows, ctx=ctx)

    def load(self, object_name: str, rows: Iterable[Mapping[str, Value]]) -> list[str]:
        """Store typed rows without any check (for generators and the control port); returns their ids in order.

        What is missing is filled in: Id, defaults, IsDeleted, audit dates (now).
        """
        return load_rows(self, object_name, rows)

    @contextmanager
    def savepoint(self) -> Generator[Callable[[], None]]:
        """Remember every write inside the block; the yielded function takes them all back (ids stay used up).

        An exception that leaves the block takes them back too.
        """
        outer, self._undo = self._undo, []
        mine = self._undo

        def roll_back() -> None:
            while mine:
                mine.pop()()
            self._forget_access()

        try:
            yield roll_back
        except BaseException:
            roll_back()
            raise
        finally:
            if outer is not None:
                outer.extend(mine)
            self._undo = outer

    def shape(self, object_name: str) -> Shape:
        """Return what the write engine knows about an object."""
        key = object_name.lower()
        held = self._shapes.get(key)
        if held is None:
            held = self._shapes[key] = draw_shape(self, self.objects[key])
        return held

    def write_plan(
        self,
        object_name: str,
        ctx: WriteContext,
        operation: Literal["insert", "update"],
        keys: tuple[str, ...],
        key_field: str | None,
    ) -> WritePlan:
        """Return how these columns map to fields, cached until schema or permissions change."""
        cache_key = (object_name, ctx.user_id, operation, keys, key_field, ctx.text)
        held = self._plans.get(cache_key)
        if held is None:
            access = self.access(object_name, ctx.user_id)
            definition = self.objects[object_name.lower()]
            held = draw_plan(definition, access, operation, keys, key_field=key_field, text=ctx.text)
            self._plans[cache_key] = held
        return held

    def key_converter(self, field: FieldDef) -> Converter:
        """Return the converter of a key field from text, made once per schema state."""
        held = self._converters.get(id(field))
        if held is None:
            held = self._converters[id(field)] = converter(field, text=True)
        return held

    def store(self, object_name: str, row: Row) -> None:
        """Put a row into its table, remembering the one it replaces while a savepoint is open."""
        key = object_name.lower()
        table = self.tables[key]
        if self._undo is not None:
            before = table.get(cast("str", row["Id"]))
            self._remember(table, cast("str", row["Id"]), before)
        table.put(row)
        if key == "user":  # changes who may see what, but is no change of metadata
            self._forget_access()
        elif key in ACCESS_OBJECTS:
            self.metadata_changed()

    def forget(self, object_name: str, row_id: str) -> None:
        """Take a row out of its table for good."""
        table = self.tables[object_name.lower()]
        if self._undo is not None:
            self._remember(table, row_id, table.get(row_id))
        table.remove(row_id)
        if object_name.lower() in ACCESS_OBJECTS:
            self.metadata_changed()

    def _remember(self, table: Table, row_id: str, before: Row | None) -> None:
        if self._undo is None:
            return
        if before is None:
            self._undo.append(lambda: table.remove(row_id))
        else:
            self._undo.append(lambda: table.put(before))

    def log_deletion(self, object_name: str, row_id: str, at: datetime) -> None:
        """Note a deletion for getDeleted."""
        log = self.deletions.setdefault(object_name.lower(), [])
        log.append((at, row_id))
        if self._undo is not None:
            self._undo.append(lambda: log.remove((at, row_id)))

    def next_autonumber(self, object_name: str, field: str) -> str:
        """Return the next value of an auto-number field, eight digits."""
        number = self._counters.get((object_name, field), 1000) + 1
        self._counters[object_name, field] = number
        return f"{number:08d}"
