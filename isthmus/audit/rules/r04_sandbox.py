"""R04: whether this is a production org."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, GateResult, Rule, Verdict, Withhold
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R04",
    title="Sandbox",
    saves="nothing: a gate",
    doc=(
        "A sandbox's seats cost nothing and login history is not copied into it. Known by its host, by most e-mail "
        "addresses ending in .invalid, or by most user names being an e-mail address with one common ending."
    ),
    remedy="Connect the production org.",
)
USERS_MIN: Final = 3
SANDBOX_DOMAINS: Final = (".sandbox.", ".scratch.", ".develop.", ".trailblaze.")


def examine(view: View) -> Iterator[GateResult]:
    """Look at host, e-mail addresses and user names."""
    signs = view.snapshot.reading.sandbox
    host = view.snapshot.reading.host.casefold()
    by_host = "--" in host or any(part in host for part in SANDBOX_DOMAINS)
    enough = signs.users >= USERS_MIN
    by_email = enough and signs.invalid_emails * 2 > signs.users
    by_username = enough and signs.suffixed_usernames * 2 > signs.users
    facts = (
        Fact("users with an e-mail address", signs.users),
        Fact("addresses ending in .invalid", signs.invalid_emails),
        Fact("user names with one common ending", signs.suffixed_usernames),
    )
    if by_host or by_email or by_username:
        says = "This is not a production org: its seats cost nothing, so no money is printed."
        if not by_host:
            sign = (
                "e-mail addresses end in .invalid" if by_email else "user names are an address with one common ending"
            )
            says = f"This looks like a sandbox, whose seats cost nothing, so no money is printed: most {sign}."
        yield GateResult("R04", Verdict.FAIL, says, RULE.remedy, frozenset({Withhold.MONEY}), facts=facts)
        return
    yield GateResult("R04", Verdict.PASS, "Nothing looks like a sandbox.", facts=facts)
