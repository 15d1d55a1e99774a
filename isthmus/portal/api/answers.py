"""How the JSON API answers: one encoder for rows, one shape for problems."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response
from litestar.datastructures import Cookie

from isthmus.portal.problems import Problem

JSON_TYPE: Final = "application/json"


def answer(value: object, *, status: int = 200, cookies: list[Cookie] | None = None) -> Response[bytes]:
    """Return `value` (rows as dataclasses or structs) as JSON; instants in UTC, money as decimal strings."""
    return Response(
        msgspec.json.encode(value, enc_hook=_plain), status_code=status, media_type=JSON_TYPE, cookies=cookies
    )


def _plain(value: object) -> object:
    """Turn the product's own kinds of text (`Alias`, `UserText`, …) into what they are to a reader: text."""
    if isinstance(value, str):
        return str.__str__(value)
    message = f"{type(value).__name__} has no form in JSON"
    raise TypeError(message)


def problem_answer(problem: Problem) -> Response[bytes]:
    """Return a problem as JSON: `{"error": {"title", "text", "remedy"}}`."""
    error = {"title": problem.title, "text": problem.text, "remedy": problem.remedy}
    return answer({"error": error}, status=problem.status)
