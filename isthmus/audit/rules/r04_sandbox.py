"""R04: whether this is a production org."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, GateResult, Rule, Verdict, Withhold
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R04",
    title="Sandbox",
    saves="nothing: a gate",
    doc=(
        "A sandbox's seats cost nothing and login history is not copied into it; the same holds for developer, scratch "
        "and demo orgs. Known by the host, whose name Salesforce gives (name--sandbox, .sandbox., .develop., -dev-ed "
        "and the like), or by unusable addresses of most active users, as copying makes them (ending in .invalid, or "
        "name=company.com@example.com). User names that are the address with one common ending (.prod, .crm) decide "
        "nothing: a sandbox has them, and so do many production orgs, whose administrators keep user names apart so."
    ),
    remedy="Connect the production org.",
)
USERS_MIN: Final = 3
_PARTITION: Final = re.compile(r"(?P<label>[^.]+)(?P<partition>\.[a-z]+)?\.my\.salesforce\.com")
_DEVELOPER: Final = "-dev-ed"
OTHER_PARTITIONS: Final = (".sandbox.", ".scratch.", ".develop.", ".trailblaze.")
"""Parts of hosts that are no My Domain of Salesforce itself, and say the same."""


def examine(view: View) -> Iterator[GateResult]:
    """Look at host and e-mail addresses; user names are shown."""
    signs = view.snapshot.reading.sandbox
    production = production_by_host(view.snapshot.reading.host)
    enough = signs.users >= USERS_MIN
    unusable = enough and signs.invalid_emails * 2 > signs.users
    facts = (
        Fact("active users with an e-mail address", signs.users),
        Fact("unusable addresses (.invalid, or another's @example.com)", signs.invalid_emails),
        Fact("user names with one common ending", signs.suffixed_usernames),
    )
    withheld = frozenset({Withhold.MONEY})
    if production is False:
        says = "This is not a production org: its seats cost nothing, so no money is printed."
        yield GateResult("R04", Verdict.FAIL, says, RULE.remedy, withheld, facts=facts)
    elif unusable:
        says = (
            "This looks like a sandbox, whose seats cost nothing, so no money is printed: most e-mail addresses of "
            "active users were made unusable, as copying an org does."
        )
        yield GateResult("R04", Verdict.FAIL, says, RULE.remedy, withheld, facts=facts)
    elif production is None and enough and signs.suffixed_usernames * 2 > signs.users:
        says = (
            "Most user names are the e-mail address with one common ending, as in a sandbox and in many production "
            "orgs, and the host does not say which this is: amounts hold for a production org only."
        )
        yield GateResult("R04", Verdict.WARN, says, RULE.remedy, facts=facts)
    else:
        yield GateResult("R04", Verdict.PASS, "Nothing looks like a sandbox.", facts=facts)


def production_by_host(host: str) -> bool | None:
    """Return whether the host is that of a production org; None where it is no My Domain of Salesforce.

    Salesforce puts the sandbox's name (after `--`) and the kind of any other org into its My Domain.
    """
    name = host.casefold()
    if "--" in name or any(part in name for part in OTHER_PARTITIONS):
        return False
    found = _PARTITION.fullmatch(name)
    if found is None:
        return None
    return found["partition"] is None and not found["label"].endswith(_DEVELOPER)
