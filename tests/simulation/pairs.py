"""Two-way syncs in the simulation: people edit both orgs, workers die, and at the end the orgs agree and nothing is lost.

The world is that of `world.py`; the orgs also tell who changed a row last, and take changes by Id. Edits may be
committed late. Deletions are left to `tests/support/two_way_model.py`.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.sync.model import Plan
from tests.simulation.answers import Answer, reply
from tests.simulation.laws import Judge
from tests.simulation.org import KEY, Fields, Row, RowError, SimOrg
from tests.simulation.plans import SHAPES, TEXTS, pair_plan
from tests.simulation.rest import Front, result_of
from tests.simulation.soql import instant
from tests.simulation.story import brew, calm, judge, mischief, schedule, settle
from tests.simulation.world import World, canary

US: Final = "005000000000001AAA"
SOMEBODY: Final = "005000000000002AAA"
NAMES: Final = ("Account", "Contact")
LOCKED: Final = RowError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
RACE_MS: Final = 2_500
"""An edit that falls between our reading of a pair and our writing of it is lost: no request compares and writes."""
TIE_S: Final = 6.0
"""Edits of both sides that are nearer than this have no order that anybody could know: clocks are told to the second."""


class PairOrg(SimOrg):
    """An org that knows who wrote a row last; `written` has the times at which we changed one."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.written: dict[str, list[int]] = {}

    def write(self, name: str, row_id: str | None, fields: Fields | None, stamp: int | None = None) -> Row:
        row = super().write(name, row_id, fields, stamp)
        row.ours = False
        return row

    def held(self, row_id: str) -> bool:
        """Whether an open transaction has written the row: nobody else can, until it is over."""
        return any(row_id == each for opened in self.open for _, each, _, _ in opened.writes)

    def ours(self, name: str, row_id: str | None, fields: Fields) -> Row:
        """Write as our user does."""
        row = self.write(name, row_id, fields)
        row.ours = True
        self.written.setdefault(row.id, []).append(row.stamp)
        return row

    def upsert(self, name: str, key: str, fields: Fields, parents: Mapping[str, str]) -> tuple[bool, RowError | None]:
        known = self.keys[name].get(key)
        if known is not None and self.held(known.id):
            return False, LOCKED
        created, error = super().upsert(name, key, fields, parents)
        if error is None:
            self.keys[name][key].ours = True
        return created, error


class PairFront(Front):
    """Answers who we are, tells who changed a row last and the keys of parents, and changes rows by Id."""

    def handle(self, method: str, target: str, body: bytes) -> Answer:
        if target == "/services/oauth2/userinfo":
            return reply({"user_id": US})
        return super().handle(method, target, body)

    def _record(self, row: Row, kept: Fields, select: tuple[str, ...]) -> dict[str, object]:
        found = super()._record(row, kept, tuple(name for name in select if "." not in name))
        found |= {"LastModifiedDate": instant(row.modified), "LastModifiedById": US if row.ours else SOMEBODY}
        shape = next(shape for shape in SHAPES.values() if row.id.startswith(shape.prefix))
        for relationship, lookup in shape.relationships.items():
            parent = self.org.tables[shape.lookups[lookup]].get(kept.get(lookup) or "")
            if any(name.startswith(f"{relationship}.") for name in select):
                found[relationship] = None if parent is None else {KEY: parent.fields.get(KEY)}
        return found

    def _changes(self, records: list[dict[str, Any]]) -> Answer:
        return reply([self._changed(record.pop("attributes")["type"], record.pop("Id"), record) for record in records])

    def _changed(self, name: str, row_id: str, record: Mapping[str, Any]) -> dict[str, object]:
        row, shape = self.org.tables[name].get(row_id), self.org.shapes[name]
        if row is None or row.deleted_at is not None:
            return result_of(False, RowError("ENTITY_IS_DELETED", "entity is deleted"))
        assert isinstance(self.org, PairOrg)
        if self.org.held(row_id) or (self.moods.lock and self._rng.random() < self.moods.lock):
            return result_of(False, LOCKED)
        fields: Fields = {}
        for field_name, value in record.items():
            lookup = shape.relationships.get(field_name)
            if lookup is None:
                fields[field_name] = value
                continue
            parent = self.org.keys[shape.lookups[lookup]].get(value[KEY])
            if parent is None:
                return result_of(False, RowError("INVALID_FIELD", f"Foreign key external ID: {value[KEY]} not found"))
            fields[lookup] = parent.id
        self.org.ours(name, row_id, fields)
        if self.org.watch_write is not None:
            self.org.watch_write(name, row_id, row, fields)
        return result_of(False, None)


@dataclass(frozen=True)
class Edit:
    """What a person did: when by everybody's time, in which org, to which row."""

    at_s: float
    org: PairOrg
    name: str
    row: str
    fields: Fields
    seen: int
    """When everybody saw it, by the org's own clock."""


class PairJudge(Judge):
    """What must hold of two orgs that follow each other."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.edits: list[Edit] = []
        self._source.watch_write = self.on_write

    def on_write(self, name: str, key: str, row: Row, sent: Fields) -> None:
        """Of a text that we write somebody has written it into this record, here or there."""
        del key
        text = sent.get(TEXTS[name])
        known = [*row.versions[:-1], *(version for each in self.counterparts(name, row) for version in each.versions)]
        if text is not None and not any(fields.get(TEXTS[name]) == text for _, fields in known):
            self.break_law("a written row is a row of its pair", f"{name} {row.id}")

    def _check_watermarks(self) -> None:
        """What lies below a watermark may wait for the other direction: convergence is what is judged."""

    def late(self, org: SimOrg, rows: list[tuple[str, Row]]) -> None:
        """What becomes visible late must not lie below the watermark of its direction."""
        marks = self.watermarks()
        for name, row in rows:
            for number, step in enumerate(self._plan.steps):
                reads = step.source == name and (org is self._target) is step.backward and not step.links
                if reads and row.stamp < marks.get(number, 0):
                    self.break_law("a late commit lies above the watermark", f"step {number}, {row.id}")

    def converged(self) -> Iterator[str]:
        """Yield where the orgs differ, and what was lost."""
        for name in NAMES:
            left, right = ({row.id: row for row in org.live(name)} for org in (self._source, self._target))
            if len(left) != len(right):
                yield f"{name}: {len(left)} and {len(right)} rows"
            for row in left.values():
                others = self.counterparts(name, row)
                if len(others) != 1:
                    yield f"{name} {row.id} has {len(others)} counterparts"
                elif self._mapped(name, row, self._source) != self._mapped(name, others[0], self._target):
                    yield f"{name} {row.id} differs"
        yield from self._lost()

    def counterparts(self, name: str, row: Row) -> list[Row]:
        """Return the rows of the other org that this one is tied to: at most one, if all is well."""
        here = self._source if row.id in self._source.tables[name] else self._target
        other = self._target if here is self._source else self._source
        key = row.fields.get(KEY)
        rows = other.live(name)
        return [each for each in rows if each.id == key] if key else [e for e in rows if e.fields.get(KEY) == row.id]

    def _mapped(self, name: str, row: Row, org: SimOrg) -> list[object]:
        """A row's values, its parents by the id that the record has in the org that made it."""
        found: list[object] = [row.fields.get(TEXTS[name]), row.fields.get("Rating")]
        for lookup, parent_name in SHAPES[name].lookups.items():
            parent = org.tables[parent_name].get(row.fields.get(lookup) or "")
            found.append(None if parent is None else parent.fields.get(KEY) or parent.id)
        return found

    def _lost(self) -> Iterator[str]:
        """Yield each pair of which the last edit does not stand, where both sides' edits have a clear order."""
        pairs: dict[tuple[str, str], list[Edit]] = {}
        for edit in self.edits:
            row = edit.org.tables[edit.name][edit.row]
            pairs.setdefault((edit.name, row.fields.get(KEY) or row.id), []).append(edit)
        for (name, origin), edits in pairs.items():
            _, last = max(enumerate(edits), key=lambda numbered: (numbered[1].at_s, numbered[0]))
            rival = max((edit.at_s for edit in edits if edit.org is not last.org), default=None)
            if rival is not None and last.at_s - rival <= TIE_S:
                continue
            if any(0 <= at - last.seen <= RACE_MS for at in last.org.written.get(last.row, ())):
                continue
            row = last.org.tables[name][last.row]
            for field, value in last.fields.items():
                if field not in SHAPES[name].lookups and row.fields.get(field) != value:
                    yield f"{name} {origin}: the last edit is lost"


class PairWorld(World):
    """A world whose sync goes both ways."""

    ORG = PairOrg
    FRONT = PairFront
    JUDGE = PairJudge
    judge: PairJudge

    def _drawn(self) -> Plan:
        return pair_plan()

    @property
    def sides(self) -> tuple[PairOrg, PairOrg]:
        """Both orgs."""
        left, right = self.orgs
        assert isinstance(left, PairOrg)
        assert isinstance(right, PairOrg)
        return left, right

    def digest(self) -> int:
        """Return a checksum of both orgs' rows."""
        tables = [org.tables[name] for org in self.orgs for name in NAMES]
        return zlib.crc32(repr([(row.id, row.fields) for table in tables for row in table.values()]).encode())


class PairEditors:
    """The people of both orgs."""

    def __init__(self, world: PairWorld) -> None:
        self._world = world
        self._rng = world.rng
        self._locked: set[str] = set()

    def fill(self, rows: int) -> None:
        """Make the first rows of both orgs."""
        for _ in range(rows):
            self._edit(insert=True)

    async def work(self) -> None:
        """Edit in bursts, here and there."""
        while not self._world.calm:
            await asyncio.sleep(self._rng.expovariate(0.12))
            for _ in range(self._rng.choice((1, 1, 2, 4))):
                if not self._world.calm:
                    self._edit(insert=self._rng.random() < 0.2)

    async def late(self) -> None:
        """Now and then change a row in a transaction that is committed later, when nobody else holds the row."""
        while not self._world.calm:
            await asyncio.sleep(self._rng.expovariate(0.03))
            org = self._rng.choice(self._world.sides)
            name = self._rng.choice(NAMES)
            rows = [row for row in org.live(name) if row.id not in self._locked]
            if self._world.calm or not rows:
                continue
            row, fields, at_s = self._rng.choice(rows), self._text(name), self._world.loop.time()
            opened = org.begin()
            opened.writes.append((name, row.id, fields, org.clock()))
            # Whoever else writes the row, we too, would wait for the lock: the pair is left alone meanwhile.
            pair = {row.id, *(each.id for each in self._world.judge.counterparts(name, row))}
            self._locked |= pair
            await asyncio.sleep(self._rng.choice((0.5, 5.0, 30.0)))
            self._world.judge.edits.append(Edit(at_s, org, name, row.id, fields, org.clock()))
            self._world.judge.late(org, org.commit(opened))
            self._locked -= pair

    def put_right(self) -> None:
        """Nothing is refused here."""

    def _edit(self, *, insert: bool) -> None:
        rng, org = self._rng, self._rng.choice(self._world.sides)
        name = rng.choice(NAMES)
        rows = [row for row in org.live(name) if row.id not in self._locked]
        fields = self._text(name)
        row_id = None
        if insert or not rows:
            fields |= self._links(org, name, None) | {"Rating": rng.choice(("good", None))}
        else:
            row_id = rng.choice(rows).id
            fields = rng.choice(
                (fields, {"Rating": rng.choice(("fair", "good", None))}, self._links(org, name, row_id))
            )
        row = org.write(name, row_id, fields)
        self._world.loop.note(f"edit {org.name} {name} {row.id} {fields}")
        self._world.judge.edits.append(Edit(self._world.loop.time(), org, name, row.id, fields, org.clock()))

    def _text(self, name: str) -> Fields:
        return {TEXTS[name]: canary(self._rng)}

    def _links(self, org: SimOrg, name: str, own: str | None) -> Fields:
        """A parent that is older, so that no two edits make a circle."""
        found: Fields = {}
        for lookup, parent in SHAPES[name].lookups.items():
            rows = [row.id for row in org.live(parent) if name != parent or self._older(org, row, own)]
            found[lookup] = self._rng.choice(rows) if rows and self._rng.random() < 0.7 else None
        return found

    @staticmethod
    def _older(org: SimOrg, row: Row, own: str | None) -> bool:
        mine = org.tables["Account"].get(own or "")
        return row.id != own and (mine is None or (row.fields.get(KEY) or row.id) < (mine.fields.get(KEY) or mine.id))


async def play_pairs(world: PairWorld) -> None:
    """Trouble, then calm, then judgement. Raises `Broken`."""
    edits = PairEditors(world)
    edits.fill(world.rng.randint(2, 10))
    brew(world)
    for mood in world.moods:
        mood.stale_pages = False  # an answer tells values and who wrote them of one moment
    acting = [asyncio.create_task(work) for work in (edits.work(), schedule(world), mischief(world), edits.late())]
    await asyncio.sleep(world.rng.choice((60.0, 120.0, 240.0)))
    await calm(world, edits)
    await asyncio.sleep(40.0)  # what is open is committed
    for task in acting:
        task.cancel()
    await settle(world)
    judge(world)
