"""Precision and recall of the audit's rules over a labelled, seeded population that was made to be hard.

    python -m tests.bench.audit_population [--people 1500] [--seeds 5] [--json]

Labels say what is true of a person (left, is on leave, comes at the end of a quarter …); the rules see logins only.
For R06, R07 and R08 a seat is truly unneeded if its holder has left or will never come. Every label that is none of
that is a benign explanation in waiting. "With a leave list" excuses people on leave and seasonal staff by a file.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import msgspec

from isthmus.audit.analysis import Analysis
from isthmus.audit.finding import Grade
from isthmus.audit.given.exemptions import Exemption, ExemptionKind
from isthmus.audit.given.history import History
from isthmus.audit.model import LoginKind, UserRow
from tests.bench.audit_pools import Expected, add_pools
from tests.unit.audit.world import CRM, NOW, PLATFORM, Org

HISTORY: Final = 182
FREE: Final = "100000000000003AAA"
INTEGRATION: Final = "100000000000004AAA"
MIX: Final[Mapping[str, int]] = {
    "daily": 400,
    "weekly": 120,
    "monthly": 50,
    "quarter end": 40,
    "seasonal": 30,
    "leaver": 110,
    "long leaver": 30,
    "on leave": 40,
    "on long leave": 6,
    "never": 50,
    "go-live": 10,
    "new starter": 20,
    "machine": 12,
    "seeded machine": 8,
    "mobile only": 30,
    "mail only": 10,
    "developer": 10,
    "shared mailbox": 12,
    "twin": 14,
    "robot of an admin": 5,
    "namesake": 8,
    "site only": 10,
}
"""How many of a thousand people have each label."""
ABSENT: Final = frozenset({"leaver", "long leaver", "never"})
TRUTH: Final[Mapping[str, frozenset[str]]] = {
    "R06": frozenset({"never"}),
    "R07": frozenset({"long leaver"}),
    "R08": frozenset({"leaver"}),
    "R08b": frozenset({"mail only", "developer"}),
    "R09": frozenset({"machine", "seeded machine", "robot of an admin"}),
    "R15": frozenset({"twin"}),
    "R19": frozenset({"monthly", "quarter end", "site only"}),
}
FEATURE_SHARE: Final = 0.2
LEAVE: Final = frozenset({"on leave", "on long leave", "seasonal"})


@dataclass
class Population:
    """An org whose people have labels, and grants of which it is known whether they are unused."""

    org: Org
    rng: random.Random
    labels: dict[str, str] = field(default_factory=dict)
    admins: set[str] = field(default_factory=set)
    deactivated_grants: set[str] = field(default_factory=set)
    expected: Expected = field(default_factory=Expected)

    def analyse(self, *, exemptions: Sequence[Exemption] = ()) -> Analysis:
        """Judge it, with what earlier audits saw."""
        return self.org.analyse(exemptions=exemptions, history=History(deactivated=tuple(self.expected.deactivated)))

    def excused(self) -> list[Exemption]:
        """What a leave list would say."""
        return [
            Exemption(user.username, "leave list", ExemptionKind.LEAVE)
            for user in self.org.users
            if self.labels.get(user.id) in LEAVE
        ]


@dataclass(frozen=True)
class Score:
    """How well a rule did: found and true, found, true."""

    hits: int
    found: int
    true: int

    @property
    def precision(self) -> float:
        """The share of what was found that is true."""
        return self.hits / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of what is true that was found."""
        return self.hits / self.true if self.true else 1.0


def populate(seed: int, people: int) -> Population:
    """Make the population; the same seed gives the same one."""
    org = Org(history_days=HISTORY)
    org.license(total=people * 2)
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=people)
    org.license(INTEGRATION, name="Salesforce Integration", key="", total=5)
    made = Population(org, random.Random(seed))
    for label, share in MIX.items():
        for number in range(round(share * people / 1000)):
            _add(made, label, number)
    _grants(made)
    made.expected = add_pools(org, made.rng)
    return made


def _add(made: Population, label: str, number: int) -> None:
    rng = made.rng
    slug = f"{label.replace(' ', '').replace('-', '')}{number}x"
    department = f"Department {rng.randrange(12)}" if label != "seasonal" else f"Season {number // 8}"
    more: dict[str, object] = {"department": department, "employee_number": f"E{len(made.org.users)}"}
    created = float(rng.randrange(200, 1500))
    human, other, kind = _logins(label, rng)
    if label == "never":
        created = float(rng.randrange(31, 900))
    if label == "go-live":
        created = 40.0
    if rng.random() < FEATURE_SHARE:
        more["features"] = ("Knowledge User",)
    if label == "new starter":
        created = float(rng.randrange(0, 29))
        human = [] if rng.random() < 0.5 else [d for d in human if d < created]
    if label == "shared mailbox":
        more |= {"email": f"desk{number // 6}@acme.example", "employee_number": None}
    last_human, last_other = min(human, default=None), min(other, default=None)
    known = [d for d in (last_human, last_other) if d is not None]
    last = min(known, default=None)
    if label in {"long leaver", "on long leave"}:
        last = float(rng.randrange(HISTORY + 1, 500))
    user = made.org.user(slug, last=last, created=created, human=human, **more)
    for day in other:
        made.org.login(user, day, kind)
    made.labels[user.id] = label
    if label == "robot of an admin":
        admin = next(u for u in made.org.users if made.labels[u.id] == "daily" and u.id not in made.admins)
        made.admins.add(admin.id)
        made.org.users[-1] = msgspec.structs.replace(user, email=admin.email)
    if label == "namesake":
        _add_copy(made, user, {"department": department, "username": f"other{number}q@acme.example"})
    if label == "twin":
        made.labels[user.id] = "daily"
        _add_twin(made, user, number, department)


def _logins(label: str, rng: random.Random) -> tuple[list[float], list[float], LoginKind]:
    """Return days in person, days of another kind, and that kind."""
    human: list[float] = []
    other: list[float] = []
    kind = LoginKind.UI
    match label:
        case "daily" | "shared mailbox" | "twin" | "namesake" | "new starter":
            human = _days(rng, 0.62)
        case "weekly":
            human = _days(rng, 0.17)
        case "monthly":
            human = _days(rng, 0.034)
        case "quarter end":
            human = _quarter_ends(rng)
        case "seasonal":
            human = [d for d in _days(rng, 0.5) if d > 104]
        case "leaver":
            gone = rng.randrange(30, 180)
            human = [d for d in _days(rng, rng.choice((0.6, 0.2))) if d > gone] or [gone + 1.0]
        case "on leave":
            gone = rng.randrange(20, 170)
            human = [d for d in _days(rng, 0.6) if d > gone] or [gone + 1.0]
        case "machine" | "seeded machine" | "robot of an admin":
            other, kind = _days(rng, 0.95), LoginKind.SEEDED if label == "seeded machine" else LoginKind.MACHINE
        case "mobile only":
            other, kind = _days(rng, 0.4), LoginKind.APP
        case "mail only":
            other, kind = _days(rng, 0.5), LoginKind.MAIL
        case "developer":
            other, kind = _days(rng, 0.3), LoginKind.TOOL
        case "site only":
            other, kind = _days(rng, 0.2), LoginKind.COMMUNITY
        case _:
            pass
    return human, other, kind


def _days(rng: random.Random, chance: float) -> list[float]:
    return [day + 0.3 for day in range(HISTORY) if rng.random() < chance]


def _quarter_ends(rng: random.Random) -> list[float]:
    found: list[float] = []
    for day in range(HISTORY):
        on = NOW - timedelta(days=day)
        if on.month % 3 == 0 and on.day >= 26 and rng.random() < 0.6:
            found.append(day + 0.3)
    return found or [60.3]


def _add_copy(made: Population, user: UserRow, more: dict[str, object]) -> None:
    copy = made.org.user(user.name, last=1.3, human=_days(made.rng, 0.5), email=str(more["username"]))
    made.org.users[-1] = msgspec.structs.replace(copy, employee_number=f"N{copy.id}", **more)
    made.labels[copy.id] = "daily"


def _add_twin(made: Population, user: UserRow, number: int, department: str) -> None:
    rng = made.rng
    human = [d for d in _days(rng, 0.1) if d > 20]
    signs: dict[str, object] = (
        {"employee_number": user.employee_number},
        {"email": user.email.replace("@", "+crm@")},
        {"department": department},
    )[number % 3]
    name = user.name
    twin = made.org.user(
        name, last=min(human, default=30.3), human=human or [30.3], email=f"second{number}@acme.example"
    )
    made.org.users[-1] = msgspec.structs.replace(
        twin, username=user.username.replace("@", ".old@"), **({"employee_number": f"T{number}"} | signs)
    )
    made.labels[twin.id] = "twin"


def _grants(made: Population) -> None:
    rng, org = made.rng, made.org
    psl = org.psl(total=10_000)
    gone = [org.user(f"gone{n}z", active=False, last=float(rng.randrange(10, 400))) for n in range(15)]
    for user in gone:
        made.deactivated_grants.add(org.grant(user, psl, 300).id)
    for user in rng.sample([u for u in org.users if u.active], k=min(200, len(org.users) - 15)):
        granted = float(rng.randrange(5, 400))
        org.grant(user, psl, granted)
    org.psls = [msgspec.structs.replace(psl, used=len(org.assigns))]


def scores(made: Population, analysis: Analysis) -> dict[str, Score]:
    """Return how well each rule did; `R06-R08` are the seats said to be unused, `A+B` those of grade A and B only."""
    by_rule: dict[str, set[str]] = {}
    for finding in analysis.findings:
        if finding.grade is not Grade.D:
            by_rule.setdefault(finding.rule, set()).add(finding.subject_id)
    result = {rule: _score(by_rule.get(rule, set()), _with(made, labels)) for rule, labels in TRUTH.items()}
    result["R10"] = _score(by_rule.get("R10", set()), made.deactivated_grants)
    result["R11"] = _score(by_rule.get("R11", set()), _unused_grants(made))
    unused = _with(made, ABSENT)
    absent = {grant.id for grant in made.org.assigns if grant.user in unused}
    result["R12"] = _score(by_rule.get("R12", set()), absent)
    every = {rule: {f.subject_id for f in analysis.findings if f.rule == rule} for rule in (*made.expected.of, "R21")}
    result["R21"] = _score(every["R21"], {user.id for user in made.org.users if user.id in unused and user.features})
    result |= {rule: _score(every[rule], _told(made, rule)) for rule in sorted(made.expected.of)}
    for name, keep in GRADES.items():
        seats = {f.subject_id for f in analysis.findings if f.rule in {"R06", "R07", "R08"} and keep(f.grade)}
        result[name] = _score(seats, unused)
    return result


def _unused_grants(made: Population) -> set[str]:
    """Return the grants of at least 30 days to active people whose last login is older."""
    users = {user.id: user for user in made.org.users if user.active}
    return {
        grant.id
        for grant in made.org.assigns
        if grant.user in users
        and (NOW - grant.created_at).days >= 30
        and ((last := users[grant.user].last_login_at) is None or last < grant.created_at)
    }


def _told(made: Population, rule: str) -> set[str]:
    """Return what is expected of the pools, and of the population's own, which are far too large and never full."""
    more = {PLATFORM, CRM} if rule == "R16" else set[str]()
    return made.expected.of[rule] | more


GRADES: Final[Mapping[str, Callable[[Grade], bool]]] = {
    "unused A+B+C": lambda grade: grade is not Grade.D,
    "unused A+B": lambda grade: grade in {Grade.A, Grade.B},
    "unused A": lambda grade: grade is Grade.A,
}


def _with(made: Population, labels: frozenset[str]) -> set[str]:
    return {user for user, label in made.labels.items() if label in labels}


def _score(found: set[str], true: Iterable[str]) -> Score:
    true = set(true)
    return Score(len(found & true), len(found), len(true))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table: dict[str, list[tuple[float, float]]] = {}
    for seed in range(1, options.seeds + 1):
        made = populate(seed, options.people)
        plain = scores(made, made.analyse())
        listed = scores(made, made.analyse(exemptions=made.excused()))
        for name, score in (*plain.items(), *((f"{n} with a leave list", listed[n]) for n in (*GRADES, "R08"))):
            table.setdefault(name, []).append((round(score.precision, 3), round(score.recall, 3)))
    if options.json:
        print(json.dumps(table))
        return 0
    print(f"{'rule':34} precision (recall) for seeds 1 to {options.seeds}, {options.people} people each")
    for name, values in sorted(table.items()):
        print(f"{name:34} " + "  ".join(f"{p:.2f} ({r:.2f})" for p, r in values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
