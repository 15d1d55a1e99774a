"""A seeded driver over two orgs: people edit both, runs are killed and hampered, and at the end the orgs must agree.

What is demanded once the edits stop (`Model.settle`):

* writes stop: the third run and all later ones change nothing;
* both orgs agree: every live record has exactly one counterpart, equal in every mapped field, parents included;
* nothing is lost: of each pair, what a person did last stands in both orgs, deletions included. By `newest_wins` always;
  by another rule where the other org's last change had been carried before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from isthmus.sync.model import EndReason
from isthmus.sync.run import Run
from orgsim.store.results import Row, Value
from tests.support.two_orgs import KEY, LEFT, RIGHT, Side, TwoOrgs

TEXT = """
version: 1
name: pairs
direction: two-way
conflicts: RULE
steps:
  - object: Account
    fields: {Name: Name, Phone: Phone, AnnualRevenue: AnnualRevenue, ParentId: ParentId}
    deletes: {action: delete, ceiling: 1000}
  - object: Contact
    fields: {LastName: LastName, Email: Email, AccountId: AccountId}
    deletes: {action: delete, ceiling: 1000}
"""
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Account": ("Name", "Phone", "AnnualRevenue"),
    "Contact": ("LastName", "Email"),
}
RULES = ("newest_wins", "target_wins", "newest_wins", "source_wins")
PARENT: Mapping[str, str] = {"Account": "ParentId", "Contact": "AccountId"}
TIE = timedelta(seconds=5)
"""Events of both sides that are nearer than this have no order that anybody could know."""
QUIET_CYCLES = 2
ROUGH_CYCLES = 12


class Broken(AssertionError):
    """A demand is not met; the message says which, and of which record."""


@dataclass(frozen=True)
class Event:
    """What a person did to one record."""

    at: datetime
    side: int
    alive: bool
    values: Mapping[str, object]


@dataclass
class Logical:
    """One record as people think of it: it may stand in both orgs, and may have been made again."""

    name: str
    number: int
    events: list[Event] = field(default_factory=list[Event])


@dataclass
class Model:
    """One seeded story."""

    world: TwoOrgs
    rng: random.Random
    ahead: timedelta = timedelta()
    rule: str = "newest_wins"
    carried: list[datetime] = field(default_factory=list[datetime])
    """When a run in peace had come to its end with nothing left to do again."""
    known: dict[tuple[int, str], Logical] = field(default_factory=dict[tuple[int, str], Logical])
    counter: int = 0
    log: list[str] = field(default_factory=list[str])

    @classmethod
    async def make(cls, seed: int, text: str = TEXT) -> Model:
        """Make two empty orgs; their clocks may be up to two minutes apart."""
        rng = random.Random(seed)
        ahead = timedelta(seconds=rng.choice((0, 0, 0, -100, 3, 120)))
        rule = RULES[seed % len(RULES)]
        return cls(await TwoOrgs.make(text.replace("RULE", rule), seed=seed * 2 + 1, ahead=ahead), rng, ahead, rule)

    async def story(self, steps: int = 24) -> None:
        """Let people and runs take turns."""
        for _ in range(steps):
            self.world.pass_time(self.rng.choice((6, 10, 30, 200)))
            act = self.rng.random()
            if act < 0.72:
                self._somebody_acts()
            else:
                await self._a_run()

    async def settle(self) -> None:
        """Stop everybody, then demand what is promised."""
        self.world.whims("off")
        self.world.pass_time(30)
        for _ in range(ROUGH_CYCLES if self.world.waiting else 0):
            await self._quiet_run()
        for _ in range(QUIET_CYCLES):
            await self._quiet_run()
        for number in range(2):
            written = await self._quiet_run()
            if written:
                message = f"run {QUIET_CYCLES + 1 + number} after the last edit still wrote {written} rows"
                raise Broken(message)
        self._agree()
        self._nothing_lost()

    async def _quiet_run(self) -> int:
        run = await self.world.cycle()
        self._learn()
        self._note_carried(run)
        self.log.append(f"quiet: {run.end} {[s.rows_written for s in run.steps]} {run.outcomes}")
        if run.end is not EndReason.FINISHED:
            message = f"a run in peace ended with {run.end}"
            raise Broken(message)
        return sum(step.rows_written for step in run.steps)

    async def _a_run(self) -> None:
        mood = self.rng.choice(("off", "off", "hostile", "killed"))
        self.world.whims("hostile" if mood == "hostile" else "off", self.rng.randrange(1000))
        run = await self.world.cycle(kill_at=self.rng.randrange(5, 60) if mood == "killed" else None)
        self.world.whims("off")
        self.log.append(f"run ({mood}): {run.end} {[s.rows_written for s in run.steps]} {run.outcomes}")
        self._learn()
        self._note_carried(run)

    def _note_carried(self, run: Run) -> None:
        if run.end is EndReason.FINISHED and not self.world.waiting:
            self.carried.append(self._now(LEFT))

    # People

    def _somebody_acts(self) -> None:
        number = self.rng.randrange(2)
        side = self.world.sides[number]
        name = self.rng.choice(("Account", "Contact"))
        rows = list(side.live(name))
        before = self._everything(side)
        act = self.rng.choice(("insert", "update", "update", "update", "parent", "delete", "undelete"))
        if act == "insert" or not rows:
            self._insert(number, name)
        elif act == "update":
            self._update(number, name, self.rng.choice(rows))
        elif act == "parent":
            self._reparent(number, name, self.rng.choice(rows))
        elif act == "delete":
            row_id = self.rng.choice(rows)
            side.delete(name, row_id)
            self.log.append(f"{side.org.name}: delete {name} {row_id}")
        else:
            self._undelete(number, name)
        self._note_lives(number, before)

    def _insert(self, number: int, name: str) -> None:
        side = self.world.sides[number]
        values = self._values(name, FIELDS[name])
        parents = list(side.live("Account"))
        if name == "Contact" and parents and self.rng.random() < 0.7:
            values["AccountId"] = self.rng.choice(parents)
        row_id = side.insert(name, values)
        self.counter += 1
        logical = self.known[number, row_id] = Logical(name, self.counter)
        logical.events.append(Event(self._now(number), number, alive=True, values=self._plain(name, values)))
        self.log.append(f"{side.org.name}: insert {name} {row_id} {values}")

    def _update(self, number: int, name: str, row_id: str) -> None:
        side = self.world.sides[number]
        names = self.rng.sample(FIELDS[name], self.rng.randrange(1, len(FIELDS[name]) + 1))
        values = self._values(name, names)
        side.update(name, row_id, values)
        event = Event(self._now(number), number, alive=True, values=self._plain(name, values))
        self.known[number, row_id].events.append(event)
        self.log.append(f"{side.org.name}: update {name} {row_id} {values}")

    def _reparent(self, number: int, name: str, row_id: str) -> None:
        """An account's parent is always an older one, so that no two edits can make a circle."""
        side = self.world.sides[number]
        own = self.known[number, row_id].number
        parents = [each for each in side.live("Account") if self.known[number, each].number < own or name == "Contact"]
        parent = self.rng.choice([*parents, None, None])
        side.update(name, row_id, {PARENT[name]: parent})
        self.known[number, row_id].events.append(Event(self._now(number), number, alive=True, values={}))
        self.log.append(f"{side.org.name}: parent of {name} {row_id} = {parent}")

    def _undelete(self, number: int, name: str) -> None:
        side = self.world.sides[number]
        gone = [str(row["Id"]) for row in side.org.tables[name.lower()].scan() if row.get("IsDeleted")]
        keys = {row.get(KEY) for row in side.live(name).values()}
        gone = [each for each in gone if self._row(side, name, each).get(KEY) not in keys - {None}]
        gone = [each for each in gone if self._may_return(side, number, name, each)]
        if gone:
            row_id = self.rng.choice(gone)
            side.undelete(name, row_id)
            self.log.append(f"{side.org.name}: undelete {name} {row_id}")

    def _may_return(self, side: Side, number: int, name: str, row_id: str) -> bool:
        """Whether undeleting is possible in a real org: the parent lives, and nobody holds a returning record's key."""
        rows = {str(row["Id"]): row for each in FIELDS for row in side.org.tables[each.lower()].scan()}
        parent = rows[row_id].get(PARENT[name])
        if parent is not None and rows[str(parent)].get("IsDeleted"):
            return False
        returning = [row_id, *(each for each, row in rows.items() if row.get("AccountId") == row_id)]
        return not any(self._lives(self.known[number, each]) for each in returning)

    def _lives(self, logical: Logical) -> bool:
        """Whether the record stands anywhere: a person who undeletes it beside that would make a second one."""
        return any(self.known.get((n, row_id)) is logical for n, _, row_id, _ in self._live_rows())

    def _note_lives(self, number: int, before: Mapping[tuple[str, str], bool]) -> None:
        """Deleting and undeleting take children along: note whatever began or ceased to live."""
        for key, alive in self._everything(self.world.sides[number]).items():
            if key in before and before[key] != alive:
                event = Event(self._now(number), number, alive=alive, values={})
                self.known[number, key[1]].events.append(event)

    def _values(self, name: str, names: tuple[str, ...] | list[str]) -> dict[str, object]:
        found: dict[str, object] = {}
        for each in names:
            self.counter += 1
            empty = each in {"Phone", "Email", "AnnualRevenue"} and self.rng.random() < 0.15
            text = f"p{self.counter}@x.example" if each == "Email" else f"{name[0]}{self.counter}"
            found[each] = None if empty else float(self.counter) if each == "AnnualRevenue" else text
        return found

    def _plain(self, name: str, values: Mapping[str, object]) -> dict[str, object]:
        return {key: value for key, value in values.items() if key in FIELDS[name]}

    # Looking

    def _now(self, number: int) -> datetime:
        now = self.world.sides[number].emulator.clock.now()
        return now - self.ahead if number == RIGHT else now

    def _row(self, side: Side, name: str, row_id: str) -> Mapping[str, Value]:
        return side.org.row(name, row_id) or {}

    def _everything(self, side: Side) -> dict[tuple[str, str], bool]:
        tables = ((name, side.org.tables[name.lower()].scan()) for name in FIELDS)
        return {(name, str(row["Id"])): not row.get("IsDeleted") for name, rows in tables for row in rows}

    def _live_rows(self) -> Iterator[tuple[int, str, str, Row]]:
        for number, side in enumerate(self.world.sides):
            for name in FIELDS:
                for row_id, row in side.live(name).items():
                    yield number, name, row_id, row

    def _learn(self) -> None:
        """Find out which records runs have made: by the keys that they carry."""
        for number, side in enumerate(self.world.sides):
            for name in FIELDS:
                for row in side.org.tables[name.lower()].scan():
                    own, other = (number, str(row["Id"])), (1 - number, str(row.get(KEY)))
                    if own not in self.known and other in self.known:
                        self.known[own] = self.known[other]

    # Demands

    def _agree(self) -> None:
        partners: dict[int, dict[int, list[str]]] = {}
        for number, name, row_id, _ in self._live_rows():
            logical = self.known.get((number, row_id))
            if logical is None:
                message = f"{name} {row_id} of side {number} came from nowhere"
                raise Broken(message)
            partners.setdefault(id(logical), {LEFT: [], RIGHT: []})[number].append(row_id)
        for number, name, row_id, row in self._live_rows():
            both = partners[id(self.known[number, row_id])]
            if len(both[LEFT]) != 1 or len(both[RIGHT]) != 1:
                message = f"{name} {row_id} of side {number} stands {len(both[LEFT])} and {len(both[RIGHT])} times"
                raise Broken(message)
            other = self.world.sides[1 - number].live(name)[both[1 - number][0]]
            self._same(name, row, other, number)

    def _same(self, name: str, row: Row, other: Row, number: int) -> None:
        for each in FIELDS[name]:
            if row.get(each) != other.get(each):
                message = f"{name} {row['Id']}: {each} is {row.get(each)!r} here and {other.get(each)!r} there"
                raise Broken(message)
        here, there = row.get(PARENT[name]), other.get(PARENT[name])
        parents = self.known.get((number, str(here))), self.known.get((1 - number, str(there)))
        if (here is None) != (there is None) or parents[0] is not parents[1]:
            message = f"{name} {row['Id']}: parent is {here} here and {there} there"
            raise Broken(message)

    def _nothing_lost(self) -> None:
        alive: dict[int, tuple[str, Row]] = {
            id(self.known[number, row_id]): (name, row) for number, name, row_id, row in self._live_rows()
        }
        parents_died = self._under_the_dead()
        for logical in {id(each): each for each in self.known.values()}.values():
            last = max(logical.events, key=lambda event: event.at)
            if id(logical) in parents_died or not self._stands(logical, last):
                continue
            found = alive.get(id(logical))
            if last.alive != (found is not None):
                state = "lives" if found else "is gone"
                message = f"{logical.name} number {logical.number} {state}, though what happened last was {last}"
                raise Broken(message)
            for name, value in last.values.items() if found else ():
                if found is not None and found[1].get(name) != value:
                    message = f"{logical.name} number {logical.number}: {name} is {found[1].get(name)!r}, not {value!r}"
                    raise Broken(message)

    def _stands(self, logical: Logical, last: Event) -> bool:
        """Whether the rule leaves no doubt that the last event stands."""
        rival = max((event.at for event in logical.events if event.side != last.side), default=None)
        if rival is None:
            return True
        if last.at - rival <= TIE:
            return False
        if self.rule == "newest_wins" or not last.alive:
            return True
        answer = min(event.at for event in logical.events if event.side == last.side and event.at > rival)
        return sum(rival < moment < answer for moment in self.carried) > 1

    def _under_the_dead(self) -> set[int]:
        """Contacts whose account ever died: the orgs themselves delete and bring back children with their parents."""
        if not any(not event.alive for each in self.known.values() if each.name == "Account" for event in each.events):
            return set()
        return {id(each) for each in self.known.values() if each.name == "Contact"}


async def tell(seed: int, *, text: str = TEXT, steps: int = 24) -> None:
    """Tell one story and demand its end; raises `Broken` with the whole story."""
    model = await Model.make(seed, text)
    try:
        await model.story(steps)
        await model.settle()
    except Broken as broken:
        story = "\n".join(model.log)
        message = f"seed {seed} (right clock {model.ahead}): {broken}\n{story}"
        raise Broken(message) from None
