"""LIKE patterns."""

from __future__ import annotations

import re

from orgsim.soql.tokens import unescape


def compile_like(raw: str) -> re.Pattern[str]:
    r"""Return the pattern of a LIKE literal as written between its quotes: `%` any, `_` one, `\%` `\_` plain."""
    parts: list[str] = []
    place = 0
    while place < len(raw):
        letter = raw[place]
        if letter == "\\":
            decoded, place = unescape(raw, place)
            parts.append(re.escape(decoded))
            continue
        parts.append(".*" if letter == "%" else "." if letter == "_" else re.escape(letter))
        place += 1
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
