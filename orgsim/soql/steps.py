"""Work in steps: a generator pauses now and then, so that a server can answer other calls in between."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

_T = TypeVar("_T")
Steps = Generator[None, None, _T]


def settled(steps: Steps[_T]) -> _T:
    """Do all steps at once and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value
