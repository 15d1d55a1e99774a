"""docs/audit-api.md: each example is sent as it stands there, and no route is left out."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from isthmus.portal.api import audit_schedule, audits, findings, what_if
from tests.support.desk import Desk, desk
from tests.unit.audit.world import example

__all__ = ["desk"]

DOCUMENT = Path(__file__).parents[3] / "docs/audit-api.md"
MODULES = (audits, findings, what_if, audit_schedule)


def examples() -> list[tuple[str, str, Any]]:
    """Return method, path with query and body of each curl call of the document."""
    found: list[tuple[str, str, Any]] = []
    for block in re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("curl "):
                found.append(_call(shlex.split(line)))
    return found


def _call(words: list[str]) -> tuple[str, str, Any]:
    url = next(word for word in words if word.startswith("$ISTHMUS"))
    assert "Authorization: Bearer $SESSION" in words
    body = words[words.index("--json") + 1] if "--json" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "GET" if body is None else "POST"
    return method, url.removeprefix("$ISTHMUS"), body


async def test_each_example_works_as_it_stands(desk: Desk) -> None:
    connection = await desk.connection("acme", "north")
    names = {
        "$AUDIT": str(await desk.audit(example())),
        "$CONNECTION": str(connection),
        "$UNTIL": str((datetime.now(UTC) + timedelta(days=30)).date()),
    }
    calls = examples()
    assert len(calls) > 10
    for method, unfilled, text in calls:
        path, body = _filled(unfilled, names), json.loads(_filled(text, names)) if text else None
        answer = await desk.client.request(method, path, headers={"Authorization": "Bearer acme"}, json=body)
        assert answer.status_code in {200, 202}, (method, path, answer.text)
        if path.endswith("/snooze"):
            names["$SNOOZE"] = answer.json()["snooze"]


def _filled(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def test_every_route_of_audits_has_an_example() -> None:
    documented = {(method, _shape(path)) for method, path, _ in examples()}
    handlers: list[Any] = [handler for module in MODULES for handler in module.HANDLERS]
    routes = {(method, _shape(path)) for h in handlers for path in h.paths for method in h.http_methods}
    assert documented == {(str(method), shape) for method, shape in routes}


def _shape(path: str) -> str:
    """Return the path with each id as `*`."""
    path = path.partition("?")[0]
    return re.sub(r"\{\w+:str\}|\$[A-Z]+|(?<=/findings/)1", "*", path)
