"""A person's own `where` text, parsed token by token and written again by us: what we do not understand is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed condition. `text` is our own writing of it; `fields` the dotted paths that occur in it, as written."""

    text: str
    fields: tuple[str, ...]

    def __repr__(self) -> str:
        """Show which fields, never the values."""
        return f"<Filter on {', '.join(self.fields)}>"


@dataclass(frozen=True, slots=True)
class FilterRefused:
    """Why a text is no condition. `position` counts characters from 0; `why` is a fixed sentence."""

    position: int
    why: str


def parse_filter(unverified_text: str) -> Filter | FilterRefused:
    """Parse names, literals, comparisons, IN, LIKE, INCLUDES, EXCLUDES, NOT, AND, OR, parentheses, date literals."""
    raise NotImplementedError
