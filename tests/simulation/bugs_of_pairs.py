"""Planted bugs of two-way syncs, in the parts that the engine is given; see `bugs.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from types import MappingProxyType
from typing import Final

import msgspec

from isthmus.egress.policy import Call
from isthmus.salesforce import routes
from isthmus.sync.flow.job import SyncJob
from tests.simulation.bugs import JobPlant, WirePlant
from tests.simulation.bugs_of_queues import EndsJobsOfOthers, NeverSweeps
from tests.simulation.world import Plant


class KnowsNoneOfUs(WirePlant):
    """The first guard is gone: what our own user wrote counts as anybody's change."""

    def answered(self, call: Call, body: bytes) -> bytes:
        return json.dumps({"user_id": "005000000000009AAA"}).encode() if call.route == routes.USERINFO else body


class TakesEverybodyForUs(WirePlant):
    """Somebody's change of the other side counts as ours, and is written over."""

    def answered(self, call: Call, body: bytes) -> bytes:
        if call.route == routes.USERINFO:
            return json.dumps({"user_id": "005000000000002AAA"}).encode()
        return body


class SeesNothingUncarried(JobPlant):
    """A step is not told what the other direction has not carried yet."""

    def changed(self, job: SyncJob) -> SyncJob:
        steps = [msgspec.structs.replace(each, uncarried=(), overlap_since=None) for each in job.steps]
        return msgspec.structs.replace(job, steps=tuple(steps))


class CountsNothingTwice(JobPlant):
    """Whatever a window brings was read before, so it is no change."""

    def changed(self, job: SyncJob) -> SyncJob:
        steps = [
            msgspec.structs.replace(each, seen_until=each.seen_until and each.seen_until + timedelta(days=30))
            for each in job.steps
        ]
        return msgspec.structs.replace(job, steps=tuple(steps))


class ComparesClocksAsTheyAre(WirePlant):
    """Both orgs' times are compared without the difference of their clocks."""

    def headers(self, call: Call, headers: Mapping[str, str]) -> Mapping[str, str]:
        if call.route != routes.VERSIONS:
            return headers
        # Both clocks seem to be some hours ahead: windows read all there is, and no difference is seen.
        date = parsedate_to_datetime(headers["date"]).replace(minute=0, second=0) + timedelta(hours=2)
        return {**headers, "date": format_datetime(date, usegmt=True)}


class LooksAtNobody(WirePlant):
    """The other record of a pair is never found: each row is made again, or fails for ever."""

    def answered(self, call: Call, body: bytes) -> bytes:
        if call.route != routes.QUERY_ALL:
            return body
        return json.dumps({"totalSize": 0, "done": True, "records": []}).encode()


PAIR_BUGS: Final[Mapping[str, type[Plant]]] = MappingProxyType(
    {
        bug.__name__: bug
        for bug in (
            ComparesClocksAsTheyAre,
            CountsNothingTwice,
            EndsJobsOfOthers,
            KnowsNoneOfUs,
            LooksAtNobody,
            NeverSweeps,
            SeesNothingUncarried,
            TakesEverybodyForUs,
        )
    }
)
