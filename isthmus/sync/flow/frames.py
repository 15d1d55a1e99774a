"""The only way out of a mover that moves records: frames of 32 bytes, all integers, each in a checked range.

Layout, big endian: kind u8 · step u8 · code u16 · field i16 · reserved u16 (zero) · a u64 · b u64 · c u64.
A text, an id or a value has no place to be in. Times are whole milliseconds since 1970, 0 where there is none.
What may follow what is the business of `sync.run`; here each frame is judged alone.

| kind | step | code | field | a | b | c |
|---|---|---|---|---|---|---|
| 1 WindowFixed | yes | path | | since | until | rows expected |
| 2 Moved | yes | | | rows read | rows written | rows created |
| 3 RowsFailed | yes | status code | column ordinal or -1 | rows | | |
| 4 WindowSettled | yes | retry ordinal or 0 | | since | until | watermark, 0 = none |
| 5 StepDone | yes | | | | | |
| 6 Calls | | | | of the source | of the target | |
| 7 Ended | step or 255 | end reason | status code or -1 | | | |
| 8 Usage | | side | | calls used, by the org's own count | calls allowed | |
| 9 Noted | yes | status code | column ordinal or -1 | rows | | |
| 10 Tagged | | | | time by the target's clock | | |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.model import COLUMNS_MAX, STEPS_MAX, EndReason, Path, Window

FRAME_BYTES: Final = 32
ROWS_MAX: Final = 1 << 40
CALLS_MAX: Final = 1 << 32
TIME_MS_MAX: Final = 7_258_118_400_000
"""The year 2200."""
RETRIES_MAX: Final = 256
_NO_STEP: Final = 255
_LAYOUT: Final = struct.Struct(">BBHhHQQQ")


class BadFrame(Exception):
    """A mover sent something that is not a frame: it is stopped. The message names the rule, never the bytes."""


@dataclass(frozen=True, slots=True)
class WindowFixed:
    """The bounds of a window and its path are decided; nothing of it has been read."""

    step: int
    window: Window
    path: Path
    rows_expected: int


@dataclass(frozen=True, slots=True)
class Moved:
    """So many further rows were read, written (created or updated) and created."""

    step: int
    rows_read: int
    rows_written: int
    rows_created: int


@dataclass(frozen=True, slots=True)
class RowsFailed:
    """So many rows failed for one reason; `field` is the ordinal of the step's column, None if the org named none."""

    step: int
    code: StatusCode
    field: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class Noted:
    """So many rows are worth a note and did not fail: conflicts that the policy decided, adoptions."""

    step: int
    code: StatusCode
    field: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class WindowSettled:
    """Every row of the window was applied or counted as failed. `retry` 0 is the step's own window, n its n-th retry.

    `watermark` is where the step's next window may begin; None for a retried window.
    """

    step: int
    window: Window
    retry: int
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class StepDone:
    """The step needs no more of this run."""

    step: int


@dataclass(frozen=True, slots=True)
class Calls:
    """API calls so far, source and target."""

    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Tagged:
    """From `at` on, by the target's clock, this run writes rows with its tag: what is created later is its own."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """The last frame. `code` is the org's own code where one refused."""

    reason: EndReason
    step: int | None
    code: StatusCode | None


@dataclass(frozen=True, slots=True)
class Usage:
    """API calls of the last 24 hours by the org's own count, everybody's: used and allowed. `side` as in a job."""

    side: int
    used: int
    allowed: int


Frame: TypeAlias = WindowFixed | Moved | RowsFailed | Noted | WindowSettled | StepDone | Calls | Ended | Usage | Tagged


def encode(frame: Frame) -> bytes:  # noqa: C901, PLR0911 - one line per kind
    """Return the 32 bytes of `frame`."""
    match frame:
        case WindowFixed(step, window, path, rows):
            return _pack(1, step, path, 0, _ms(window.since), _ms(window.until), rows)
        case Moved(step, read, written, created):
            return _pack(2, step, 0, 0, read, written, created)
        case RowsFailed(step, code, field, rows):
            return _pack(3, step, int(code), -1 if field is None else field, rows, 0, 0)
        case WindowSettled(step, window, retry, watermark):
            return _pack(4, step, retry, 0, _ms(window.since), _ms(window.until), _ms(watermark))
        case StepDone(step):
            return _pack(5, step, 0, 0, 0, 0, 0)
        case Calls(source, target):
            return _pack(6, 0, 0, 0, source, target, 0)
        case Noted(step, code, field, rows):
            return _pack(9, step, int(code), -1 if field is None else field, rows, 0, 0)
        case Ended(reason, step, code):
            return _pack(7, _NO_STEP if step is None else step, reason, -1 if code is None else int(code), 0, 0, 0)
        case Usage(side, used, allowed):
            return _pack(8, 0, side, 0, used, allowed, 0)
        case Tagged(at):
            return _pack(10, 0, 0, 0, _ms(at), 0, 0)


def decode(unverified_bytes: bytes) -> Frame:
    """Return the frame, or raise `BadFrame` if any part of it is outside its range."""
    _demand(len(unverified_bytes) == FRAME_BYTES, "a frame has 32 bytes")
    kind, step, code, field, reserved, a, b, c = _LAYOUT.unpack(unverified_bytes)
    _demand(reserved == 0, "the reserved part is zero")
    frame = _decoded(kind, step, code, field, (a, b, c))
    _demand(encode(frame) == unverified_bytes, "unused parts are zero")
    return frame


def _decoded(  # noqa: C901, PLR0911 - one line per kind
    kind: int, step: int, code: int, field: int, numbers: tuple[int, int, int]
) -> Frame:
    a, b, c = numbers
    if kind == 6:  # noqa: PLR2004 - the table above
        return Calls(_upto(a, CALLS_MAX), _upto(b, CALLS_MAX))
    if kind == 7:  # noqa: PLR2004 - the table above
        _demand(code in EndReason.__members__.values(), "the end reason is known")
        return Ended(EndReason(code), None if step == _NO_STEP else _step(step), None if field == -1 else _code(field))
    if kind == 8:  # noqa: PLR2004 - the table above
        _demand(code in {SOURCE, TARGET}, "the side is one of the two")
        return Usage(code, _upto(a, CALLS_MAX), _upto(b, CALLS_MAX))
    if kind == 10:  # noqa: PLR2004 - the table above
        return Tagged(_time(a))
    _step(step)
    match kind:
        case 1:
            _demand(code in Path.__members__.values(), "the path is known")
            return WindowFixed(step, _window(a, b), Path(code), _upto(c, ROWS_MAX))
        case 2:
            read, written, created = (_upto(n, ROWS_MAX) for n in numbers)
            _demand(created <= written, "no more rows are created than written")
            return Moved(step, read, written, created)
        case 3:
            _demand(-1 <= field < COLUMNS_MAX, "the column is one of the step's")
            return RowsFailed(step, _code(code), None if field == -1 else field, _upto(a, ROWS_MAX))
        case 4:
            _demand(code <= RETRIES_MAX, "the retry is one of the job's")
            return WindowSettled(step, _window(a, b), code, None if c == 0 else _time(c))
        case 5:
            return StepDone(step)
        case 9:
            _demand(-1 <= field < COLUMNS_MAX, "the column is one of the step's")
            return Noted(step, _code(code), None if field == -1 else field, _upto(a, ROWS_MAX))
        case _:
            message = "the kind is known"
            raise BadFrame(message)


def _pack(kind: int, step: int, code: int, field: int, *numbers: int) -> bytes:
    return _LAYOUT.pack(kind, step, code, field, 0, *numbers)


def _demand(holds: bool, rule: str) -> None:  # noqa: FBT001 - reads as a sentence where it is called
    if not holds:
        raise BadFrame(rule)


def _upto(number: int, most: int) -> int:
    _demand(number <= most, "a number is within its bound")
    return number


def _step(number: int) -> int:
    _demand(number < STEPS_MAX, "the step is one of the plan's")
    return number


def _code(number: int) -> StatusCode:
    try:
        return StatusCode(number)
    except ValueError:
        message = "the status code is on the list"
        raise BadFrame(message) from None


def _window(since: int, until: int) -> Window:
    _demand(since < until, "a window ends after it begins")
    return Window(None if since == 0 else _time(since), _time(until))


def _time(number: int) -> datetime:
    _demand(0 < number <= TIME_MS_MAX, "a time is between 1970 and 2200")
    return datetime.fromtimestamp(number // 1000, UTC).replace(microsecond=number % 1000 * 1000)


def _ms(moment: datetime | None) -> int:
    if moment is None:
        return 0
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000
