"""Making the tracking field: a Text(18) external id with the field permissions of its users."""

from __future__ import annotations

from isthmus.salesforce.session import Session
from isthmus.values import ApiName


async def create_text_external_id(session: Session, name: ApiName, field: ApiName, label: str) -> bool:
    """Create Text(18), external id, unique, case-sensitive; return False if a field of that name exists already."""
    raise NotImplementedError


async def grant_field(session: Session, name: ApiName, field: ApiName) -> int:
    """Give every profile that the connected user's own work needs read and edit on the field; return how many grants
    were made. Raises `Refused` if the user may not."""
    raise NotImplementedError


async def await_field(session: Session, name: ApiName, field: ApiName) -> bool:
    """Describe until the field shows (some seconds at most); return whether it does."""
    raise NotImplementedError
