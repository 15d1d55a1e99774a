"""Which user licences are paid for. The key decides, then the name; anything else is unclassified, never free.

Source: UserLicense.LicenseDefinitionKey in the Object Reference (incomplete there), names as shown in Setup.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Category(StrEnum):
    """How a licence is paid for."""

    PAID = "paid"
    LEGACY = "legacy"  # no longer sold, usually paid
    EXTERNAL = "external"  # paid, for customers and partners, by the member
    METERED = "metered"  # paid by the login, so an unused seat costs nothing
    FREE = "free"  # free up to an allowance
    UNCLASSIFIED = "unclassified"

    @property
    def seat_costs(self) -> bool:
        """Whether one more assigned seat is money. Unclassified seats are looked at too, but have no price of ours."""
        return self in {Category.PAID, Category.LEGACY, Category.EXTERNAL, Category.UNCLASSIFIED}


def _table(**words: str) -> Mapping[str, Category]:
    return MappingProxyType(
        {word.strip().casefold(): Category(name) for name, text in words.items() for word in text.split("|")}
    )


KEYS: Final = _table(
    paid="SFDC|AUL|AUL1|AUL_LIGHT|FDC_ONE|FDC_SUB",
    legacy=(
        "PID_CHATTER|PID_CONTENT|PID_KNOWLEDGE|PID_IDEAS|PID_Ideas_Only_Portal|PID_Ideas_Only_Site"
        "|PID_STRATEGIC_PRM|POWER_PRM|POWER_SSP|PID_Customer_Portal_Basic|PID_Customer_Portal_Standard"
        "|Overage_Platform_Portal_User|Platform_Portal_User|High Volume Customer Portal_User"
    ),
    external="PID_Customer_Community|PID_Partner_Community",
    metered="PID_Customer_Community_Login|PID_Partner_Community_Login",
    free="PID_FDC_FREE",
)
KEY_PREFIXES_LEGACY: Final = ("pid_limited_", "pid_overage_")
NAMES: Final = _table(
    paid="Salesforce|Salesforce Platform|Partner App Subscription|Work.com Only|Company Community",
    legacy="Silver Partner|Gold Partner|Chatter Only|Channel Account|XOrg Proxy User|Cross Org Data Proxy User",
    external="Customer Community|Customer Community Plus|Partner Community|External Apps|External Identity",
    metered=(
        "Customer Community Login|Customer Community Plus Login|Partner Community Login|External Apps Login"
        "|External Identity Login"
    ),
    free=(
        "Identity|Salesforce Integration|Chatter Free|Chatter External|Guest User License|Guest"
        "|Cloud Integration User|Analytics Cloud Integration User"
    ),
)


def category_of(key: str, name: str) -> Category:
    """Return how the licence with this LicenseDefinitionKey and Name is paid for."""
    folded_key, folded_name = key.strip().casefold(), name.strip().casefold()
    by_key = KEYS.get(folded_key)
    if by_key is not None:
        return by_key
    if folded_key.startswith(KEY_PREFIXES_LEGACY):
        return Category.LEGACY
    return NAMES.get(folded_name, Category.UNCLASSIFIED)
