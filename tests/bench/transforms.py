"""What expressions and masks cost: rows per second of CPU of the mapping alone, with and without them, on both paths.

    python -m tests.bench.transforms [--rows 100000]

The same made-up contacts are mapped by the mover's own code in this process; nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections.abc import Callable

from isthmus.salesforce.records import Record
from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe
from isthmus.sync.flow.computed import Tools, zones_for
from isthmus.sync.flow.csv_blocks import RecordCutter
from isthmus.sync.flow.mapping import StepMapping
from isthmus.sync.flow.masks import Masks
from isthmus.sync.model import Drawn
from isthmus.sync.plan import draw_plan, schema_of
from isthmus.sync.spec import parse_spec
from isthmus.values import Secret

TEXTS = ("FirstName", "LastName", "Email", "Phone", "Title", "Department", "LeadSource", "Description")
KINDS = {
    "copies only": "fields: auto",
    "one expression, few values": 'fields: {LeadSource: {expr: \'case(LeadSource, "Web", "Internet", "Other")\'}, %s}',
    "one expression, all different": "fields: {LastName: {expr: 'upper(LastName)'}, %s}",
    "three expressions": "fields: {LastName: {expr: 'proper(FirstName & \" \" & LastName)'}, Title: {expr: "
    '\'if(is_blank(Title), "-", left(Title, 20))\'}, CreatedDay__c: {expr: \'format(Seen__c, "DD.MM.YYYY", "Europe/Berlin")\'}, %s}',
    "four masks": "fields: {%s}\n    mask: {LastName: name, FirstName: name, Email: email, Phone: phone}",
}


def contact() -> ObjectDescribe:
    fields = [
        FieldDescribe(name=name, label=name, type="string", length=255, createable=True, updateable=True)
        for name in TEXTS
    ]
    fields.append(
        FieldDescribe(name="CreatedDay__c", label="", type="string", length=255, createable=True, updateable=True)
    )
    fields += [
        FieldDescribe(name=name, label=name, type="datetime", filterable=True) for name in ("SystemModstamp", "Seen__c")
    ]
    fields.append(FieldDescribe(name="Id", label="Id", type="id", length=18, nillable=False))
    flags = dict.fromkeys(("queryable", "createable", "updateable", "deletable", "replicateable"), True)
    return ObjectDescribe(name="Contact", label="Contact", custom=False, fields=tuple(fields), **flags)


def mapping_of(fields: str) -> StepMapping:
    named = [name for name in TEXTS if f"{name}: {{" not in fields.partition("\n")[0]]
    filled = fields.replace("%s", ", ".join(f"{name}: {name}" for name in named))
    spec = parse_spec(f"version: 1\nname: x\nsteps:\n  - object: Contact\n    {filled}\n")
    orgs = schema_of([contact()])
    drawn = draw_plan(spec, orgs, orgs)
    if not isinstance(drawn, Drawn):
        raise SystemExit(str(drawn))
    step = drawn.plan.steps[0]
    return StepMapping(step, tools=Tools(Masks(Secret(b"k" * 32)), zones_for([step])))


def records(rows: int, select: tuple[str, ...]) -> list[Record]:
    return [
        {
            "Id": f"003{n:015d}",
            "FirstName": f"First{n % 1000}",
            "LastName": f"Person number {n}",
            "Email": f"person{n}@example.com",
            "Phone": f"+49 30 {n:08d}",
            "Title": "Head of something" if n % 3 else None,
            "Department": f"Department {n % 40}",
            "LeadSource": ("Web", "Phone", "Other")[n % 3],
            "Description": "A text of some length, as people write it. " * 3,
            "Seen__c": f"2026-01-{n % 28 + 1:02d}T{n % 24:02d}:00:00.000Z",
        }
        for n in range(rows)
    ]


def exported(rows: list[Record], select: tuple[str, ...]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([record.get(name) or "" for name in select] for record in rows)
    return out.getvalue().encode()


def by_bulk(mapping: StepMapping, rows: list[Record]) -> Callable[[], object]:
    raw = exported(rows, mapping.select)

    def work() -> None:
        cutter = RecordCutter()
        for start in range(0, len(raw), 64 * 1024):
            for block in cutter.feed(raw[start : start + 64 * 1024]):
                mapping.from_block(mapping.parsed(block).block)
        mapping.from_block(mapping.parsed(cutter.finish()).block)

    return work


def by_rest(mapping: StepMapping, rows: list[Record]) -> Callable[[], object]:
    return lambda: [mapping.from_record(record) for record in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.transforms", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    print(f"{'rows per CPU second':34}{'Bulk':>12}{'REST':>12}")
    for name, fields in KINDS.items():
        mapping = mapping_of(fields)
        made = records(rows, mapping.select)
        speeds: list[int] = []
        for work in (by_bulk(mapping, made), by_rest(mapping, made)):
            began = time.process_time()
            work()
            speeds.append(round(rows / (time.process_time() - began)))
        print(f"{name:34}{speeds[0]:>12,}{speeds[1]:>12,}")


if __name__ == "__main__":
    main()
