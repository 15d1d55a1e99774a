"""Is the target what the source, mapped, says it should be? Asked of both orgs, never of Isthmus.

Reads every row of both orgs through their control ports and compares them field by field. Knows nothing of
Isthmus and uses the standard library only, so that a misunderstanding there cannot excuse itself here.

    python -m orgsim.compare SOURCE_CONTROL_URL TARGET_CONTROL_URL Account Contact:AccountId=Account ...

Each object is `Name`, or `Name:Field=Parent,Field=Parent` for its lookups. Prints one line per object and the first
differences (field names only), and exits 0 only if nothing differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from collections import Counter
from dataclasses import dataclass, field

SOURCE_ID_FIELD = "SwiftPort_Source_Id__c"
TIMEOUT_S = 120
# What the target org decides for itself, and what only describes the row's life in its own org.
OWN_TO_AN_ORG = frozenset(
    """Id CreatedDate CreatedById LastModifiedDate LastModifiedById SystemModstamp LastActivityDate LastViewedDate
    LastReferencedDate OwnerId RecordTypeId MasterRecordId PhotoUrl Jigsaw JigsawCompanyId JigsawContactId
    IsPartner IsCustomerPortal LastCURequestDate LastCUUpdateDate LastStageChangeDate
    LastAmountChangedHistoryId LastCloseDateChangedHistoryId CleanStatus""".split()
)


@dataclass
class Comparison:
    """What was found for one object."""

    name: str
    source_rows: int = 0
    target_rows: int = 0
    missing: int = 0
    surplus: int = 0
    fields_compared: int = 0
    differing: Counter[str] = field(default_factory=Counter)

    @property
    def equal(self) -> bool:
        """Whether every source row is in the target once, with the same values."""
        return self.missing == self.surplus == 0 and not self.differing


def rows_of(control_url: str, name: str, fields: frozenset[str] | None = None) -> list[dict[str, object]]:
    """Return every live row of one object, with all fields or with these."""
    query = "" if fields is None else f"?fields={','.join(sorted(fields | {'Id', 'IsDeleted', SOURCE_ID_FIELD}))}"
    with urllib.request.urlopen(f"{control_url.rstrip('/')}/rows/{name}{query}", timeout=TIMEOUT_S) as reply:  # noqa: S310 -- a loopback address given by the caller
        rows = json.load(reply)
    return [row for row in rows if not row.get("IsDeleted")]


def compare(
    source_url: str,
    target_url: str,
    name: str,
    lookups: dict[str, str],
    ignored: frozenset[str] = frozenset(),
    *,
    fields: frozenset[str] | None = None,
) -> Comparison:
    """Compare one object; `lookups` names the parent object of each reference field that must match.

    `fields` are what is asked for and compared; all of them unless given.
    """
    found = Comparison(name)
    source = {str(row["Id"]): row for row in rows_of(source_url, name, fields)}
    targets = rows_of(target_url, name, fields)
    own = {str(row["Id"]): row.get(SOURCE_ID_FIELD) for row in targets}
    parents = {
        parent: own
        if parent == name
        else {str(r["Id"]): r.get(SOURCE_ID_FIELD) for r in rows_of(target_url, parent, frozenset())}
        for parent in set(lookups.values())
    }
    by_source_id: dict[str, dict[str, object]] = {}
    for row in targets:
        key = str(row.get(SOURCE_ID_FIELD))
        if key in by_source_id or key not in source:
            found.surplus += 1
        by_source_id[key] = row
    found.source_rows, found.target_rows = len(source), len(targets)
    for source_id, row in source.items():
        mapped = by_source_id.get(source_id)
        if mapped is None:
            found.missing += 1
            continue
        for key, value in row.items():
            if key in OWN_TO_AN_ORG or key in ignored or key == SOURCE_ID_FIELD or key not in mapped:
                continue
            theirs = mapped[key]
            if key in lookups:
                theirs = parents[lookups[key]].get(str(theirs)) if theirs is not None else None
            elif isinstance(value, str) and key.endswith("Id") and value[:1] == "0":
                continue  # a reference that is no part of this comparison
            found.fields_compared += 1
            if value != theirs:
                found.differing[key] += 1
    return found


def main() -> int:
    """Compare the objects named on the command line; 0 if all are equal, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source_control_url")
    parser.add_argument("target_control_url")
    parser.add_argument("objects", nargs="+", metavar="Object[:Field=Parent,...]")
    parser.add_argument("--ignore", default="", help="comma-separated fields that are left out")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    ignored = frozenset(str(options.ignore).split(","))
    results: list[Comparison] = []
    for unparsed in options.objects:
        name, _, pairs = unparsed.partition(":")
        lookups = dict(pair.split("=", 1) for pair in pairs.split(",") if pair)
        results.append(compare(options.source_control_url, options.target_control_url, name, lookups, ignored))
    if options.json:
        print(json.dumps([vars(result) | {"equal": result.equal} for result in results]))
    else:
        for result in results:
            print(
                f"{result.name}: {result.source_rows:,} source rows, {result.target_rows:,} target rows, "
                f"{result.fields_compared:,} values compared: {'equal' if result.equal else 'DIFFERENT'}"
            )
            if not result.equal:
                worst = ", ".join(f"{key} ({count})" for key, count in result.differing.most_common(10))
                print(f"  missing {result.missing}, surplus {result.surplus}; differing fields: {worst or 'none'}")
    return 0 if all(result.equal for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
