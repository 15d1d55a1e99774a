"""Benign explanations that several rules look for, in the words of a finding's `traps`. Pure.

Names decide nothing: where one speaks for a benign explanation, the finding is graded one lower and says why. In a
pseudonymous report names and addresses are not seen, so nothing is found in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from isthmus.audit.model import UserRow
from isthmus.audit.view import View

API_PROFILE: Final = "api only"
_SOFTWARE: Final = re.compile(
    r"integration|mulesoft|informatica|(?:^|[^a-z])(?:svc|service|api|bot|etl|sync)(?:[^a-z]|$)"
)
_OWNER: Final = re.compile(
    r"(?:^|[^a-z])(?:queue|placeholder|unassigned|house account|record owner|default owner|data migration)(?:[^a-z]|$)"
)
_ROLE: Final = re.compile(
    r"(?:info|contact|office|team|desk|helpdesk|support|service|sales|marketing|billing|accounts|admin|hr|it)[0-9]*"
)
_PLACEHOLDER: Final = re.compile(
    r"(?:no|not|do[-_.]?not)[-_.]?reply|nobody|none|null|nil|n[-_.]?a|unknown|dummy|placeholder|changeme|"
    r"(?:test|user|example|sample|x+|a)[-_.]?[0-9]*"
)
_EXAMPLES: Final = frozenset({"example.com", "example.net", "example.org", "test.com", "localhost"})


def named_for_software(user: UserRow) -> bool:
    """Whether user name or name is one that integrations get."""
    return _SOFTWARE.search(f"{user.username} {user.name}".casefold()) is not None


def is_role_address(email: str) -> bool:
    """Whether the address is a role's (support@, sales@ ...), which several people may read."""
    return _ROLE.fullmatch(email.strip().casefold().partition("@")[0]) is not None


def is_placeholder_address(email: str) -> bool:
    """Whether the address stands for none (noreply@, test@, anything at example.com), and says nothing of a person."""
    local, _, domain = email.strip().casefold().partition("@")
    return _PLACEHOLDER.fullmatch(local.partition("+")[0]) is not None or domain in _EXAMPLES


def reactivated(view: View, user: UserRow) -> Iterator[str]:
    """Yield a trap if an earlier audit saw the user deactivated, who is active now: somebody wants the account."""
    seen = view.seen_deactivated.get(user.id)
    if user.active and seen is not None:
        yield f"was deactivated at the audit of {seen.date().isoformat()} and is active again"


def never_meant_to_come(user: UserRow) -> Iterator[str]:
    """Yield the traps of accounts that nobody logs in to: they own records, or wait for software."""
    if _OWNER.search(f"{user.username} {user.name}".casefold()) is not None:
        yield "by its name a placeholder that owns records"
    if named_for_software(user) or API_PROFILE in user.profile.casefold():
        yield "by its name or profile made for software that has not begun to use it"
