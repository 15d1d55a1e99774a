"""Limits on data: how many rows fit, and which parents are locked by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from orgsim.ids import normalize_id
from orgsim.store.results import BadValue, RowError

if TYPE_CHECKING:
    from orgsim.org import Org

_LOCKING_FIELDS: Final = ("AccountId", "ParentId", "CampaignId", "OpportunityId", "WhatId", "WhoId")
"""Fields whose parents the platform locks while a child is written."""


def check_storage(org: Org) -> None:
    """Refuse one more row with BadValue if the org's storage is full (`storage_rows_max`, 0 = no limit)."""
    most = org.settings.storage_rows_max
    if most and sum(table.count() for table in org.tables.values()) >= most:
        raise BadValue(code="STORAGE_LIMIT_EXCEEDED", message="storage limit exceeded")


class ParentLocks:
    """Which Bulk job holds the locks on which parents; a job holds those of its last chunk until its next one.

    Only with `parent_locks` set to "on": rows of a chunk whose parent another running job holds fail with
    UNABLE_TO_LOCK_ROW, as on parents with many children under parallel jobs.
    """

    def __init__(self) -> None:
        self._held: dict[str, frozenset[str]] = {}

    def take(self, job_id: str, rows: Sequence[Mapping[str, object]]) -> list[RowError | None]:
        """Lock the parents of a chunk; returns the refusal of each row, None where it may be written."""
        others = frozenset[str]().union(*(held for owner, held in self._held.items() if owner != job_id))
        wanted = [_parents(row) for row in rows]
        self._held[job_id] = frozenset[str]().union(*(names - others for names in wanted))
        return [_locked(names & others) if names & others else None for names in wanted]

    def release(self, job_id: str) -> None:
        """Give back what a job holds."""
        self._held.pop(job_id, None)


def _parents(row: Mapping[str, object]) -> frozenset[str]:
    found = (normalize_id(value) for name in _LOCKING_FIELDS if isinstance(value := row.get(name), str))
    return frozenset(long for long in found if long is not None)


def _locked(ids: frozenset[str]) -> RowError:
    shown = ",".join(sorted(ids))
    message = f"unable to obtain exclusive access to this record or {len(ids)} records: {shown}"
    return RowError("UNABLE_TO_LOCK_ROW", message)
