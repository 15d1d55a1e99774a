"""Pages of a two-way sync: rows that failed apart from rows worth a note, and a person's decision of what is held."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from isthmus.portal.pages.runs import counts
from isthmus.portal.rendering import Pages
from isthmus.sync.looking import step_title
from isthmus.sync.model import RunState, Step, StepKind
from isthmus.sync.pairing import Pairing
from isthmus.sync.views import OutcomeView, RunDetail, RunView, StepView

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ONE = UUID(int=1)


def page(*outcomes: OutcomeView) -> str:
    run = RunView(
        id=ONE, sync_id=ONE, kind="by_hand", state=RunState.PARTIAL, end_reason=0, requested_at=NOW, started_at=NOW,
        ended_at=NOW, calls_source=1, calls_target=1, rows_expected=1, rows_read=1, rows_written=0, rows_created=0,
        rows_failed=1, rows_retried=0, corrected_at=None,
    )  # fmt: skip
    step = StepView(0, "Account →", "REST", 1, 1, 0, 0, 1, settled=True)
    detail = RunDetail(run, "both ways", "Some rows failed.", (step,), outcomes, failed_windows_open=1)
    pages = Pages(cast("Any", SimpleNamespace(url=str)), lambda size: b"n" * size)
    shown = {"visitor": None, "csrf": "token", "nonce": "n", "path": "/", "notice": None, "live": False, "took_s": 1.0}
    return pages.fragment("run.html", detail=detail, anomalies=(), **shown, **counts(detail))


def outcome(code: str, *, failed: bool) -> OutcomeView:
    return OutcomeView(0, "Account →", code, "Phone", 3, f"cause of {code}", f"remedy of {code}", failed=failed)


def test_a_held_conflict_asks_for_a_decision_and_a_note_does_not_count_as_failed() -> None:
    text = page(outcome("CONFLICT_HELD", failed=True), outcome("ADOPTED", failed=False))
    failed, _, notes = text.partition("Worth knowing")
    assert "CONFLICT_HELD" in failed
    assert f"/syncs/{ONE}/retry-source" in failed
    assert f"/syncs/{ONE}/retry-target" in failed
    assert "ADOPTED" in notes
    assert "ADOPTED" not in failed


def test_other_failures_ask_for_no_decision() -> None:
    text = page(outcome("REQUIRED_FIELD_MISSING", failed=True))
    assert "retry-source" not in text
    assert "Worth knowing" not in text


def test_steps_say_which_way_they_go() -> None:
    def title(source: str, target: str, *, backward: bool, two_way: bool = True) -> str:
        pairing = Pairing() if two_way else None
        step = Step(kind=StepKind.LOAD, source=source, target=target, key="K", backward=backward, pairing=pairing)
        return step_title(step)

    assert title("Account", "Account", backward=False) == "Account →"
    assert title("Account", "Account", backward=True) == "Account ←"
    assert title("Lead", "Contact", backward=False) == "Lead → Contact"
    assert title("Contact", "Lead", backward=True) == "Lead ← Contact"
    assert title("Account", "Account", backward=False, two_way=False) == "Account"
