"""Trouble on purpose: rules given to the control port, matched against calls and against single rows.

`POST /faults` takes one rule or an array of rules; `GET /faults` lists them with their hits; `DELETE /faults` clears.
A rule says *when* (all given conditions must hold) and *what*:

when
    method        "GET", "PATCH", ...
    path          regular expression searched in `path?query`, e.g. "/jobs/ingest/.*/batches"
    object        object name in the path, in a query or in the row
    where         {"LastName": "Ng"}: row rules only, values compared as text
    nth           only the n-th match (1 = the first)
    every         every n-th match
    times         at most so many hits (default: 1 with nth, else no end)
    probability   0..1, drawn from the org's seeded source (default 1)

what (at least one)
    status        answer with this status; `body` (JSON value, or text with `content_type`), `headers`
    reset         true: cut the connection before answering; the call has no effect
    half_after_bytes   n: do the work, send n bytes of the body, then cut the connection
    delay_s       wait first
    expire_token  true: the caller's access token is dead from now on (so this call answers 401)
    row_error     {"code": "UNABLE_TO_LOCK_ROW", "message": "...", "fields": []}: rows that match fail with it
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from orgsim.wire import JSON_TYPE, Request

RULES_MAX: Final = 1_000
_SENSELESS: Final = "the rule does nothing: give status, reset, half_after_bytes, delay_s, expire_token or row_error"
_BAD_STATUS: Final = "status must be 100..599"
_BAD_PROBABILITY: Final = "probability must be 0..1"
_BAD_COUNT: Final = "nth, every and times start at 1"


class RowErrorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The error that a row gets."""

    code: str
    message: str = "planted by a fault rule"
    fields: tuple[str, ...] = ()


class FaultRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule; see the module's docstring for the meaning of each key."""

    method: str | None = None
    path: str | None = None
    object: str | None = None
    where: dict[str, str] | None = None
    nth: int | None = None
    every: int | None = None
    times: int | None = None
    probability: float = 1.0
    status: int | None = None
    body: Any = None
    content_type: str | None = None
    headers: dict[str, str] = {}
    reset: bool = False
    half_after_bytes: int | None = None
    delay_s: float = 0.0
    expire_token: bool = False
    row_error: RowErrorSpec | None = None

    @property
    def hits_max(self) -> int | None:
        """How often the rule may strike, or None for no end."""
        return 1 if self.times is None and self.nth is not None else self.times


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this instead of doing the work."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What shall happen to one call; the default is nothing. `note` goes into the transcript."""

    delay_s: float = 0.0
    expire_token: bool = False
    reset: bool = False
    answer: Answer | None = None
    half_after_bytes: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class RowFault:
    """The error of one row."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


class FaultRuleRefused(Exception):
    """A rule makes no sense; `why` says so to the person who posted it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Armed:
    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.pattern = re.compile(rule.path) if rule.path is not None else None
        self.matches = 0
        self.hits = 0

    def strikes(self, rng: random.Random) -> bool:
        """Count a match and say whether this one is hit."""
        rule = self.rule
        if rule.hits_max is not None and self.hits >= rule.hits_max:
            return False
        self.matches += 1
        if rule.nth is not None and self.matches != rule.nth:
            return False
        if rule.every is not None and self.matches % rule.every:
            return False
        if rule.probability < 1 and rng.random() >= rule.probability:
            return False
        self.hits += 1
        return True


class Faults:
    """The armed rules of one org."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._armed: list[_Armed] = []
        self._has_row_rules = False

    def add(self, rules: Sequence[FaultRule]) -> None:
        """Arm rules; FaultRuleRefused if one is senseless (then none is armed)."""
        if len(self._armed) + len(rules) > RULES_MAX:
            why = f"at most {RULES_MAX} rules"
            raise FaultRuleRefused(why)
        for rule in rules:
            _check(rule)
        self._armed.extend(_Armed(rule) for rule in rules)
        self._has_row_rules = any(armed.rule.row_error is not None for armed in self._armed)

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()
        self._has_row_rules = False

    def listed(self) -> list[dict[str, object]]:
        """Return the rules with how often each matched and struck."""
        return [
            {"rule": msgspec.to_builtins(armed.rule), "matches": armed.matches, "hits": armed.hits}
            for armed in self._armed
        ]

    def for_request(self, request: Request, target: str) -> Trouble | None:
        """Return what the first striking rule wants for this call; `target` is the raw `path?query`."""
        for armed in self._armed:
            if armed.rule.row_error is None and _matches(armed, request, target) and armed.strikes(self._rng):
                return _trouble(armed.rule)
        return None

    def for_row(self, object_name: str, values: Mapping[str, object]) -> RowFault | None:
        """Return the error that a rule wants for this row of a write, or None."""
        if not self._has_row_rules:
            return None
        for armed in self._armed:
            rule = armed.rule
            if rule.row_error is None or (rule.object is not None and rule.object.lower() != object_name.lower()):
                continue
            if rule.where is not None and not _row_matches(rule.where, values):
                continue
            if armed.strikes(self._rng):
                return RowFault(rule.row_error.code, rule.row_error.message, rule.row_error.fields)
        return None


def parse_rules(body: bytes) -> list[FaultRule]:
    """Return the rules of a `POST /faults` body; FaultRuleRefused with the reason if it is malformed."""
    try:
        if body.lstrip().startswith(b"["):
            return msgspec.json.decode(body, type=list[FaultRule])
        return [msgspec.json.decode(body, type=FaultRule)]
    except msgspec.DecodeError as broken:
        raise FaultRuleRefused(str(broken)) from None


def _check(rule: FaultRule) -> None:
    if rule.path is not None:
        try:
            re.compile(rule.path)
        except re.error as broken:
            why = f"path is not a regular expression: {broken}"
            raise FaultRuleRefused(why) from None
    wants = (rule.status, rule.half_after_bytes, rule.row_error)
    if not (rule.reset or rule.expire_token or rule.delay_s > 0 or any(want is not None for want in wants)):
        raise FaultRuleRefused(_SENSELESS)
    if rule.status is not None and not 100 <= rule.status <= 599:
        raise FaultRuleRefused(_BAD_STATUS)
    if not 0 <= rule.probability <= 1:
        raise FaultRuleRefused(_BAD_PROBABILITY)
    if any(number is not None and number < 1 for number in (rule.nth, rule.every, rule.times)):
        raise FaultRuleRefused(_BAD_COUNT)


def _matches(armed: _Armed, request: Request, target: str) -> bool:
    rule = armed.rule
    if rule.method is not None and rule.method.upper() != request.method:
        return False
    if armed.pattern is not None and armed.pattern.search(target) is None:
        return False
    return rule.object is None or _mentions(request, rule.object.lower())


def _mentions(request: Request, name: str) -> bool:
    """Say whether an object's name is a path segment, a word of the query or of a small body."""
    if any(part.lower() == name for part in request.segments):
        return True
    word = re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)
    if any(word.search(value) for _, value in request.query):
        return True
    body = request.body or b""
    return len(body) <= 64_000 and word.search(body.decode("utf-8", "replace")) is not None


def _row_matches(where: Mapping[str, str], values: Mapping[str, object]) -> bool:
    folded = {name.lower(): value for name, value in values.items()}
    return all(str(folded.get(name.lower())) == wanted for name, wanted in where.items())


def _trouble(rule: FaultRule) -> Trouble:
    answer = None
    if rule.status is not None:
        text = rule.body.encode() if isinstance(rule.body, str) else msgspec.json.encode(rule.body)
        kind = rule.content_type or ("text/plain" if isinstance(rule.body, str) else JSON_TYPE)
        body = b"" if rule.body is None else text
        answer = Answer(rule.status, body, (("Content-Type", kind), *rule.headers.items()))
    return Trouble(
        delay_s=rule.delay_s,
        expire_token=rule.expire_token,
        reset=rule.reset,
        answer=answer,
        half_after_bytes=rule.half_after_bytes,
        note="fault rule",
    )
