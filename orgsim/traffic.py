"""The daily allowance of API calls: how many were used, and by which app."""

from __future__ import annotations

from typing import Final

from orgsim.errors import ApiError
from orgsim.wire import Session

BULK_BATCHES = "DailyBulkApiBatches"
BULK_QUERY_JOBS = "DailyBulkV2QueryJobs"
BULK_LIMITS: Final = {BULK_BATCHES: 15_000, BULK_QUERY_JOBS: 10_000}
BULK_BATCH_ROWS: Final = 10_000
"""The service cuts an upload into batches of so many rows."""


class ApiUsage:
    """The daily API allowance, for the org and per app."""

    def __init__(self, requests_per_day: int) -> None:
        self.requests_per_day = requests_per_day
        self.used = 0
        self.by_app: dict[str, int] = {}
        self.app_limits: dict[str, int] = {}
        self.bulk_limits = dict(BULK_LIMITS)
        self.bulk_used = dict.fromkeys(BULK_LIMITS, 0)

    def limit_app(self, app_name: str, per_day: int | None) -> None:
        """Give one app an allowance of its own; None takes it away."""
        if per_day is None:
            self.app_limits.pop(app_name, None)
        else:
            self.app_limits[app_name] = per_day

    def count(self, session: Session | None) -> None:
        """Count one call; ApiError 403 REQUEST_LIMIT_EXCEEDED when the day's allowance is used up."""
        if self.used >= self.requests_per_day:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        app = "" if session is None else session.app_name
        if app in self.app_limits and self.by_app.get(app, 0) >= self.app_limits[app]:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "ConnectedApp TotalRequests Limit exceeded.")
        self.used += 1
        if app:
            self.by_app[app] = self.by_app.get(app, 0) + 1

    def check_bulk(self, name: str) -> None:
        """Refuse with ApiError EXCEEDEDQUOTA when the day's Bulk allowance of this name is used up."""
        if self.bulk_used[name] >= self.bulk_limits[name]:
            raise ApiError(400, "EXCEEDEDQUOTA", f"ExceededQuota : {name} Limit exceeded.")

    def take_bulk(self, name: str, count: int = 1) -> None:
        """Count Bulk batches or query jobs."""
        self.bulk_used[name] += count

    def headers(self, session: Session | None) -> list[tuple[str, str]]:
        """Return the Sforce-Limit-Info header; none for calls without a session."""
        if session is None:
            return []
        info = f"api-usage={self.used}/{self.requests_per_day}"
        app = session.app_name
        if app in self.app_limits:
            info += f"; per-app-api-usage={self.by_app.get(app, 0)}/{self.app_limits[app]}(appName={app})"
        return [("Sforce-Limit-Info", info)]
