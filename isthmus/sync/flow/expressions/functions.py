"""What a function of the language is: the types it takes and gives, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from typing import Any, Final, TypeAlias

from isthmus.sync.flow.expressions.values import Failed, Type, Value

WORK_CHARS_MAX: Final = 8_000_000
"""How many characters the functions of one expression may read and write for one row."""


class Fixed(StrEnum):
    """Arguments that are written out in the expression, so that they are checked before the first row."""

    ZONE = "zone"
    FORMAT = "format"
    PARSED_FORMAT = "parsed format"


Takes: TypeAlias = Type | Fixed
Zones: TypeAlias = Mapping[str, tzinfo]


@dataclass(frozen=True, slots=True)
class Function:
    """One form of a function. `needs` of `takes` must be given; `more` is the type of any number of further ones.

    With a null among the arguments the result is null, but for those at `nulls`, which the function sees itself.
    """

    takes: tuple[Takes, ...]
    gives: Type
    run: Callable[..., Any]
    needs: int | None = None
    more: Type | None = None
    nulls: frozenset[int] = frozenset()

    def accepts(self, count: int) -> bool:
        """Whether it can be called with so many arguments."""
        needs = len(self.takes) if self.needs is None else self.needs
        return needs <= count and (self.more is not None or count <= len(self.takes))

    def taken(self, number: int) -> Takes:
        """Return what the argument of that number must be."""
        return self.takes[number] if number < len(self.takes) else self.more or Type.NULL

    def shown(self, name: str) -> str:
        """Return how it is called: `left(text, number)`."""
        needs = len(self.takes) if self.needs is None else self.needs
        words = [f'"{each}"' if isinstance(each, Fixed) else str(each) for each in self.takes]
        words = [f"[{word}]" if number >= needs else word for number, word in enumerate(words)]
        return f"{name}({', '.join([*words, *(['…'] if self.more else [])])})"


class Row:
    """The inputs of an expression for one row, and what is left of its allowance."""

    __slots__ = ("left", "values")

    def __init__(self, values: list[Value]) -> None:
        """Take the values, in the order of the program's inputs."""
        self.values = values
        self.left = WORK_CHARS_MAX

    def spend(self, chars: int) -> None:
        """Take `chars` off the allowance. Raises `Failed` when nothing is left."""
        self.left -= chars
        if self.left < 0:
            raise Failed

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<Row of {len(self.values)} values>"


Run: TypeAlias = Callable[[Row], Value]
