"""The renewal's days as an iCalendar file (RFC 5545), for any calendar program."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from hashlib import sha256
from typing import Final

from isthmus.audit.figures import Report
from isthmus.audit.figures_renewal import PlanLine

LINE_BYTES_MAX: Final = 75
_ESCAPES: Final = (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\\n"), ("\n", "\\n"), ("\r", "\\n"))


def render_ics(report: Report) -> bytes:
    """Return the plan as all-day events; the same report gives the same bytes."""
    return b"".join(_folded(line) for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield "BEGIN:VCALENDAR"
    yield "VERSION:2.0"
    yield "PRODID:-//isthmus//licence audit//EN"
    stamp = f"{report.taken_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    for index, step in enumerate(report.plan):
        yield "BEGIN:VEVENT"
        yield f"UID:{_uid(report, step)}@isthmus"
        yield f"DTSTAMP:{stamp}"
        yield f"DTSTART;VALUE=DATE:{step.day:%Y%m%d}"
        yield f"DTEND;VALUE=DATE:{step.day + timedelta(days=1):%Y%m%d}"
        yield f"SUMMARY:{_escaped(f'{step.product}: {step.what}')}"
        check = f"How this day follows: isthmus audit explain bundle plan[{index}].day"
        yield f"DESCRIPTION:{_escaped(f'Salesforce contract of {report.org}. {check}')}"
        yield "TRANSP:TRANSPARENT"
        yield "END:VEVENT"
    yield "END:VCALENDAR"


def _uid(report: Report, step: PlanLine) -> str:
    return sha256(f"{report.host}|{step.product}|{step.what}|{step.day}".encode()).hexdigest()[:32]


def _escaped(text: str) -> str:
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return "".join(letter for letter in text if letter >= " ")


def _folded(line: str) -> bytes:
    """Return the line ended by CRLF, folded after 75 bytes without cutting a letter."""
    parts: list[bytes] = []
    part = b""
    for letter in line:
        encoded = letter.encode()
        if len(part) + len(encoded) > LINE_BYTES_MAX:
            parts.append(part)
            part = b" "
        part += encoded
    return b"\r\n".join([*parts, part]) + b"\r\n"
