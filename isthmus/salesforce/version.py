"""The API version: the newest that both sides know."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import msgspec

from isthmus.salesforce.errors import SalesforceError

API_VERSION_DEFAULT: Final = "62.0"
"""Winter '25: what this client was written against."""

API_VERSION_OLDEST: Final = "58.0"
"""Summer '23: below it result pages and `created` flags differ."""


def choose_version(supported: Iterable[str]) -> str | None:
    """Return the newest version in `supported` that is not newer than ours, or None if all are too old or too new."""
    fit = [
        version
        for version in supported
        if version.endswith(".0")
        and version[:-2].isascii()
        and version[:-2].isdecimal()
        and int(API_VERSION_OLDEST[:-2]) <= int(version[:-2]) <= int(API_VERSION_DEFAULT[:-2])
    ]
    return max(fit, key=lambda version: int(version[:-2]), default=None)


class VersionListed(msgspec.Struct, frozen=True):
    """One line of what an org serves."""

    version: str


def may_be_version(error: SalesforceError) -> bool:
    """Whether an org that does not serve the version in the path would answer like this: it knows nothing there."""
    return error.http_status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
