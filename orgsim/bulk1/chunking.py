"""PK chunking of Bulk API 1.0: one query becomes many, each over its own range of record ids."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from orgsim.errors import NotEmulated

SIZE_DEFAULT: Final = 100_000
SIZE_MAX: Final = 250_000
_ID_CHARACTERS: Final = 15
_SUPPORTED: Final = frozenset(
    {"Account", "Asset", "Campaign", "CampaignMember", "Case", "Contact", "Event", "Lead", "LoginHistory"}
    | {"Opportunity", "Task", "User", "WorkOrder", "WorkOrderLineItem"}
)
_QUERY: Final = re.compile(
    r"\s*(?P<select>SELECT\s.+?\sFROM\s+\w+)(?:\s+WHERE\s+(?P<where>.+?))?\s*", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Chunking:
    """How a job wants its queries cut: rows per chunk, and the id from which on (for a job that is started again)."""

    size: int = SIZE_DEFAULT
    start: str = ""


def read_header(text: str, object_name: str) -> Chunking | None:
    """Return what `Sforce-Enable-PKChunking` asks for, None for FALSE.

    ValueError if it cannot be read; NotEmulated for chunks by a parent's ids and for objects that are not cut.
    """
    size, start = SIZE_DEFAULT, ""
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = part.partition("=")
        match name.strip().lower():
            case "false":
                return None
            case "true":
                pass
            case "chunksize":
                size = int(value)
            case "startrow":
                start = value.strip()[:_ID_CHARACTERS]
            case _:
                what = f"PK chunking with {name.strip()}"
                raise NotEmulated(what)
    if not 1 <= size <= SIZE_MAX:
        raise ValueError
    if object_name not in _SUPPORTED and not object_name.endswith("__c"):
        what = f"PK chunking of {object_name}"
        raise NotEmulated(what)
    return Chunking(size, start)


def cut(soql: str, row_ids: Iterable[str], chunking: Chunking) -> list[str]:
    """Return the queries of the chunks; ValueError for a query with more than SELECT, FROM and WHERE."""
    found = _QUERY.fullmatch(soql)
    if found is None:
        raise ValueError
    where = f"({found['where']}) AND " if found["where"] else ""
    ids = sorted(row_id[:_ID_CHARACTERS] for row_id in row_ids if row_id >= chunking.start)
    starts = ids[:: chunking.size]
    ranges = [
        f"Id >= '{first}' AND Id < '{end}'" if end else f"Id >= '{first}'"
        for first, end in zip(starts, [*starts[1:], ""], strict=True)
    ]
    return [f"{found['select']} WHERE {where}{span}" for span in ranges]
