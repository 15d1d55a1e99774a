"""renewal.ics read as strictly as RFC 5545 allows, by a reader that knows nothing of its writer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache

import msgspec

from isthmus.audit.composing.compose import compose
from isthmus.audit.figures import Report
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.report.calendar import render_ics
from tests.unit.audit.world import Org

HARD = "Vertrieb; Größe \\ „XXL“, 日本語の契約 \N{GRINNING FACE} und noch viel mehr als in eine Zeile geht"
ONCE = ("UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "DESCRIPTION", "TRANSP")
_ESCAPED = re.compile(r"\\([\\;,nN])")


@cache
def report() -> Report:
    org = Org()
    org.license(total=50)
    org.regulars(10)
    return compose(
        org.analyse(contract=(ContractItem("SFDC", 50, date(2027, 12, 31), HARD, notice_days=60),)), "Ä; B, C"
    )


def unfolded(content: bytes) -> list[str]:
    """Return the content lines. Each part is text by itself: folding cut no letter in two."""
    assert content.endswith(b"\r\n")
    physical = content[:-2].split(b"\r\n")
    assert all(len(line) <= 75 and not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line) for line in physical)
    lines: list[str] = []
    for line in (part.decode() for part in physical):
        if line.startswith(" "):
            lines[-1] += line[1:]
        else:
            lines.append(line)
    return lines


def events(content: bytes) -> Iterator[dict[str, tuple[str, str]]]:
    """Yield each event's properties: parameters and value."""
    lines = unfolded(content)
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    assert [line for line in lines if line.startswith(("VERSION", "PRODID"))] == [
        "VERSION:2.0",
        "PRODID:-//isthmus//licence audit//EN",
    ]
    inside: list[str] | None = None
    for line in lines[3:-1]:
        if line == "BEGIN:VEVENT":
            assert inside is None
            inside = []
        elif line == "END:VEVENT":
            assert inside is not None
            parts = [re.fullmatch(r"([A-Z-]+)((?:;[A-Z-]+=[A-Z-]+)*):(.*)", each) for each in inside]
            assert None not in parts
            assert sorted(part[1] for part in parts if part) == sorted(ONCE)
            yield {part[1]: (part[2], part[3]) for part in parts if part}
            inside = None
        else:
            assert inside is not None
            inside.append(line)
    assert inside is None


def text(value: str) -> str:
    assert not re.search(r"(?<!\\)(?:\\\\)*[;,]", value)
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def test_a_strict_reader_finds_each_step_of_the_plan_as_a_whole_day_with_its_words() -> None:
    found = list(events(render_ics(report())))
    assert len(found) == len(report().plan) == 7
    for event, step in zip(found, report().plan, strict=True):
        assert event["DTSTART"] == (";VALUE=DATE", f"{step.day:%Y%m%d}")
        assert event["DTEND"] == (";VALUE=DATE", f"{step.day + timedelta(days=1):%Y%m%d}")
        assert text(event["SUMMARY"][1]) == f"{HARD}: {step.what}"
        assert re.fullmatch(r"\d{8}T\d{6}Z", event["DTSTAMP"][1])
        assert "Ä; B, C" in text(event["DESCRIPTION"][1])


def test_a_calendar_takes_the_next_audit_s_file_for_the_same_events_and_a_newer_state_of_them() -> None:
    later = msgspec.structs.replace(report(), taken_at=report().taken_at + timedelta(days=7))
    before, after = (list(events(render_ics(each))) for each in (report(), later))
    assert [event["UID"] for event in before] == [event["UID"] for event in after]
    assert len({event["UID"] for event in before}) == len(before)
    assert all(old["DTSTAMP"][1] < new["DTSTAMP"][1] for old, new in zip(before, after, strict=True))
