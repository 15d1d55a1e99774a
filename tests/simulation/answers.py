"""Replies of a simulated org, and the moods that it can have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass
class Answer:
    """A reply as it goes over the wire."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class Moods:
    """How an org behaves while there is trouble: chances of single rows and jobs to fail, sizes of pages."""

    lock: float = 0.0
    job_fails: float = 0.0
    no_replication: bool = False
    job_rests_s: tuple[float, ...] = (0.2,)
    """How long a Bulk job may wait before the org begins with it: one of these times chance."""
    page_rows: tuple[int, int] = (2000, 2000)
    stale_pages: bool = False
    """Whether later pages of a result show rows as they were when it was asked for, or as they are."""


def reply(content: object, status: int = 200) -> Answer:
    """Return a JSON reply."""
    return Answer(status, json.dumps(content).encode(), {"content-type": "application/json"})


def refusal(status: int, code: str) -> Answer:
    """Return an error as Salesforce writes it."""
    return reply([{"errorCode": code, "message": "refused"}], status)
