"""What an idle sync costs: the questions of many windows in few calls, asked before the first window.

For each window since the last run the source is asked whether there is anything: a count, or a list of deletions. One
request carries up to five counts and twenty lists and counts as one API call, so ten idle objects cost two calls. The
answers wait in the session for whoever asks the same; what was not answered is asked by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from isthmus.egress.policy import Call
from isthmus.salesforce import routes
from isthmus.salesforce.routes import TOGETHER_MAX, TOGETHER_QUERIES_MAX
from isthmus.salesforce.session import Session
from isthmus.sync.flow.job import SOURCE, StepJob
from isthmus.sync.flow.reading import began, query_of
from isthmus.sync.flow.removing import MINUTE, whole_minute
from isthmus.sync.flow.sides import asking
from isthmus.sync.model import StepKind, Window
from isthmus.values import ApiName


async def probe(session: Session, steps: Sequence[StepJob], until: datetime) -> None:
    """Ask what the own windows of `steps`, which read `session`'s org, will ask first, in as few calls as it takes."""
    counts = _counts(steps, until)
    lists = _lists(steps, until)
    while counts or lists:
        lot = [*counts[:TOGETHER_QUERIES_MAX]]
        del counts[:TOGETHER_QUERIES_MAX]
        lot += lists[: TOGETHER_MAX - len(lot)]
        del lists[: TOGETHER_MAX - len([call for call in lot if call.route == routes.QUERY])]
        if len(lot) > 1:  # a single question is asked as cheaply by itself
            with asking(SOURCE):
                await session.ask_together(lot)


def _counts(steps: Sequence[StepJob], until: datetime) -> list[Call]:
    found: dict[str, Call] = {}
    for job in steps:
        if job.step.kind is StepKind.LOAD:
            for window in _windows(job, until):
                soql = query_of(job.step, ("Id",), window, ordered=False).reveal_count()
                found[soql] = Call(routes.QUERY, {"soql": soql})
    return list(found.values())


def _lists(steps: Sequence[StepJob], until: datetime) -> list[Call]:
    """Up to the end of the running minute, as `removing` asks first."""
    found: list[Call] = []
    for job in steps:
        if job.step.kind is StepKind.DELETE and job.step.deletions_listed:
            name = ApiName.parse(job.step.source)
            for window in _windows(job, until):
                start, end = whole_minute(window.since or began(window)), whole_minute(began(window)) + MINUTE
                found.append(Call(routes.DELETED, {"object": name, "start": start, "end": end}))
    return found


def _windows(job: StepJob, until: datetime) -> Iterator[Window]:
    """Yield the step's own windows that begin where the last run ended: a first run counts a whole table by itself."""
    for window in job.windows:
        end = window.until or until
        if window.retry == 0 and window.since is not None and window.since < end:
            yield Window(window.since, end)
