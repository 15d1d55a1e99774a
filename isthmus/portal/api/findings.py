"""Findings over JSON: in pages, with their evidence, and put off."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec
from litestar import Response, delete, get, post

from isthmus.audit import service
from isthmus.audit.desk.finding_pages import PAGE_ROWS_MAX, finding_page, one_finding
from isthmus.audit.desk.snoozing import SnoozeRefused, end_snooze, list_snoozes, snooze
from isthmus.audit.desk.views import AuditState, DocumentKind, FindingFilter
from isthmus.audit.evidence.bundle import BundleInvalid
from isthmus.audit.explain.found import evidence
from isthmus.audit.finding import Grade, Severity
from isthmus.portal.api.answers import answer
from isthmus.portal.desk import ApiActing, Problem, SignedIn, WayOut, WebRequest, World, id_of, missing, query
from isthmus.portal.problems import bad_input
from isthmus.portal.visitors import FIELD_LENGTH_MAX
from isthmus.values import AuditId

_LIST: Final = WayOut("/audits", "All audits")
PAGE_ROWS_DEFAULT: Final = 200
NUMBER_LENGTH_MAX: Final = 9
FILTERS: Final = ("rule", "grade", "severity", "license", "text", "snoozed", "exempt", "min_annual", "rows", "after")


class SnoozeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last day on which the finding is put off, and why."""

    until: date
    reason: str


@get("/api/v1/audits/{audit:str}/findings")
async def findings(request: WebRequest, world: World, visitor: SignedIn, audit: str) -> Response[bytes]:
    """Return findings in the report's order, filtered and in pages, with how many there are by value."""
    given = query(request)
    wanted, rows, after = _filter(given), _whole(given, "rows", PAGE_ROWS_DEFAULT), _whole(given, "after", 0)
    audit_id = AuditId(id_of(audit, "Audit", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        if await service.audit_state(tx, audit_id) is None:
            missing("Audit", _LIST)
        page = await finding_page(tx, audit_id, wanted, rows_max=max(1, min(rows, PAGE_ROWS_MAX)), after=after)
    return answer(page)


@get("/api/v1/audits/{audit:str}/findings/{number:str}/explain")
async def explain(world: World, visitor: SignedIn, audit: str, number: str) -> Response[bytes]:
    """Return a finding with everything that it follows from: rows, rule, settings, requests."""
    audit_id, ordinal = AuditId(id_of(audit, "Audit", _LIST)), _number(number)
    async with world.database.tenant(visitor.ticket) as tx:
        finding = await one_finding(tx, audit_id, ordinal)
        bundle = await service.document(tx, audit_id, DocumentKind.BUNDLE) if finding is not None else None
    if finding is None or bundle is None:
        missing("Finding", _LIST)
    async with world.tables.loading:
        try:
            found = await asyncio.to_thread(evidence, bundle, ordinal)
        except BundleInvalid:
            raise _other_version() from None
    return answer({"finding": finding, "evidence": found})


@post("/api/v1/audits/{audit:str}/findings/{number:str}/snooze", status_code=200)
async def put_off(world: World, api_actor: ApiActing, audit: str, number: str, data: SnoozeBody) -> Response[bytes]:
    """Put a finding off: from the next audit of the org on it counts for no money, up to the day."""
    audit_id, ordinal = AuditId(id_of(audit, "Audit", _LIST)), _number(number)
    today = world.clock.now().date()
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            made = await snooze(tx, audit_id, ordinal, until=data.until, reason=data.reason, today=today)
    except SnoozeRefused as refused:
        what, _, remedy = str(refused).partition(". ")
        raise Problem(422, "This finding cannot be put off", f"{what.rstrip('.')}.", remedy, _LIST) from None
    if made is None:
        missing("Finding", _LIST)
    return answer({"snooze": made, "until": data.until, "reason": data.reason.strip()})


@get("/api/v1/snoozes")
async def snoozes(world: World, visitor: SignedIn) -> Response[bytes]:
    """List the findings that are put off, of all orgs."""
    async with world.database.tenant(visitor.ticket) as tx:
        return answer({"snoozes": await list_snoozes(tx, world.clock.now().date())})


@delete("/api/v1/snoozes/{snooze_id:str}", status_code=200)
async def end(world: World, api_actor: ApiActing, snooze_id: str) -> Response[bytes]:
    """Let a finding count again, from the next audit on."""
    wanted = id_of(snooze_id, "Snooze", _LIST)
    async with world.database.tenant(api_actor.visitor.ticket) as tx:
        ended = await end_snooze(tx, wanted)
    if not ended:
        missing("Snooze", _LIST)
    return answer({"ended": wanted})


def done_only(state: AuditState | None) -> None:
    """Raise the `Problem` of an audit that is not there, or not done."""
    if state is None:
        missing("Audit", _LIST)
    if state is not AuditState.DONE:
        raise Problem(
            409, "This audit is not done", "It has no figures yet, or ended with a failure.", "See its state."
        )


def _other_version() -> Problem:
    return Problem(
        409,
        "This audit cannot be explained",
        "Another version of Isthmus made it, so its findings do not follow from its evidence by today's rules.",
        "Audit the org again.",
        _LIST,
    )


def _filter(unverified: Mapping[str, str]) -> FindingFilter:
    strange = sorted(set(unverified) - set(FILTERS))
    if strange:
        bad_input("There is a filter of an unknown name in the address.", f"The filters are: {', '.join(FILTERS)}.")
    given = {name: text.strip()[:FIELD_LENGTH_MAX] for name, text in unverified.items() if text.strip()}
    return FindingFilter(
        rule=given.get("rule"),
        grade=Grade(grade) if (grade := _one_of(tuple(Grade), given.get("grade"), "grade")) else None,
        severity=Severity(word) if (word := _one_of(tuple(Severity), given.get("severity"), "severity")) else None,
        license=given.get("license"),
        text=given.get("text"),
        snoozed=_yes_or_no(given.get("snoozed"), "snoozed"),
        exempt=_yes_or_no(given.get("exempt"), "exempt"),
        annual_min=_amount(given.get("min_annual")),
    )


def _one_of(words: Sequence[str], unverified: str | None, name: str) -> str | None:
    if unverified is not None and unverified not in words:
        bad_input(f"The filter {name} has no such value.", f"Its values are: {', '.join(words)}.")
    return unverified


def _yes_or_no(unverified: str | None, name: str) -> bool | None:
    if unverified not in {None, "yes", "no"}:
        bad_input(f"The filter {name} has no such value.", "Its values are: yes, no.")
    return None if unverified is None else unverified == "yes"


def _amount(unverified: str | None) -> Decimal | None:
    if unverified is None:
        return None
    try:
        amount = Decimal(unverified)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount) > Decimal(10) ** 13:
        bad_input("The filter min_annual is no amount.", "Write a number with a decimal point, such as 2100.")
    return amount


def _whole(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or not text.isascii() or len(text) > NUMBER_LENGTH_MAX:
        bad_input(f"{name} is no whole number.", "For example rows=200&after=400.")
    return int(text)


def _number(unverified_text: str) -> int:
    if not unverified_text.isdecimal() or not unverified_text.isascii() or len(unverified_text) > NUMBER_LENGTH_MAX:
        missing("Finding", _LIST)
    return int(unverified_text)


HANDLERS = (findings, explain, put_off, snoozes, end)
