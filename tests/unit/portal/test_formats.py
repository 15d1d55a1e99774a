"""How figures and times read on a page."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from isthmus.portal import formats


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (Decimal("1234.5"), "USD", "$1,235"),
        (Decimal("1234.49"), "EUR", "€1,234"),
        (Decimal(0), "USD", "$0"),
        (Decimal(7), "CHF", "7 CHF"),
        (None, "USD", formats.NOTHING),
    ],
)
def test_money_is_rounded_once_and_unpriced_is_never_zero(value: Decimal | None, currency: str, text: str) -> None:
    assert formats.money(value, currency) == text


def test_a_time_is_a_time_element_in_utc() -> None:
    shown = str(formats.when(datetime(2026, 11, 22, 6, 5, 4, tzinfo=UTC)))
    assert shown == '<time datetime="2026-11-22T06:05:04Z">2026-11-22 06:05 UTC</time>'


def test_evidence_is_escaped_when_it_is_rendered() -> None:
    from isthmus.portal.rendering import Pages  # noqa: PLC0415
    from isthmus.portal.statics import FOLDER, Assets  # noqa: PLC0415

    pages = Pages(Assets(FOLDER), bytes)
    text = pages.fragment("audit_progress.html", audit=_Audit(), text='<script>alert("x")</script>')
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "0.2 s"), (42, "42 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")])
def test_durations_use_their_two_largest_units(seconds: float, text: str) -> None:
    assert formats.duration(seconds) == text


def test_an_unknown_state_is_quiet_not_green() -> None:
    assert formats.tone("something new") == formats.Tone.QUIET


class _Audit:
    state = "reading"
    percent = 40
