"""The daily allowance of API calls: how many were used, and by which app."""

from __future__ import annotations

from orgsim.errors import ApiError
from orgsim.wire import Session


class ApiUsage:
    """The daily API allowance, for the org and per app."""

    def __init__(self, requests_per_day: int) -> None:
        self.requests_per_day = requests_per_day
        self.used = 0
        self.by_app: dict[str, int] = {}

    def count(self, session: Session | None) -> None:
        """Count one call; ApiError 403 REQUEST_LIMIT_EXCEEDED when the day's allowance is used up."""
        if self.used >= self.requests_per_day:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used += 1
        if session is not None and session.app_name:
            self.by_app[session.app_name] = self.by_app.get(session.app_name, 0) + 1

    def headers(self, session: Session | None) -> list[tuple[str, str]]:
        """Return the Sforce-Limit-Info header; none for calls without a session."""
        if session is None:
            return []
        return [("Sforce-Limit-Info", f"api-usage={self.used}/{self.requests_per_day}")]
