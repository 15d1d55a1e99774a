"""The people of two orgs that carry deletions both ways, and their story."""

from __future__ import annotations

import asyncio
from typing import Final

from isthmus.sync.model import Plan
from tests.simulation.org import KEY, Fields, Row
from tests.simulation.pair_deletions import DeletingFront, DeletingOrg
from tests.simulation.pair_lives import DeletingJudge, Life
from tests.simulation.pairs import PairWorld
from tests.simulation.plans import DELETING, SHAPES, TEXTS, pair_plan
from tests.simulation.story import brew, calm, judge, mischief, schedule, settle
from tests.simulation.world import canary

ACTS: Final = {"insert": 4, "text": 5, "link": 3, "delete": 4, "restore": 3, "merge": 1, "recreate": 1, "purge": 1}


class DeletingWorld(PairWorld):
    """A world whose sync goes both ways and says what becomes of deletions."""

    ORG = DeletingOrg
    FRONT = DeletingFront
    JUDGE = DeletingJudge
    judge: DeletingJudge  # pyright: ignore[reportIncompatibleVariableOverride] - the world makes no other

    def _drawn(self) -> Plan:
        return pair_plan(DELETING[self.rng.randrange(len(DELETING))])

    @property
    def names(self) -> tuple[str, ...]:
        """The objects of the sync."""
        return tuple(dict.fromkeys(step.source for step in self.plan.steps))


class DeletingPeople:
    """Who edits, deletes, restores, merges and purges in both orgs."""

    def __init__(self, world: DeletingWorld) -> None:
        self._world = world
        self._rng = world.rng
        self._judge = world.judge
        self._locked: set[str] = set()

    def fill(self, rows: int) -> None:
        """Make the first rows of both orgs."""
        for _ in range(rows):
            org = self._rng.choice(self._judge.orgs)
            self._insert(org, self._rng.choice(self._world.names))

    async def work(self) -> None:
        """Act in bursts, here and there."""
        while not self._world.calm:
            await asyncio.sleep(self._rng.expovariate(0.12))
            for _ in range(self._rng.choice((1, 1, 2, 4))):
                if not self._world.calm:
                    self._act()

    async def late(self) -> None:
        """Now and then change or delete a row in a transaction that is committed later."""
        while not self._world.calm:
            await asyncio.sleep(self._rng.expovariate(0.03))
            org = self._rng.choice(self._judge.orgs)
            name = self._rng.choice(self._world.names)
            rows = [row for row in org.live(name) if self._is_free(org, row)]
            if self._world.calm or not rows:
                continue
            row, at_s = self._rng.choice(rows), self._world.loop.time()
            fields = self._text(name) if self._rng.random() < 0.5 else None
            opened = org.begin()
            opened.writes.append((name, row.id, fields, org.clock()))
            # Whoever else writes the row, we too, would wait for the lock: the pair is left alone meanwhile.
            held = {each.id for each in (row, *org.children(row.id), *self._judge.counterparts(name, row))}
            self._locked |= held
            self._world.loop.note(f"open {org.name} {name} {row.id} {fields}")
            await asyncio.sleep(self._rng.choice((0.5, 5.0, 30.0)))
            seen = org.commit(opened)
            self._world.loop.note(f"commit {org.name} {name} {row.id} {fields}")
            for each, written in seen:
                self._judge.note(org, each, written, fields, at_s)
            self._judge.late(org, seen)
            self._locked -= held

    def put_right(self) -> None:
        """Nothing is refused here."""

    def untie(self) -> None:
        """Empty the key of copies whose original is purged, as the run's report advises."""
        for org in self._judge.orgs:
            for name in self._world.names:
                for row in org.live(name):
                    key = row.fields.get(KEY)
                    if key and key not in self._judge.other(org).tables[name]:
                        self._edit(org, name, row.id, {KEY: None})

    def _is_free(self, org: DeletingOrg, row: Row) -> bool:
        return not any(each.id in self._locked for each in (row, *org.children(row.id)))

    def _act(self) -> None:
        org = self._rng.choice(self._judge.orgs)
        name = self._rng.choice(self._world.names)
        act = self._rng.choices(tuple(ACTS), tuple(ACTS.values()))[0]
        rows = [row for row in org.live(name) if self._is_free(org, row)]
        if act == "restore":
            self._restore(org, name)
        elif act == "recreate":
            self._recreate(org, name)
        elif act == "purge":
            self._purge(org, name)
        elif act == "insert" or not rows:
            self._insert(org, name)
        elif act == "delete":
            self._erase(org, name, self._rng.choice(rows))
        elif act == "merge":
            self._merge(org, name, rows)
        else:
            row = self._rng.choice(rows)
            life = self._judge.lives[row.id]
            fields = self._text(name) if act == "text" else self._links(org, name, life)
            self._edit(org, name, row.id, fields or {"Rating": self._rng.choice(("fair", "good", None))})

    def _insert(self, org: DeletingOrg, name: str) -> None:
        self._edit(org, name, None, self._text(name) | self._links(org, name, None) | {"Rating": "good"})

    def _edit(self, org: DeletingOrg, name: str, row_id: str | None, fields: Fields) -> None:
        row = org.write(name, row_id, fields)
        self._world.loop.note(f"edit {org.name} {name} {row.id} {fields}")
        self._judge.note(org, name, row, fields)

    def _erase(self, org: DeletingOrg, name: str, row: Row) -> None:
        self._world.loop.note(f"delete {org.name} {name} {row.id}")
        for each, gone in org.erase(name, row.id):
            self._judge.note(org, each, gone, None)

    def _restore(self, org: DeletingOrg, name: str) -> None:
        gone = [row for row in org.tables[name].values() if row.deleted_at is not None]
        gone = [row for row in gone if all(self._may_return(org, each) for each in org.returning(name, row.id))]
        if not gone:
            return
        row = self._rng.choice(gone)
        self._world.loop.note(f"restore {org.name} {name} {row.id}")
        for each, back in org.restore(name, row.id):
            self._judge.note(org, each, back, {})

    def _may_return(self, org: DeletingOrg, row: Row) -> bool:
        """Whether a row can be restored without making a second one: its parent lives, its life stands nowhere else."""
        needed = [parent for lookup in ("AccountId", "ParentId") if (parent := row.fields.get(lookup))]
        alive = {each.id for each in org.live("Account")}
        if self._locked & {row.id, *needed} or not alive.issuperset(needed):
            return False
        key, life = row.fields.get(KEY), self._judge.lives[row.id]
        if any(self._judge.lives[each.id] is life for each in org.live(life.name)):
            return False
        there = [e for e in self._judge.other(org).live(life.name) if self._judge.lives[e.id] is life]
        return all(each.id == key or each.fields.get(KEY) == row.id for each in there)

    def _merge(self, org: DeletingOrg, name: str, rows: list[Row]) -> None:
        """Let a younger record go into an older one, so that nobody comes to stand under himself."""
        master, loser = self._rng.choice(rows), self._rng.choice(rows)
        if self._judge.lives[master.id].number >= self._judge.lives[loser.id].number:
            return
        self._world.loop.note(f"merge {org.name} {name} {loser.id} into {master.id}")
        went = org.merge(name, master.id, loser.id)
        for each, gone in went:
            self._judge.note(org, each, gone, None)
        self._judge.note(org, name, master, {})

    def _recreate(self, org: DeletingOrg, name: str) -> None:
        """Somebody loads a deleted copy again, under the same external id."""
        gone = [
            row
            for row in org.tables[name].values()
            if row.deleted_at is not None and (key := row.fields.get(KEY)) and key not in org.keys[name]
        ]
        gone = [row for row in gone if self._may_return(org, row)]
        if not gone:
            return
        old = self._rng.choice(gone)
        life = self._judge.lives[old.id]
        fields = {KEY: old.fields[KEY], "Rating": "again"} | self._text(name) | self._links(org, name, life)
        row = org.write(name, None, fields)
        self._world.loop.note(f"recreate {org.name} {name} {row.id} {fields}")
        self._judge.lives[row.id] = life
        self._judge.note(org, name, row, fields)

    def _purge(self, org: DeletingOrg, name: str) -> None:
        """Take a record out of the bin that its org made itself (of a copy nobody could know: ADR 0006)."""
        gone = [row for row in org.tables[name].values() if row.deleted_at is not None and not row.fields.get(KEY)]
        if gone and name in self._judge.deletes:
            row = self._rng.choice(gone)
            self._world.loop.note(f"purge {org.name} {name} {row.id}")
            org.purge(name, row.id)

    def _text(self, name: str) -> Fields:
        return {TEXTS[name]: canary(self._rng)}

    def _links(self, org: DeletingOrg, name: str, own: Life | None) -> Fields:
        """A parent that is older, so that no two edits make a circle."""
        found: Fields = {}
        wanted = {column.target for each in self._world.plan.steps for column in (*each.columns, *each.clears)}
        for lookup, parent in SHAPES[name].lookups.items():
            if lookup not in wanted:
                continue
            rows = [row for row in org.live(parent) if row.id not in self._locked]
            if name == parent and own is not None:
                rows = [row for row in rows if self._judge.lives[row.id].number < own.number]
            found[lookup] = self._rng.choice(rows).id if rows and self._rng.random() < 0.7 else None
        return found


async def play_deletions(world: DeletingWorld) -> None:
    """Trouble, then calm, then judgement. Raises `Broken`."""
    people = DeletingPeople(world)
    people.fill(world.rng.randint(2, 10))
    brew(world)
    for mood in world.moods:
        mood.stale_pages = False  # an answer tells values and who wrote them of one moment
    acting = [asyncio.create_task(work) for work in (people.work(), schedule(world), mischief(world), people.late())]
    await asyncio.sleep(world.rng.choice((60.0, 120.0, 240.0)))
    await calm(world, people)
    await asyncio.sleep(40.0)  # what is open is committed
    people.untie()
    for task in acting:
        task.cancel()
    await settle(world)
    judge(world)
