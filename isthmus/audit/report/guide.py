"""What each sheet of the workbook is for, so that nobody adds up rows that stand on two of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

SHEETS: Final = {
    "Licences": "One row for each user licence. Its counts and money are those of the findings, no more than it has.",
    "Licence weeks": "One row for each week and paid licence.",
    "Named users": (
        "One row for each finding about a person's seat. Reclaim now: 12 times the sum of 'Saving per month' over rows "
        "of grade A and B here and in PSL that are counted in the totals; At risk: the same of grade C. Less where a "
        "licence can give back fewer seats than were found."
    ),
    "PSL": "One row for each finding about a grant of a permission set licence. None of them is in Named users.",
    "PSL pools": "One row for each permission set licence.",
    "Integration": "Rows of Named users and PSL again: those about software. Do not add them to the others.",
    "Duplicates": "Rows of Named users again: those about a person on several seats. Do not add them to the others.",
    "Pools": "Findings about a whole licence. Money here is saved at a renewal only, and is no part of Reclaim now.",
    "Put off": "Findings that are put off up to a day. Until then they count for no money.",
    "Renewal": "One row for each paid licence: seats to renew, by case.",
    "Scenarios": "Cost of each quantity at each price. Each row is one choice: do not add them up.",
    "Other licences": "Licences that people could do with, and how many to move for the least cost.",
    "Limits": "What the limits of such moves cost.",
    "Plan": "What to do on which day.",
    "Login-based": "Licences paid by the login. Their money is in no total.",
    "Cohorts": "Seats created on one day, of which many were never used.",
    "Cohorts by month": "Users by the month of their creation.",
    "Price book": "The price of each licence, and where it comes from.",
    "Contract": "Your contract's lines against what the org has.",
    "Method": "Each rule, and how it decides.",
    "Coverage": "What the data can carry, and what is withheld.",
    "Requests": "All that was sent to the org.",
    "Hashes": "The files of the evidence bundle.",
}


def guide(titles: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield a row of the first sheet for each of these sheets."""
    for title in titles:
        yield f"Sheet {title}", SHEETS[title], ""
