"""The short messages after something was done. An address names one by its key: no text travels in addresses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NOTICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "signed-in": "You are signed in.",
        "connected": "The org is connected.",
        "revoked": "The connection is revoked. Nothing further is sent with it, and its syncs have stopped.",
        "audit-requested": "The audit is queued. Its progress appears below.",
        "sync-saved": "The sync is saved and inactive. Check its plan, then activate it.",
        "activating": "The sync is being activated: missing tracking fields are created in the target org.",
        "paused": "The sync is paused. Its runs stay in the list.",
        "resumed": "The sync is active again.",
        "run-requested": "The run is queued.",
        "schema-requested": "The fields of both orgs are being read. Check the plan again in a moment.",
    }
)
