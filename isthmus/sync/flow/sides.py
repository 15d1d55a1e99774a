"""What stops a mover, sorted by side and by what the worker does next."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, cast

from isthmus.egress.errors import EgressError
from isthmus.salesforce.errors import (
    Expired,
    Incomplete,
    LeaseLost,
    Limited,
    Refused,
    SalesforceError,
    Transient,
    Unexpected,
)
from isthmus.salesforce.lease import ENDED
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.cells import MalformedCsv
from isthmus.sync.flow.job import SOURCE
from isthmus.sync.model import EndReason

_REVOKED: Final = "revoked"
_UNAVAILABLE: Final = "unavailable"
_OURS: Final = frozenset({ENDED, "not_running"})
"""Nothing is wrong with an org: the keeper went away, or no longer knows the run."""


class Stopped(Exception):
    """The job cannot go on. `code` is the org's own code where one refused."""

    def __init__(self, reason: EndReason, code: StatusCode | None = None) -> None:
        """Keep both; there is nothing else to know."""
        super().__init__(reason.name)
        self.reason = reason
        self.code = code


@contextmanager
def asking(side: int) -> Generator[None]:  # noqa: C901 - one clause per kind of error
    """Turn whatever goes wrong with an org inside into `Stopped` with that org's side."""
    source = side == SOURCE
    try:
        yield
    except LeaseLost as lost:
        if lost.reason == _REVOKED:
            raise Stopped(EndReason.SOURCE_REVOKED if source else EndReason.TARGET_REVOKED) from None
        if lost.reason in _OURS:
            raise Stopped(EndReason.LEASES_ENDED) from None
        if lost.reason == _UNAVAILABLE:  # nobody said that the grant is bad: a person has nothing to do
            raise Stopped(_unavailable(source=source)) from None
        raise Stopped(EndReason.SOURCE_LEASE_LOST if source else EndReason.TARGET_LEASE_LOST) from None
    except Expired as error:
        raise Stopped(EndReason.SOURCE_LEASE_LOST if source else EndReason.TARGET_LEASE_LOST, error.code) from None
    except Limited as error:
        raise Stopped(EndReason.SOURCE_LIMITED if source else EndReason.TARGET_LIMITED, error.code) from None
    except Incomplete as error:
        raise Stopped(EndReason.INCOMPLETE_READ, error.code) from None
    except Unexpected as error:
        raise Stopped(EndReason.UNEXPECTED_ANSWER, error.code) from None
    except Refused as error:
        raise Stopped(EndReason.SOURCE_REFUSED if source else EndReason.TARGET_REFUSED, error.code) from None
    except (Transient, SalesforceError) as error:
        raise Stopped(_unavailable(source=source), error.code) from None
    except EgressError:
        raise Stopped(_unavailable(source=source)) from None
    except MalformedCsv:
        raise Stopped(EndReason.MALFORMED_CSV) from None


_MIRROR: Final = {
    reason: EndReason[other]
    for reason in EndReason
    for side, opposite in (("SOURCE_", "TARGET_"), ("TARGET_", "SOURCE_"))
    if reason.name.startswith(side) and (other := opposite + reason.name.removeprefix(side)) in EndReason.__members__
}


def turned(reason: EndReason, *, backward: bool) -> EndReason:
    """Return why a run stopped in the sync's own words, where the step at hand reads the sync's target."""
    return _MIRROR.get(reason, reason) if backward else reason


def first_stop(group: BaseExceptionGroup[BaseException]) -> Stopped | None:
    """Return the first `Stopped` anywhere in `group`: a revocation before anything else."""
    found: list[Stopped] = []
    for inner in group.exceptions:
        if isinstance(inner, Stopped):
            found.append(inner)
        elif isinstance(inner, BaseExceptionGroup):
            deeper = first_stop(cast("BaseExceptionGroup[BaseException]", inner))
            found.extend([deeper] if deeper else [])
    revoked = [stop for stop in found if stop.reason in {EndReason.SOURCE_REVOKED, EndReason.TARGET_REVOKED}]
    return next(iter(revoked or found), None)


def _unavailable(*, source: bool) -> EndReason:
    return EndReason.SOURCE_UNAVAILABLE if source else EndReason.TARGET_UNAVAILABLE
