"""The sentences of a report that do not belong to one rule: what is assumed, what is withheld, what cannot be seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from isthmus.audit.analysis import Analysis
from isthmus.audit.finding import Verdict
from isthmus.audit.given.prices import AT_LIST
from isthmus.audit.model import FEATURES_UNAVAILABLE, PERMISSIONS_UNAVAILABLE, PSLS_UNAVAILABLE
from isthmus.audit.rules.r09_integration import INTEGRATION

NAMES_MAX: Final = 3
NAME_LENGTH_MAX: Final = 40
BLIND_SPOTS: Final = (
    "Activity is derived from logins: a signal, not proof of use. What a person does after logging in is not read.",
    "People on long leave look like people who left: check a leave list, or ask, before you deactivate anybody.",
    "Who is frozen is not in what is read: frozen users hold seats like others, and may be among the unused.",
    "Cloud and edition of a full CRM seat are not visible: all seats of a licence are valued at one price.",
    "The org's seats may include free ones: what is paid for is known from your contract file only.",
    "Not read: licences of installed packages, totals of feature licences, whether a permission set needs its licence.",
    "Salesforce keeps about six months of logins; anything older is known only as the last login.",
)


def withheld(analysis: Analysis) -> tuple[str, ...]:
    """Return what is not printed, and why."""
    return tuple(gate.says for gate in analysis.gates if gate.verdict is Verdict.FAIL)


def assumptions(analysis: Analysis, unpriced: int | None) -> tuple[str, ...]:
    """Return what the figures assume."""
    view, basis = analysis.view, analysis.basis
    days, asked = view.inactive_days, view.thresholds.inactive_days
    short = "" if days == asked else f" ({days} days where it decides: the login history is no longer)"
    headroom = f"{(basis.thresholds.headroom * 100).normalize():f}"
    said = [
        f"Inactive means no login for {asked} days{short}; headroom is {headroom} %. It is added to what is needed."
    ]
    said.extend(_strangers(analysis))
    at_list = sorted({p.pool for p in analysis.prices.values() if p.basis == AT_LIST} & set(view.licenses))
    for pool in () if analysis.money_withheld else at_list:
        price = analysis.prices[pool]
        said.append(
            f"{view.licenses[pool].label} is valued at list, {price.amount} {price.currency} a month "
            f"({price.product}, {price.effective_from}). With a discount (20 to 45 %, some say) it saves less."
        )
    if unpriced:
        said.append(
            f"{_counted(unpriced, 'more seat or add-on grant was', 'more seats and add-on grants were')} found without "
            "a known price: listed, and in none of the amounts."
        )
    if basis.exempt.users or basis.exempt.unmatched:
        said.append(
            f"Exempt by your file (leave, seasonal work, service accounts): {len(basis.exempt.users)}. Its lines that "
            f"meet no user of this org, or several: {basis.exempt.unmatched}."
        )
    said.extend(_put_off(analysis))
    if basis.thresholds.licenses:
        own = _counted(len(basis.thresholds.licenses), "licence has", "licences have")
        said.append(f"{own} thresholds of their own.")
    said.extend(_contract(analysis))
    if not basis.contract:
        said.append(
            "No contract file was given: the renewal date is unknown, and all seats are taken to be up for renewal."
        )
    if view.thresholds.time_zone:
        said.append(
            f"Today is {view.today}, by {view.thresholds.time_zone}: notice, terms and exemptions go by it. "
            "Days and weeks of logins are those of UTC."
        )
    said.append("Seats can be used again at once, but cash is saved at the renewal only, if notice is given in time.")
    missing = analysis.view.snapshot.reading.unavailable
    if "older logins" in missing:
        said.append(
            "Older logins were not read: they would have taken more than a quarter of what is left of the day's API "
            "allowance. The history begins later than it could."
        )
    if FEATURES_UNAVAILABLE in missing:
        said.append("Feature licences of users are not visible to the connected user: R21 says nothing.")
    if PERMISSIONS_UNAVAILABLE in missing and PSLS_UNAVAILABLE not in missing:
        said.append(
            "What each permission set licence can grant is not visible to the connected user: R14 says nothing."
        )
    return tuple(said)


def _contract(analysis: Analysis) -> Iterator[str]:
    """Say which lines of the contract file do not count, or count beyond their term."""
    view, terms = analysis.view, analysis.view.terms
    rows = (*view.snapshot.licenses, *view.snapshot.psls)
    idle = sum(1 for row in rows for item in terms.of(row.id) if item not in terms.chain(row.id))
    if idle:
        lines_are = _counted(idle, "line of the contract file is", "lines of the contract file are")
        yield f"{lines_are} of terms that are over or have not begun, and count for nothing."
    for row in rows:
        if any(item.end < view.today for item in terms.now(row.id)):
            yield (
                f"The contract of {row.label} is taken to have renewed itself: all its terms in the file are over, so "
                "the day of its next renewal is not known, nor whether its price has risen."
            )
        if any(terms.followers(row.id, item) for item in terms.now(row.id)):
            last = max(item.end for item in terms.renewing(row.id))
            yield (
                f"The term of {row.label} is followed by another in your contract file: seats can be given back when "
                f"the last one ends, on {last}, and no more than it has."
            )


def _strangers(analysis: Analysis) -> Iterator[str]:
    """Say what in the operator's files names nothing of this org: a slip there would change figures in silence."""
    basis, snapshot = analysis.basis, analysis.view.snapshot
    licenses = _folded(name for row in snapshot.licenses for name in (row.key, row.name, row.label))
    both = licenses | _folded(name for row in snapshot.psls for name in (row.key, row.name, row.label))
    org = "this org" + (" that can be read" if PSLS_UNAVAILABLE in snapshot.reading.unavailable else "")
    for given, known, what in (
        (analysis.view.terms.strange, frozenset[str](), f"contract file that name no licence of {org}, or several"),
        (
            (item.product for item in basis.prices.own),
            both | _folded([INTEGRATION]),
            f"price file that name nothing of {org}",
        ),
        ((item.license for item in basis.thresholds.licenses), both, f"settings file that name no licence of {org}"),
    ):
        strange = [name.strip() for name in given if not _folded([name]) & known]
        if strange:
            names = [name[:NAME_LENGTH_MAX] for name in dict.fromkeys(strange)]
            more = " and others" if len(names) > NAMES_MAX else ""
            shown = f"{', '.join(names[:NAMES_MAX])}{more}"
            yield f"Entries of the {what}, and count for nothing: {len(strange)} ({shown})."


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip().casefold() for name in names if name)


def _put_off(analysis: Analysis) -> Iterator[str]:
    snoozed = sum(1 for finding in analysis.findings if finding.snoozed_until is not None)
    if snoozed:
        findings_are = _counted(snoozed, "finding is", "findings are")
        yield f"{findings_are} put off up to a day: listed, and counted for no money until then."
    if analysis.basis.snoozes.unmatched:
        lines_meet = _counted(
            analysis.basis.snoozes.unmatched, "line of the snooze file meets", "lines of the snooze file meet"
        )
        yield f"{lines_meet} nothing in this org."


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
