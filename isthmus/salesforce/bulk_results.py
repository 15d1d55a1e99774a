"""What an ingest job says of its rows: the failed ones as codes and fields, the unprocessed ones as a number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from isthmus.egress.errors import Interrupted
from isthmus.egress.policy import RouteName
from isthmus.salesforce import routes
from isthmus.salesforce.csv_rows import BadCsv, CsvRows
from isthmus.salesforce.errors import Transient, Unexpected
from isthmus.salesforce.refused_rows import RefusedRows
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode, row_code

RESULT_READINGS_MAX: Final = 3
CHARGED_FIELDS_MAX: Final = 10_000
"""How many different (code, field) pairs are counted apart; an org that names more is making them up."""

_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}(?:[.:][A-Za-z][A-Za-z0-9_]{0,79}){0,2}")


async def failures(session: Session, job: str, refused: RefusedRows | None) -> Counter[tuple[StatusCode, str]]:
    """Reduce the failed rows to codes and fields while they stream by; only what `refused` wants is kept."""
    counted: Counter[tuple[StatusCode, str]] = Counter()
    column: int | None = None
    async with aclosing(_result_rows(session, routes.INGEST_FAILED, job)) as rows:
        async for index, row in rows:
            if index == 0:
                counted.clear()
                column = row.index(b"sf__Error") if b"sf__Error" in row else None
                if refused is not None:
                    refused.begin(row)
            elif column is None or len(row) <= column:
                raise Unexpected(routes.INGEST_FAILED)
            else:
                charge = charge_of(row[column].decode(errors="replace"))
                if refused is not None:
                    await refused.take(charge[0], row)
                if charge not in counted and len(counted) >= CHARGED_FIELDS_MAX:
                    charge = (StatusCode.OTHER, "")
                counted[charge] += 1
    return counted


async def unprocessed(session: Session, job: str) -> int:
    """Count the rows that a job that was begun has not come to."""
    last = 0
    async with aclosing(_result_rows(session, routes.INGEST_UNPROCESSED, job)) as rows:
        async for index, _ in rows:
            last = index
    return last


async def _result_rows(session: Session, route: RouteName, job: str) -> AsyncGenerator[tuple[int, list[bytes]]]:
    """Yield (index, row), header row first with index 0; begins again with index 0 if the stream breaks."""
    for reading in range(1, RESULT_READINGS_MAX + 1):
        index = 0
        parser = CsvRows()
        try:
            async with session.stream(route, {"job": job}) as reply:
                async for chunk in reply.chunks():
                    for row in parser.feed(chunk):
                        yield index, row
                        index += 1
                for row in parser.finish():
                    yield index, row
                    index += 1
        except Interrupted:
            if reading == RESULT_READINGS_MAX:
                raise Transient(route) from None
        except BadCsv:
            raise Unexpected(route) from None
        else:
            return


def charge_of(unverified_error: str) -> tuple[StatusCode, str]:
    """Return code and first field of an `sf__Error` cell: `CODE:message:field1 field2 --`. The message goes nowhere."""
    code, _, rest = unverified_error.partition(":")
    # The message may hold colons and values; only what follows the last one and looks like a field name counts.
    tail = rest.rpartition(":")[2].removesuffix("--").strip()
    first = tail.replace(",", " ").split(" ", 1)[0]
    return row_code(code, rest), first if _FIELD.fullmatch(first) else ""
