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
    return Response(msgspec.json.encode(value), status_code=status, media_type=JSON_TYPE, cookies=cookies)


def problem_answer(problem: Problem) -> Response[bytes]:
    """Return a problem as JSON: `{"error": {"title", "text", "remedy"}}`."""
    error = {"title": problem.title, "text": problem.text, "remedy": problem.remedy}
    return answer({"error": error}, status=problem.status)
