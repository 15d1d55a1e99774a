"""Where findings, gates and rules come from: the rows of the person or pool, the rule's words, the settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from isthmus.audit.explain.model import How, RowRef, Setting, Source
from isthmus.audit.explain.rows import ASSIGNS, EXTRACTS, LICENSES, LOGINS, PRICES, PSLS, READING, USERS
from isthmus.audit.explain.tracer import Ground, of_row, setting, words
from isthmus.audit.finding import Finding, Subject
from isthmus.audit.rules import r15_duplicate

_USER_COLUMNS: Final = MappingProxyType(
    {
        "subject": "name",
        "detail": "username",
        "email": "email",
        "department": "department",
        "created_at": "created_at",
    }
)
_POOL_COLUMNS: Final = MappingProxyType({"subject": "label", "detail": "key", "pool": "id", "pool_name": "label"})
_TITLES: Final = ("title", "remedy", "rule", "subject_kind", "facts[].label")
_EMPTY: Final = ("email", "department", "created_at", "last_login_at", "granted_at", "manager")
"""Fields of a person, which a pool's finding does not have."""
_DECIDED: Final = frozenset({"exempt", "snoozed_until", "snooze_reason"})
GATE_FILES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "R00": (USERS, LOGINS),
        "R01": (LICENSES, USERS),
        "R02": (PSLS, ASSIGNS, USERS),
        "R03": (LOGINS,),
        "R04": (USERS,),
        "R05": (LOGINS, LICENSES),
    }
)
"""The extracts that a gate looks at; one that is not listed looks at all."""


def finding_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where something that a finding says comes from."""
    finding = ground.analysis.findings[at[0]]
    if field in _TITLES:
        return words("Words of the rule.", rules=(finding.rule,))
    if field == "ordinal":
        said = "Findings are in the order of severity, grade, rule and name; they are counted from 1."
        parts = tuple(f"findings[{at[0]}].{name}" for name in ("severity", "grade", "rule", "subject"))
        return Source(How.RECKONED, said, parts=parts, rules=(finding.rule,))
    return _copied(ground, finding, field) or _whole(ground, finding, at[0], field)


def _copied(ground: Ground, finding: Finding, field: str) -> Source | None:
    """Return the row's field that a finding shows as it is, or None for what the rule made."""
    user, pool = ground.subject_user(finding), ground.pool(finding.pool)
    about_person = user in ground.view.users
    if field in _USER_COLUMNS and about_person:
        return of_row(ground.users([user]), _USER_COLUMNS[field])
    if field == "manager" and about_person:
        asked = ground.view.users[user].manager
        rows = (*ground.users([user]), *ground.users([asked] if asked in ground.view.users else []))
        return Source(How.RECKONED, "The name of the user that the manager of this one is.", rows)
    if field == "granted_at" and finding.subject is Subject.PSL_ASSIGNMENT:
        return of_row(ground.rows.of(ASSIGNS, [finding.subject_id]), "created_at")
    if (field in {"pool", "pool_name"} and pool) or (field in {"subject", "detail"} and not about_person and pool):
        return of_row(pool, _POOL_COLUMNS[field])
    if field == "granted_at" or (field in _EMPTY and not about_person):
        return Source(How.WITHHELD, "This finding has none: it is not about a grant, or not about a person.", pool)
    return None


def _whole(ground: Ground, finding: Finding, position: int, field: str) -> Source:
    """Return the evidence behind a finding as a whole: every row that the rule looked at for it."""
    rows = evidence_rows(ground, finding)
    money = field in {"saving_monthly", "currency", "valued"}
    return Source(
        How.RECKONED,
        _said(ground, finding, position, field),
        rows,
        tuple(sorted({row.file for row in rows} | ({LOGINS} if finding.subject is not Subject.LICENSE else set()))),
        parts=ground.price_parts(finding.pool) if money else (),
        rules=(finding.rule,),
        settings=(*ground.thresholds(finding.pool), *_exemption(ground, finding)),
    )


def evidence_rows(ground: Ground, finding: Finding) -> tuple[RowRef, ...]:
    """Return the rows behind a finding: person, grant, pool, logins, and the other seats of the same person."""
    user = ground.subject_user(finding)
    people = [user] if user in ground.view.users else []
    if finding.rule == "R15":
        people = next((ids for ids, _ in _clusters(ground) if user in ids), people)
    grants = [finding.subject_id] if finding.subject is Subject.PSL_ASSIGNMENT else []
    return (
        *ground.users(people),
        *ground.rows.of(ASSIGNS, grants),
        *ground.pool(finding.pool),
        *ground.rows.logins(people),
    )


def _clusters(ground: Ground) -> list[tuple[list[str], Mapping[str, frozenset[str]]]]:
    return r15_duplicate.clusters(list(ground.view.seat_holders()))


def _said(ground: Ground, finding: Finding, position: int, field: str) -> str:
    if field == "saving_monthly":
        return _worth_said(ground, finding, position)
    if field == "valued":
        return (
            "Each seat counts once: by the surest finding, among equals by the first of R06, R07, R15, R09, R08, R19."
        )
    if field in _DECIDED:
        return "Decided by your exemptions and put-off findings, which are part of the bundle's settings."
    if field == "grade" and finding.traps:
        return f"Lowered for: {'; '.join(finding.traps)}."
    return finding.why


def _worth_said(ground: Ground, finding: Finding, position: int) -> str:
    worth = ground.analysis.worth.get(position)
    if position not in ground.analysis.valued:
        return "Not valued: information, or the seat counts by another finding already."
    if worth is None:
        return "Not valued: a price is not known, or the prices are of several currencies."
    less = " less that of the seat needed instead" if finding.replacement else ""
    least = " (the least of the person's seats)" if finding.worth_of else ""
    return f"{finding.quantity} x {worth}: the price of its licence{least}{less}."


def _exemption(ground: Ground, finding: Finding) -> tuple[Setting, ...]:
    """Return what the operator decided about the finding: an exemption, or a day up to which it is put off."""
    found: list[Setting] = []
    item = ground.view.exemption_of(ground.subject_user(finding), finding.rule)
    if item is not None:
        until = f", until {item.until.isoformat()}" if item.until is not None else ""
        found.append(setting("exempt.users", f"{item.user}: {item.reason}{until}"))
    found.extend(
        setting("snoozes.findings", f"until {snooze.until.isoformat()}: {snooze.reason}")
        for snooze in ground.analysis.basis.snoozes.findings
        if (snooze.rule, snooze.subject, snooze.pool) == (finding.rule, finding.subject_id, finding.pool)
    )
    return tuple(found)


def gate_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where something that a gate says comes from."""
    gate = ground.analysis.gates[at[0]]
    if field in {"rule", "title", "remedy", "facts[].label", "withholds[]"}:
        return words("Words of the gate.", rules=(gate.rule,))
    rows = (*(row for pool in sorted(gate.pools) for row in ground.pool(pool)), RowRef(READING, 1))
    files = GATE_FILES.get(gate.rule, EXTRACTS)
    return Source(How.RECKONED, gate.says, rows, files, rules=(gate.rule,), settings=ground.thresholds())


def rule_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where something that the list of rules says comes from."""
    rule = ground.report.rules[at[0]].id
    if field != "findings":
        return words("Words of the rule.", rules=(rule,))
    if ground.report.rules[at[0]].findings is None:
        gates = tuple(f"gates[{i}].verdict" for i, gate in enumerate(ground.report.gates) if gate.verdict == "fail")
        said = (
            "A gate has no findings."
            if rule <= "R05"
            else "A failed gate, or something unreadable, kept it from running."
        )
        return Source(How.WITHHELD, said, rows=(RowRef(READING, 1),), parts=gates, rules=(rule,))
    parts = tuple(f"findings[{p}].why" for p in ground.findings_of((rule,)))
    return Source(How.COUNT, parts=parts, rules=(rule,), files=EXTRACTS)


def price_trace(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    """Return where a price comes from."""
    line = ground.report.prices[at[0]]
    said = "Your own price, else the contract's, else a list price in force on the day of the audit, else none."
    contract = ground.contract_parts(line.pool, "unit_price")
    settings = tuple(
        setting(f"own[{i}]", f"{p.product} {p.amount} {p.currency}", PRICES)
        for i, p in enumerate(ground.analysis.basis.prices.own)
        if p.product.casefold() == line.product.casefold()
    )
    listed = tuple(
        setting(f"shipped[{i}]", f"{p.product} {p.amount} {p.currency}", PRICES)
        for i, p in enumerate(ground.analysis.basis.prices.shipped)
        if p.product == line.product
    )
    return Source(How.RECKONED, said, ground.pool(line.pool), (PRICES,), contract, settings=(*settings, *listed))


def request_trace(_ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where the list of requests comes from."""
    return Source(How.FIELD, rows=(RowRef(READING, 1),), column=f"requests[{at[0]}].{field}")
