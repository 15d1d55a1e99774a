"""kill -9 of mover, worker, keeper and PostgreSQL while `isthmus up` carries 100,000 rows between two hostile orgs.

    python -m tests.bench.product_kills --points 200 [--seed 1] [--rows 100000] [--kills 8]

A round begins with an empty target and the sync activated anew, so that everything is read from the beginning. While
its runs go on, victims are killed at random moments; each kill that hits a living process while a run is under way is
one point, so a round has several: a run that was cut short is followed by the next one until nothing is left to do. At
the end of a round both orgs are compared field by field through their control ports (`orgsim/compare.py` knows nothing
of Isthmus), and the target's witness must not have seen an update that put another value in the place of one. Victims,
moments and moods come from the seed; real processes do not keep to a schedule, so a round repeats in kind, not exactly.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from isthmus.demo.browser import PageUnexpected
from isthmus.demo.processes import EmulatedOrg
from isthmus.demo.story import Portal
from orgsim.compare import compare
from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.portal import Product, start_product

FIELDS: Final = {
    "Account": ("Name", "ParentId", "Industry", "AnnualRevenue", "Site", "Description"),
    "Contact": ("LastName", "FirstName", "AccountId", "ReportsToId", "Email", "Department", "Birthdate"),
    "Opportunity": ("Name", "StageName", "CloseDate", "Amount", "AccountId"),
}
LOOKUPS: Final = {
    "Account": {"ParentId": "Account"},
    "Contact": {"AccountId": "Account", "ReportsToId": "Contact"},
    "Opportunity": {"AccountId": "Account"},
}
SHARES: Final = {"Account": 0.3, "Contact": 0.5, "Opportunity": 0.2}
SOURCE: Final = "north"
TARGET: Final = "south"
VICTIMS: Final = ("mover", "worker", "keeper", "postgres")
AWAY: Final = (PageUnexpected, OSError)
KILLS_PER_MINUTE_MAX: Final = 4
"""Of one kind: a supervisor gives up a process that ends more than five times in a minute, as it should."""
ROUND_S_MAX: Final = 1_800
CALLS_PER_DAY: Final = 1_000_000_000
UNDER_WAY: Final = {"queued", "running"}


class Wrong(AssertionError):
    """The target is not what it must be, or a run does not end; the message says which."""


@dataclass
class Seen:
    """What the rounds brought."""

    rounds: int = 0
    reconnected: int = 0
    points: Counter[str] = field(default_factory=Counter[str])
    runs: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Stage:
    """Two orgs, the product, and the sync between them."""

    source: Orgsim
    target: Orgsim
    product: Product
    portal: Portal
    sync: str

    def asked(self, question: Callable[[], Any]) -> Any:
        """Ask until somebody answers: portal, keeper or database may just have been killed."""
        deadline = time.monotonic() + 120
        while True:
            try:
                return question()
            except AWAY:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs, the latest first."""
        found: list[dict[str, Any]] = self.asked(lambda: self.portal.get(f"/api/v1/syncs/{self.sync}"))["runs"]
        return found

    def act(self, verb: str) -> None:
        """Activate, run or retry."""
        self.asked(lambda: self.portal.post(f"/api/v1/syncs/{self.sync}/{verb}"))

    def reconnect(self) -> int:
        """Connect again, as a person would, what lost its grant: a killed keeper may have used a refresh token up.

        Returns how many there were.
        """
        found = 0
        for entry in self.asked(lambda: self.portal.get("/api/v1/orgs"))["orgs"]:
            for connection in entry["connections"]:
                if connection["state"] == "needs_reauth":
                    org = self.source if entry["alias"] == SOURCE else self.target
                    self.asked(
                        lambda org=org, entry=entry: self.portal.connect(_as_person(entry["alias"], org), "sync")
                    )
                    found += 1
        return found

    def victim(self, kind: str) -> psutil.Process | None:
        """Return a living process of that kind, of this installation."""
        for process in self._processes():
            try:
                words = process.cmdline()
                fits = {
                    "mover": any("isthmus.worker.mover" in word for word in words),
                    "worker": words[-1:] == ["isthmus.worker"],
                    "keeper": words[-1:] == ["isthmus.keeper"],
                    "postgres": process.name() == "postgres" and "-D" in words,
                }[kind]
                if fits and process.status() != psutil.STATUS_ZOMBIE:
                    return process
            except psutil.Error:
                continue
        return None

    def _processes(self) -> list[psutil.Process]:
        for process in psutil.process_iter(["cmdline"]):
            if (process.info["cmdline"] or [])[-2:] == ["up", "--json"]:
                try:
                    if process.environ().get("ISTHMUS_HOME") == self.product.environ["ISTHMUS_HOME"]:
                        return process.children(recursive=True)
                except psutil.Error:
                    continue
        return []


@contextmanager
def stage(rows: int, more: Mapping[str, str] | None = None) -> Generator[Stage]:
    """Start everything once, with `more` settings; rounds begin anew by themselves."""
    counts = {name: int(rows * share) for name, share in SHARES.items()}
    with start_product(more) as product:
        more = ("--redirect-uri", f"{product.url}/oauth/callback")
        with (
            start_orgsim(name=SOURCE, rows=counts, more=more) as source,
            start_orgsim(name=TARGET, seed=2, more=more) as target,
        ):
            portal = Portal(product.url, product.sign_in_url)
            ends = [portal.connect(_as_person(name, org), "sync") for name, org in ((SOURCE, source), (TARGET, target))]
            for org in (source, target):
                org.control("POST", "/usage", {"per_day": CALLS_PER_DAY})
            steps = "".join(f"  - {{object: {n}, fields: {{{_pairs(f)}}}}}\n" for n, f in FIELDS.items())
            text = f"version: 1\nname: three objects\nsteps:\n{steps}"
            body = {"source": ends[0], "target": ends[1], "definition": text}
            sync = str(portal.post("/api/v1/syncs", body)["sync"])
            portal.until(f"/api/v1/syncs/{sync}/plan", lambda plan: not plan["pending"], "reading the objects")
            yield Stage(source, target, product, portal, sync)


def play_round(at: Stage, seed: int, kills: int, seen: Seen) -> None:
    """Empty the target, activate, kill on the way, and judge. Raises `Wrong`."""
    rng = random.Random(seed)
    for name in FIELDS:
        at.target.control("DELETE", f"/rows/{name}")
    for org in (at.source, at.target):
        org.control("DELETE", "/transcript")
    at.target.control("DELETE", "/rewrites")
    known = {run["id"] for run in at.runs()}
    at.act("activate")
    while at.asked(lambda: at.portal.get(f"/api/v1/syncs/{at.sync}"))["sync"]["state"] == "activating":
        time.sleep(0.2)
    for org, number in ((at.source, seed), (at.target, seed + 1_000_000)):
        org.control("POST", "/whims", {"level": "hostile", "seed": number})
    try:
        _until_done(at, rng, kills, known, seen)
    finally:
        for org in (at.source, at.target):
            org.control("POST", "/whims", {"level": "off"})
    for name, fields in FIELDS.items():
        ports = at.source.control_url, at.target.control_url
        found = compare(*ports, name, LOOKUPS[name], fields=frozenset(fields))
        if not found.equal:
            raise Wrong(f"{name}: missing {found.missing}, surplus {found.surplus}, differing {dict(found.differing)}")
    rewritten = at.target.control("GET", "/rewrites")
    if rewritten:
        raise Wrong(f"written twice with different values: {rewritten}")


def _until_done(at: Stage, rng: random.Random, kills: int, known: set[str], seen: Seen) -> None:
    """Let runs follow each other until one has done everything; kill `kills` times while they are under way."""
    deadline = time.monotonic() + ROUND_S_MAX
    next_kill = time.monotonic() + rng.uniform(1.0, 10.0)
    recent: dict[str, deque[float]] = {kind: deque(maxlen=KILLS_PER_MINUTE_MAX) for kind in VICTIMS}
    told: set[str] = set()
    while time.monotonic() < deadline:
        time.sleep(0.3)
        runs = [run for run in at.runs() if run["id"] not in known]
        under_way = [run for run in runs if run["state"] in UNDER_WAY]
        for run in runs:
            if run["state"] not in UNDER_WAY and run["id"] not in told:
                told.add(run["id"])
                seen.runs[run["state"]] += 1
        if not under_way:
            if runs and runs[0]["state"] == "done" and runs[0]["rows_failed"] == 0:
                return
            seen.reconnected += at.reconnect()
            if runs:
                at.act("run")
            continue
        now = time.monotonic()
        if kills and now >= next_kill and under_way[0]["state"] == "running":
            next_kill = now + rng.uniform(2.0, 14.0)
            kinds = [k for k in VICTIMS if len(recent[k]) < KILLS_PER_MINUTE_MAX or now - recent[k][0] > 60.0]
            kind = rng.choice(kinds or ["mover"])
            victim = at.victim(kind)
            if victim is not None:
                os.kill(victim.pid, signal.SIGKILL)
                recent[kind].append(now)
                seen.points[kind] += 1
                kills -= 1
    raise Wrong(f"the round did not come to its end within {ROUND_S_MAX} s")


def campaign(points: int, first: int, rows: int, kills: int) -> Seen:
    """Play rounds until there are `points` points, and tell of each."""
    seen = Seen()
    with stage(rows) as at:
        seed = first
        while seen.points.total() < points:
            before, began = seen.points.total(), time.monotonic()
            try:
                play_round(at, seed, kills, seen)
                said = "equal"
            except Wrong as wrong:
                seen.wrong.append(f"seed {seed}: {wrong}")
                said = f"WRONG: {wrong}"
            seen.rounds += 1
            done = seen.points.total() - before
            print(f"seed {seed}: {done} points, {time.monotonic() - began:.0f} s, {said}", flush=True)
            seed += 1
    return seen


def _as_person(name: str, org: Orgsim) -> EmulatedOrg:
    return EmulatedOrg(name, org.instance_url, org.control_url, org.client_id, org.username, org.password)


def _pairs(fields: tuple[str, ...]) -> str:
    return ", ".join(f"{name}: {name}" for name in fields)


def main() -> int:
    """Run what the command line asks for; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=8, help="at most so many in one round (default 8)")
    given = parser.parse_args()
    seen = campaign(given.points, given.seed, given.rows, given.kills)
    by_kind = ", ".join(f"{kind} {seen.points[kind]}" for kind in VICTIMS)
    print(f"{seen.points.total()} points in {seen.rounds} rounds of {given.rows} rows ({by_kind})")
    print(f"runs: {dict(seen.runs)}; connected again by hand: {seen.reconnected}; wrong: {len(seen.wrong)}")
    for line in seen.wrong:
        print(line)
    return int(bool(seen.wrong))


if __name__ == "__main__":
    sys.exit(main())
