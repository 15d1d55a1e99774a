"""The journal can hold numbers, ids and closed words; nothing else gets in, not even through an exception."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

from isthmus.journal import Journal, RunEnded

CANARY = "canary-7f3a Ünïcode"


class FixedClock:
    def now(self):
        return datetime(2026, 11, 22, 6, 0, tzinfo=UTC)

    def monotonic_s(self):
        return 0.0


class State(Enum):
    DONE = CANARY


def written():
    lines: list[str] = []
    return lines, Journal("worker", lines.append, FixedClock())


def test_an_event_is_one_json_line_with_its_time_and_process():
    lines, journal = written()
    journal.emit(RunEnded(run=UUID(int=1), fence=2, state=State.DONE, duration_ms=30))
    assert json.loads(lines[0]) == {
        "at": "2026-11-22T06:00:00.000+00:00",
        "process": "worker",
        "event": "RunEnded",
        "run": "00000000-0000-0000-0000-000000000001",
        "fence": 2,
        "state": "DONE",
        "duration_ms": 30,
    }


def test_an_exception_is_written_without_its_message_and_without_values():
    lines, journal = written()
    held = CANARY

    def fails(value):
        try:
            raise KeyError(value)
        except KeyError as cause:
            raise ValueError(f"bad {value}") from cause

    try:
        fails(held)
    except ValueError as error:
        journal.unexpected(error)
    entry = json.loads(lines[0])
    assert entry["errors"] == ["builtins.ValueError", "builtins.KeyError"]
    assert any("fails" in frame for frame in entry["frames"])
    assert CANARY not in lines[0]
    assert "canary" not in lines[0]


def test_a_chain_that_bites_its_tail_ends():
    lines, journal = written()
    error = ValueError()
    error.__context__ = KeyError()
    error.__context__.__context__ = error
    journal.unexpected(error)
    assert len(json.loads(lines[0])["errors"]) == 2
