"""What must hold of two orgs that carry deletions both ways: judged by the lives of records, as people think of them.

A life is one record that may stand in both orgs, be deleted and be made again; it keeps what *people* did to it. What
we delete, with all that goes along, must have been deleted by somebody on the other side, and not been changed here
since. What somebody deleted is not made again, unless it was changed or restored since, or a living record belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.sync.model import StepKind
from tests.simulation.laws import GONE
from tests.simulation.org import KEY, Fields, Row, SimOrg
from tests.simulation.pair_deletions import DeletingOrg
from tests.simulation.pairs import NAMES, RACE_MS, TIE_S, PairJudge
from tests.simulation.plans import SHAPES, TEXTS

RACE_S: Final = RACE_MS / 1000


@dataclass(frozen=True)
class Event:
    """What a person did to a record: when, by everybody's time, and when everybody saw it."""

    at_s: float
    org: DeletingOrg
    row: str
    alive: bool
    fields: Fields
    seen_s: float
    seen: int
    """When everybody saw it, by the org's own clock."""


@dataclass
class Life:
    """One record. `wanted`: a living record of the other org belonged to it when or after it was deleted."""

    name: str
    number: int
    events: list[Event] = field(default_factory=list[Event])
    wanted: bool = False
    excused: bool = False
    """Its deletion was forgotten by the org before a run saw it: nobody can know."""

    def last(self, org: DeletingOrg) -> Event | None:
        """Return what somebody did to it last in that org."""
        found = [(event.at_s, number) for number, event in enumerate(self.events) if event.org is org]
        return self.events[max(found)[1]] if found else None


class DeletingJudge(PairJudge):
    """Watches what we delete and make again, and at the end that both orgs agree and nothing is lost."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lives: dict[str, Life] = {}
        self.removed_s: dict[str, float] = {}
        for org in self.orgs:
            org.watch_removal = self.on_removal
        steps = [step for step in self._plan.steps if step.kind is StepKind.DELETE]
        self.deletes = {step.source for step in steps if step.flag is None}
        self.flags = {step.source for step in steps if step.flag is not None}

    @property
    def orgs(self) -> tuple[DeletingOrg, DeletingOrg]:
        """Both orgs."""
        left, right = self._source, self._target
        assert isinstance(left, DeletingOrg)
        assert isinstance(right, DeletingOrg)
        return left, right

    def other(self, org: DeletingOrg) -> DeletingOrg:
        left, right = self.orgs
        return right if org is left else left

    def note(self, org: DeletingOrg, name: str, row: Row, fields: Fields | None, at_s: float | None = None) -> None:
        """Remember what a person did; `fields` None: deleted."""
        now_s = self._loop.time()
        life = self.lives.setdefault(row.id, Life(name, len(self.lives)))
        began_s = now_s if at_s is None else at_s
        life.events.append(Event(began_s, org, row.id, fields is not None, fields or {}, now_s, org.clock()))
        if fields is None:
            if name == "Account" and self._stranded(org, life):
                life.wanted = True
        elif name == "Contact":
            self._want_parent(org, row)

    def _stranded(self, org: DeletingOrg, parent: Life) -> bool:
        """Whether the other org has a contact of an account that was deleted here, which did not go along here."""
        there = self.other(org)
        for each in there.tables["Account"].values():
            if each.deleted_at is None and self.lives.get(each.id) is parent:
                for child in there.children(each.id):
                    last = self.lives[child.id].last(org)
                    if last is None or last.alive or last.at_s < self._loop.time() - TIE_S:
                        return True
        return False

    def _want_parent(self, org: DeletingOrg, child: Row) -> None:
        parent = self.lives.get(child.fields.get("AccountId") or "")
        last = None if parent is None else parent.last(self.other(org))
        if parent is not None and last is not None and not last.alive:
            parent.wanted = True

    def on_removal(self, name: str, row: Row) -> None:
        """We delete only what somebody deleted on the other side, and what nobody changed here since."""
        life = self.lives[row.id]
        here = next(org for org in self.orgs if row.id in org.tables[name])
        now_s = self._loop.time()
        self.removed_s[row.id] = now_s
        self._loop.note(f"removed {name} {row.id}")
        if name not in self.deletes:
            self.break_law("what the sync does not delete stays", row.id)
        there = life.last(self.other(here))
        if there is None or (there.alive and now_s - there.seen_s > RACE_S):
            self.break_law("nothing is deleted that nobody deleted", f"{name} {row.id}")
            return
        mine = [event for event in life.events if event.org is here and now_s - event.seen_s > RACE_S]
        if not there.alive and any(event.alive and event.at_s - there.at_s > TIE_S for event in mine):
            self.break_law("a change after the deletion keeps the record", f"{name} {row.id}")

    def on_write(self, name: str, key: str, row: Row, sent: Fields) -> None:
        """A row that we create belongs to a life that goes on."""
        if row.id not in self.lives:
            life = self.lives.get(row.fields.get(KEY) or "")
            if life is None:
                self.break_law("a row comes from somewhere", f"{name} {row.id}")
                return
            self.lives[row.id] = life
            self._check_made_again(life, row)
        del key
        life, text = self.lives[row.id], sent.get(TEXTS[name])
        if text is not None and not any(event.fields.get(TEXTS[name]) == text for event in life.events):
            self.break_law("a written row is a row of its pair", f"{name} {row.id}")

    def _check_made_again(self, life: Life, row: Row) -> None:
        org = next(org for org in self.orgs if row.id in org.tables[life.name])
        gone, kept = life.last(org), life.last(self.other(org))
        if gone is None or gone.alive or life.wanted or life.excused or self._is_first_load(life.name, org):
            return
        if life.name not in self.deletes or kept is None or gone.at_s - kept.at_s > TIE_S:
            self.break_law("what was deleted is not made again", f"{life.name} {row.id}")

    def _is_first_load(self, name: str, org: DeletingOrg) -> bool:
        """Whether the first load into `org` is not over: where nothing is paired it begins anew, and asks no bin."""
        backward, marks = org is self._source, self.watermarks()
        steps = enumerate(self._plan.steps)
        loads = [n for n, s in steps if s.kind is StepKind.LOAD and s.target == name and s.backward is backward]
        return not set(loads) & set(marks)

    def late(self, org: SimOrg, rows: list[tuple[str, Row]]) -> None:
        """What becomes visible late must not lie below the watermark of the steps that have to see it."""
        marks = self.watermarks()
        for name, row in rows:
            for number, step in enumerate(self._plan.steps):
                sees = step.kind is (StepKind.LOAD if row.deleted_at is None else StepKind.DELETE)
                reads = step.source == name and (org is self._target) is step.backward and sees
                if reads and row.stamp < marks.get(number, 0):
                    self.break_law("a late commit lies above the watermark", f"step {number}, {row.id}")

    def converged(self) -> Iterator[str]:
        """Yield where the orgs differ, and what was lost."""
        for name in NAMES:
            for org in self.orgs:
                for row in org.live(name):
                    yield from self._paired(name, org, row)
        for life in {id(life): life for life in self.lives.values()}.values():
            yield from self._stands(life)

    def _paired(self, name: str, org: DeletingOrg, row: Row) -> Iterator[str]:
        others = self.counterparts(name, row)
        life = self.lives[row.id]
        left_behind = self._left_behind(life, org)
        here, there = life.last(org), life.last(self.other(org))
        back = here is not None and there is not None and here.at_s > there.at_s  # restored since, perhaps
        flagged = row.fields.get(GONE) == "true"
        if name in self.flags and flagged is not (left_behind and not others) and not (left_behind and back):
            yield f"{name} {row.id}: its flag is {row.fields.get(GONE)}, its counterparts {[e.id for e in others]}"
        if not others and left_behind:
            return
        if len(others) != 1:
            yield f"{name} {row.id} has {len(others)} counterparts"
        elif self._mapped(name, row, org) != self._mapped(name, others[0], self.other(org)):
            yield f"{name} {row.id} differs"

    def _left_behind(self, life: Life, org: DeletingOrg) -> bool:
        """Whether a record may stand in one org alone: deletions of its kind are not carried, or nobody could know."""
        last = life.last(self.other(org))
        return last is not None and not last.alive and (life.name not in self.deletes or life.excused)

    def _stands(self, life: Life) -> Iterator[str]:
        """Yield what is not as somebody made it last, where both sides' doings have a clear order."""
        _, last = max(enumerate(life.events), key=lambda numbered: (numbered[1].at_s, numbered[0]))
        rival = max((event.at_s for event in life.events if event.org is not last.org), default=None)
        if (rival is not None and last.at_s - rival <= TIE_S) or life.excused:
            return
        alive = [
            row
            for org in self.orgs
            for row in org.live(life.name)
            if self.lives.get(row.id) is life
        ]  # fmt: skip
        if not last.alive:
            if alive and life.name in self.deletes and not life.wanted:
                yield f"{life.name} {last.row} lives, though it was deleted last"
            return
        raced = any(0 <= at - last.seen <= RACE_MS for at in last.org.written.get(last.row, ()))
        if raced or 0 <= self.removed_s.get(last.row, -1.0) - last.seen_s <= RACE_S:
            return
        here = [row for row in alive if row.id in last.org.tables[life.name]]
        if not here:
            gone = self.lives[last.row]
            lone = life.name not in self.deletes and any(not event.alive for event in gone.events)
            if not lone:
                yield f"{life.name} {last.row} is gone, though it was alive last"
            return
        for name, value in last.fields.items():
            if name not in SHAPES[life.name].lookups and name != KEY and here[0].fields.get(name) != value:
                yield f"{life.name} {last.row}: the last edit is lost"
