"""Planted bugs of deletions that go both ways, in the parts that the engine is given; see `bugs.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from isthmus.egress.policy import Call
from isthmus.salesforce import routes
from isthmus.sync.flow.job import SyncJob
from tests.simulation.bugs import JobPlant, WirePlant
from tests.simulation.bugs_of_books import ForgetsFailedWindows
from tests.simulation.pairs import US
from tests.simulation.world import Plant

_FAR: Final = "2027-01-01T00:00:00.000+0000"


class _BinPlant(WirePlant):
    """A bug in what is made of the recycle bin."""

    def told(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return what the engine takes a deleted record for."""
        return record

    def answered(self, call: Call, body: bytes) -> bytes:
        if call.route != routes.QUERY_ALL:
            return body
        bin_only = "IsDeleted = true" in unquote_plus(str(call.holes["soql"]))
        page = json.loads(body)
        page["records"] = [self.told(each) if bin_only or each.get("IsDeleted") else each for each in page["records"]]
        return json.dumps(page).encode()


class TakesDeletionsForOurs(_BinPlant):
    """What somebody has deleted counts as deleted by us, and is made again."""

    def told(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "LastModifiedById": US}


class LetsDeletionsWin(_BinPlant):
    """A change after a deletion does not keep the record."""

    def told(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "LastModifiedDate": _FAR}


class OverlooksTheBin(WirePlant):
    """What was deleted looks as if it had never been."""

    def answered(self, call: Call, body: bytes) -> bytes:
        if call.route != routes.QUERY_ALL:
            return body
        page = json.loads(body)
        if not page["done"] or len(page["records"]) != page["totalSize"]:
            return body
        alive = [each for each in page["records"] if each.get("IsDeleted") is False]
        return json.dumps(page | {"records": alive, "totalSize": len(alive)}).encode()


class DeletesWhatIsRestored(WirePlant):
    """A record on the list of deletions counts as gone, though it lives again."""

    def answered(self, call: Call, body: bytes) -> bytes:
        asked = call.route == routes.QUERY and str(call.holes["soql"]).startswith("SELECT Id FROM")
        if not asked or " WHERE Id IN " not in str(call.holes["soql"]):
            return body
        return json.dumps({"totalSize": 0, "done": True, "records": []}).encode()


class PassesOpenDeletions(WirePlant):
    """The next window begins where this one ends, whatever is still open in the org."""

    def answered(self, call: Call, body: bytes) -> bytes:
        if call.route == routes.DELETED:
            return json.dumps(json.loads(body) | {"latestDateCovered": _FAR}).encode()
        if call.route != routes.TOGETHER:
            return body
        page = json.loads(body)
        for part in page["compositeResponse"]:
            if "deletedRecords" in part["body"]:
                part["body"]["latestDateCovered"] = _FAR
        return json.dumps(page).encode()


class LooksAtNoChildren(JobPlant):
    """A record is deleted with whatever belongs to it in that org."""

    def changed(self, job: SyncJob) -> SyncJob:
        steps = [
            msgspec.structs.replace(each, step=msgspec.structs.replace(each.step, children=())) for each in job.steps
        ]
        return msgspec.structs.replace(job, steps=tuple(steps))


class MakesNothingAgain(JobPlant):
    """What lives on is never given a counterpart again."""

    def changed(self, job: SyncJob) -> SyncJob:
        steps = [
            each
            if each.step.pairing is None
            else msgspec.structs.replace(
                each,
                step=msgspec.structs.replace(
                    each.step, pairing=msgspec.structs.replace(each.step.pairing, recreates=False)
                ),
            )
            for each in job.steps
        ]
        return msgspec.structs.replace(job, steps=tuple(steps))


DELETION_BUGS: Final[Mapping[str, type[Plant]]] = MappingProxyType(
    {
        bug.__name__: bug
        for bug in (
            DeletesWhatIsRestored,
            ForgetsFailedWindows,
            LetsDeletionsWin,
            LooksAtNoChildren,
            MakesNothingAgain,
            OverlooksTheBin,
            PassesOpenDeletions,
            TakesDeletionsForOurs,
        )
    }
)
