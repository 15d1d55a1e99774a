"""What an explanation consists of. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from isthmus.audit.explain.path import Json
from isthmus.audit.model import RequestLine


class How(StrEnum):
    """How a figure follows from what lies behind it. A test holds each to its promise."""

    FIELD = "field"  # it stands in a row
    ROWS = "rows"  # the rows are counted
    SUM = "sum"  # the other figures are added up
    COUNT = "count"  # the other figures are counted
    SAME = "same"  # it is the other figure
    STEPS = "steps"  # the steps are added up, times a factor
    RECKONED = "reckoned"  # from rows, other figures and settings, as said
    SETTING = "setting"  # the operator decided it
    WORDS = "words"  # words of the product, which no data change
    WITHHELD = "withheld"  # not printed, as said


@dataclass(frozen=True, slots=True, order=True)
class RowRef:
    """A row of the bundle: its file, and its line counted from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Step:
    """One summand in words, with its value."""

    said: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that the operator decided, and where it stands in the bundle."""

    file: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure comes from. `files` were looked at, whether or not a row of them counted.

    `column` is the row's field for FIELD; `requests` names requests beyond those that the files came by.
    """

    how: How
    said: str = ""
    rows: tuple[RowRef, ...] = ()
    files: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    factor: int = 1
    column: str = ""
    rules: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One figure with everything that it follows from. `requests` are those that were sent.

    `whole` is the finding, gate or rule that was asked for, if one was; `figure` then speaks for it.
    """

    figure: str
    value: Json
    meaning: str
    source: Source
    requests: tuple[RequestLine, ...]
    whole: str = ""
