"""One org of a mover's job."""

from __future__ import annotations

from uuid import UUID

import msgspec

from isthmus.values import Purpose


class Endpoint(msgspec.Struct, frozen=True):
    """One org of a job. `origin` is `https://<host>`; `api_version` like `62.0`."""

    connection: UUID
    origin: str
    purpose: Purpose
    api_version: str
