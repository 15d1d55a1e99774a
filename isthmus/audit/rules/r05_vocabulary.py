"""R05: whether there are words that our tables do not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, GateResult, Rule, Verdict, Withhold
from isthmus.audit.given.catalogue import Category
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R05",
    title="Unknown words",
    saves="nothing: a gate",
    doc=(
        "Login types, statuses and licences outside our tables are counted and shown. An unknown login counts as "
        "presence, never as absence; an unknown licence is called unclassified, never free. If more than 20 % of the "
        "logins are unknown, active seats are not printed, for they would be too high."
    ),
    remedy="Look at the words listed here, and send them to us, so that a later version knows them.",
)
UNKNOWN_MAX_PERCENT: Final = 20
WORDS_SHOWN_MAX: Final = 20


def examine(view: View) -> Iterator[GateResult]:
    """Count unknown words."""
    reading = view.snapshot.reading
    unknown = sum(word.count for word in reading.unknown_words)
    facts = tuple(
        Fact(f"{word.vocabulary.value.replace('_', ' ')} {word.word!r}, logins", word.count)
        for word in reading.unknown_words[:WORDS_SHOWN_MAX]
    )
    if unknown * 100 > UNKNOWN_MAX_PERCENT * reading.login_rows:
        says = f"{unknown} of {reading.login_rows} logins have words that we do not know: active seats are not printed."
        yield GateResult("R05", Verdict.FAIL, says, RULE.remedy, frozenset({Withhold.ESTIMATE}), facts=facts)
    elif unknown:
        says = f"{unknown} of {reading.login_rows} logins have words that we do not know; they count as presence."
        yield GateResult("R05", Verdict.WARN, says, RULE.remedy, facts=facts)
    odd = [row for row in view.snapshot.licenses if view.categories[row.id] is Category.UNCLASSIFIED]
    for row in odd:
        says = f"The licence {row.label} is not in our catalogue: it is treated as paid, without a price of ours."
        yield GateResult("R05", Verdict.WARN, says, "Give its price with --prices.", pools=frozenset({row.id}))
    if not unknown and not odd:
        yield GateResult("R05", Verdict.PASS, "Every login type, status and licence is known.")
