"""Two orgs whose people delete, restore, merge and purge: what such an org does, and what it says of it over HTTP.

| an org | here |
|---|---|
| deletes the contacts of an account along with it, and clears the lookups of accounts that stood under it | `erase` |
| brings back what went along, and lookups that were cleared | `restore` |
| a merge moves the loser's children (their stamps move, who changed them does not) and deletes it | `merge` |
| keeps what was deleted in a bin, and lists deletions for some time | `purge`, `forget_deletions` |
| lists a deletion when it is committed, by the time of its statement | `commit` |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.answers import Answer, refusal, reply
from tests.simulation.laws import GONE
from tests.simulation.org import KEY, Fields, Row, RowError, SimOrg, Transaction
from tests.simulation.pairs import LOCKED, PairFront, PairOrg
from tests.simulation.plans import SHAPES
from tests.simulation.rest import MINUTE_MS, result_of
from tests.simulation.soql import instant, milliseconds

LONG_AGO_MS = 0


@dataclass(frozen=True)
class Logged:
    """A line of the list of deletions."""

    name: str
    id: str
    at: int


class DeletingOrg(PairOrg):
    """An org with cascades, a recycle bin and a list of deletions."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.log: list[Logged] = []
        self.earliest = LONG_AGO_MS
        self.went_with: dict[str, str] = {}
        self.stood_under: dict[str, list[Row]] = {}
        self.watch_removal: Callable[[str, Row], None] | None = None

    def write(self, name: str, row_id: str | None, fields: Fields | None, stamp: int | None = None) -> Row:
        """Insert or change a row; a key that is taken off is free again."""
        assert fields is not None
        known = None if row_id is None else self.tables[name].get(row_id)
        held = None if known is None else known.fields.get(KEY)
        fields = {GONE: "false", **fields} if known is None else fields
        row = super().write(name, row_id, fields, stamp)
        if held is not None and row.fields.get(KEY) != held:
            self.keys[name].pop(held, None)
        return row

    def children(self, row_id: str) -> list[Row]:
        """Return the contacts that die with an account."""
        return [row for row in self.live("Contact") if row.fields.get("AccountId") == row_id]

    def erase(self, name: str, row_id: str, *, ours: bool = False, stamp: int | None = None) -> list[tuple[str, Row]]:
        """Delete a row and its children; return all that went."""
        at = self.clock() if stamp is None else stamp
        row = self.tables[name][row_id]
        SimOrg.write(self, name, row_id, None, at)
        row.ours = ours
        self.log.append(Logged(name, row_id, at))
        went = [(name, row)]
        for child in self.children(row_id) if name == "Account" else ():
            went += self.erase("Contact", child.id, ours=ours, stamp=at)
            self.went_with[child.id] = row_id
        for below in self.live("Account"):
            if below.fields.get("ParentId") == row_id:
                self._touch("Account", below, {"ParentId": None}, at)
                self.stood_under.setdefault(row_id, []).append(below)
        return went

    def restore(self, name: str, row_id: str) -> list[tuple[str, Row]]:
        """Take a row out of the bin, and what went with it."""
        row = self.tables[name][row_id]
        gone_at, row.deleted_at = row.deleted_at, None
        self.write(name, row_id, {})
        back = [(name, row)]
        for child in self.tables["Contact"].values():
            if self.went_with.get(child.id) == row_id and child.deleted_at == gone_at:
                back += self.restore("Contact", child.id)
        for below in self.stood_under.pop(row_id, []):
            if below.deleted_at is None and below.fields.get("ParentId") is None:
                self._touch("Account", below, {"ParentId": row_id}, self.clock())
        return back

    def returning(self, name: str, row_id: str) -> list[Row]:
        """Return what `restore` would bring back."""
        row = self.tables[name][row_id]
        rows = self.tables["Contact"].values()
        return [row, *(e for e in rows if self.went_with.get(e.id) == row_id and e.deleted_at == row.deleted_at)]

    def merge(self, name: str, master: str, loser: str) -> list[tuple[str, Row]]:
        """Let `loser` go into `master`; return what was deleted."""
        at = self.clock()
        if name == "Account":
            for child in self.children(loser):
                self._touch("Contact", child, {"AccountId": master}, at)
            for below in self.live("Account"):
                if below.fields.get("ParentId") == loser:
                    self._touch("Account", below, {"ParentId": master}, at)
        went = self.erase(name, loser)
        self.write(name, master, {})
        return went

    def purge(self, name: str, row_id: str) -> None:
        """Take a deleted row out of the bin for good; the list of deletions still has it."""
        del self.tables[name][row_id]

    def forget_deletions(self) -> None:
        """Forget what was deleted up to now, as an org does after some days."""
        self.log.clear()
        self.earliest = self.clock()

    def commit(self, transaction: Transaction) -> list[tuple[str, Row]]:
        """Let everybody see what a transaction did, deletions too."""
        self.open.remove(transaction)
        seen: list[tuple[str, Row]] = []
        for name, row_id, fields, stamp in transaction.writes:
            if row_id is not None and self.tables[name][row_id].deleted_at is not None:
                continue
            if fields is None and row_id is not None:
                seen += self.erase(name, row_id, stamp=stamp)
            else:
                seen.append((name, self.write(name, row_id, fields, stamp)))
        return seen

    def remove(self, name: str, row_id: str) -> RowError | None:
        """Delete as our user does."""
        row = self.tables[name].get(row_id)
        if row is None or row.deleted_at is not None:
            return RowError("ENTITY_IS_DELETED", "entity is deleted")
        below = self.children(row_id) if name == "Account" else []
        if any(self.held(each.id) for each in (row, *below)):
            return LOCKED
        for each, gone in self.erase(name, row_id, ours=True):
            if self.watch_removal is not None:
                self.watch_removal(each, gone)
        return None

    def upsert(self, name: str, key: str, fields: Fields, parents: Mapping[str, str]) -> tuple[bool, RowError | None]:
        """Write as our user does; a parent that somebody holds is a lock."""
        lookups = self.shapes[name].lookups
        found = (self.keys[lookups[lookup]].get(each) for lookup, each in parents.items())
        if any(parent is not None and self.held(parent.id) for parent in found):
            return False, LOCKED
        gone = next((each for each in lookups if self.is_dead(lookups[each], fields.get(each))), None)
        if gone is not None:
            return False, RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (gone,))
        created, error = super().upsert(name, key, fields, parents)
        return created, error

    def is_dead(self, name: str, row_id: str | None) -> bool:
        """Whether a lookup would name a record that is not there."""
        parent = self.tables[name].get(row_id or "")
        return row_id is not None and (parent is None or parent.deleted_at is not None)

    def _touch(self, name: str, row: Row, fields: Fields, at: int) -> None:
        """Change a row as the org itself does: who wrote it last, and when, stays."""
        ours, modified = row.ours, row.modified
        self.write(name, row.id, fields, max(at, row.stamp))
        row.ours, row.modified = ours, modified


class DeletingFront(PairFront):
    """Lists deletions from the log, and deletes by collections."""

    org: DeletingOrg

    def handle(self, method: str, target: str, body: bytes) -> Answer:
        """Do what is asked."""
        if method == "DELETE" and "/composite/sobjects?" in target:
            self.calls += 1
            ids = target.partition("ids=")[2].partition("&")[0].replace("%2C", ",").split(",")
            return reply([self._removed(row_id) for row_id in ids])
        return super().handle(method, target, body)

    def _removed(self, row_id: str) -> dict[str, object]:
        if self.moods.lock and self._rng.random() < self.moods.lock:
            return result_of(False, LOCKED)
        name = next(name for name, shape in SHAPES.items() if row_id.startswith(shape.prefix))
        return result_of(False, self.org.remove(name, row_id))

    def _changed(self, name: str, row_id: str, record: Mapping[str, Any]) -> dict[str, object]:
        shape = self.org.shapes[name]
        for field, value in record.items():
            lookup = shape.relationships.get(field)
            parent = None if lookup is None else self.org.keys[shape.lookups[lookup]].get(value[KEY])
            parent_id = value if field in shape.lookups else None if parent is None else parent.id
            if parent_id is not None and self.org.held(parent_id):
                return result_of(False, LOCKED)
            if parent_id is not None and self.org.is_dead(shape.lookups[lookup or field], parent_id):
                return result_of(False, RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field,)))
        plain = {name: str(value).lower() if isinstance(value, bool) else value for name, value in record.items()}
        return super()._changed(name, row_id, plain)

    def _record(self, row: Row, kept: Fields, select: tuple[str, ...]) -> dict[str, object]:
        found = super()._record(row, kept, select)
        return {**found, GONE: found[GONE] == "true"} if GONE in found else found

    def _replicated(self, name: str, query: Mapping[str, str], *, deleted: bool) -> Answer:
        if not deleted:
            return super()._replicated(name, query, deleted=False)
        start, end = (milliseconds(query[bound]) // MINUTE_MS * MINUTE_MS for bound in ("start", "end"))
        if self.moods.no_replication or start >= end:
            return refusal(400, "INVALID_REPLICATION_DATE")
        gone = [
            {"id": each.id, "deletedDate": instant(each.at)}
            for each in self.org.log
            if each.name == name and start <= each.at < end
        ]
        covered, earliest = instant(self.org.covered(end)), instant(self.org.earliest)
        return reply({"deletedRecords": gone, "earliestDateAvailable": earliest, "latestDateCovered": covered})
