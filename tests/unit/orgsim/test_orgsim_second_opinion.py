"""The evaluator against a second one: slow, obvious, and written without looking at the first."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from orgsim.clock import OrgClock
from orgsim.org import Org, WriteContext
from orgsim.schema.model import ChildRelationship, FieldDef, ObjectDef

START = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "A", "b", "ab", "B%", "a_b", "c'd", "é", "É"]))
NUMBERS = st.one_of(st.none(), st.integers(-3, 3))
ROWS = st.lists(
    st.tuples(TEXTS, NUMBERS, st.booleans(), st.integers(0, 5), st.integers(-1, 4), st.booleans()), max_size=10
)


def make_org(rows) -> tuple[Org, list[dict]]:
    fields = [
        FieldDef("Id", "id", id_lookup=True),
        FieldDef("T", "string"),
        FieldDef("N", "double"),
        FieldDef("B", "boolean"),
        FieldDef("SystemModstamp", "datetime"),
        FieldDef("UpId", "reference", reference_to=["Thing"], relationship_name="Up"),
        FieldDef("IsDeleted", "boolean"),
    ]
    thing = ObjectDef(
        "Thing", key_prefix="a00", fields=fields, child_relationships=[ChildRelationship("Thing", "UpId", "Downs")]
    )
    clock = OrgClock()
    clock.freeze(START)
    org = Org({"thing": thing}, clock=clock)
    plain: list[dict] = []
    for text, number, flag, second, up, deleted in rows:
        parent = plain[up] if 0 <= up < len(plain) else None
        stamp = START + timedelta(seconds=second)
        row_id = org.new_id("a00")
        row = {
            "Id": row_id,
            "T": text,
            "N": None if number is None else float(number),
            "B": flag,
            "SystemModstamp": stamp,
            "UpId": parent and parent["Id"],
            "IsDeleted": deleted,
        }
        plain.append({**row, "up": parent})
        org.load("Thing", [row])
    return org, plain


def reach(row: dict, path: str):
    for name in path.split("."):
        if row is None:
            return None
        row = row["up"] if name == "Up" else row[name]
        if isinstance(row, dict) and row["IsDeleted"]:
            return None
    return row


def literal(value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def low(value):
    return value.casefold() if isinstance(value, str) else value


def holds(row: dict, condition) -> bool:  # noqa: PLR0911  # one line per operator, so that it is obvious
    kind = condition[0]
    if kind == "and":
        return all(holds(row, part) for part in condition[1])
    if kind == "or":
        return any(holds(row, part) for part in condition[1])
    if kind == "not":
        return not holds(row, condition[1])
    path, operator, wanted = condition[1:]
    value = reach(row, path)
    if path.endswith("B"):
        value, wanted = (
            bool(value),
            (bool(wanted) if not isinstance(wanted, list) else [bool(entry) for entry in wanted]),
        )
    if operator == "IN":
        return low(value) in [low(entry) for entry in wanted]
    if operator == "NOT IN":
        return low(value) not in [low(entry) for entry in wanted]
    if operator == "LIKE":
        pattern = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in wanted)
        return value is not None and re.fullmatch(pattern, value, re.IGNORECASE | re.DOTALL) is not None
    if operator == "=":
        return low(value) == low(wanted)
    if operator == "!=":
        return low(value) != low(wanted)
    if value is None or wanted is None:
        return False
    value, wanted = low(value), low(wanted)
    return {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[operator]


def spell(condition) -> str:
    kind = condition[0]
    if kind in {"and", "or"}:
        return "(" + f" {kind.upper()} ".join(spell(part) for part in condition[1]) + ")"
    if kind == "not":
        return f"(NOT {spell(condition[1])})"
    path, operator, wanted = condition[1:]
    right = "(" + ", ".join(literal(entry) for entry in wanted) + ")" if isinstance(wanted, list) else literal(wanted)
    return f"{path} {operator} {right}"


def leaf(path: str, values, operators=("=", "!=", "<", "<=", ">", ">=")):
    single = st.tuples(st.just("leaf"), st.just(path), st.sampled_from(operators), values)
    several = st.tuples(
        st.just("leaf"), st.just(path), st.sampled_from(["IN", "NOT IN"]), st.lists(values, min_size=1, max_size=3)
    )
    return st.one_of(single, several)


STAMPS = st.integers(-1, 6).map(lambda second: START + timedelta(seconds=second))
LEAVES = st.one_of(
    leaf("T", TEXTS),
    leaf("Up.T", TEXTS),
    leaf("N", NUMBERS),
    leaf("Up.Up.N", NUMBERS),
    leaf("SystemModstamp", STAMPS),
    st.tuples(st.just("leaf"), st.just("B"), st.sampled_from(["=", "!="]), st.booleans()),
    st.tuples(st.just("leaf"), st.just("Up.B"), st.sampled_from(["=", "!="]), st.booleans()),
    st.tuples(st.just("leaf"), st.just("T"), st.just("LIKE"), st.sampled_from(["a%", "%b", "_", "a_b", "%", "É"])),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(ROWS, CONDITIONS)
def test_both_choose_the_same_rows(rows, condition):
    org, plain = make_org(rows)
    wanted = {row["Id"] for row in plain if not row["IsDeleted"] and holds(row, condition)}
    result = org.query(f"SELECT Id FROM Thing WHERE {spell(condition)}", ctx=WriteContext("005"))
    assert {row["Id"] for row in result.rows} == wanted
    count = org.query(f"SELECT COUNT() FROM Thing WHERE {spell(condition)}", ctx=WriteContext("005"))
    assert count.total == len(wanted)


@settings(max_examples=150)
@given(
    ROWS,
    st.lists(
        st.tuples(
            st.sampled_from(["T", "N", "B", "Up.N", "SystemModstamp"]),
            st.booleans(),
            st.sampled_from([None, True, False]),
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda entry: entry[0],
    ),
)
def test_both_order_rows_alike(rows, orderings):
    org, plain = make_org(rows)
    expected = [row for row in plain if not row["IsDeleted"]]
    for path, descending, nulls_first in reversed(orderings):

        def value(row, path=path):
            found = reach(row, path)
            return bool(found) if path == "B" else low(found)

        empty = [row for row in expected if value(row) is None]
        full = sorted((row for row in expected if value(row) is not None), key=value, reverse=descending)
        first = nulls_first if nulls_first is not None else not descending
        expected = empty + full if first else full + empty
    text = ", ".join(
        path + (" DESC" if descending else "") + ("" if nulls is None else " NULLS FIRST" if nulls else " NULLS LAST")
        for path, descending, nulls in orderings
    )
    result = org.query(f"SELECT Id FROM Thing ORDER BY {text}", ctx=WriteContext("005"))
    assert [row["Id"] for row in result.rows] == [row["Id"] for row in expected]


@settings(max_examples=150)
@given(ROWS)
def test_both_group_and_nest_alike(rows):
    org, plain = make_org(rows)
    live = [row for row in plain if not row["IsDeleted"]]
    result = org.query("SELECT T, COUNT(Id) n, SUM(N) s, MIN(N) low FROM Thing GROUP BY T", ctx=WriteContext("005"))
    found = {
        low(record["T"]): (record["n"], record["s"], record["low"]) for record in result.payload("62.0")["records"]
    }
    wanted: dict = {}
    for key in {low(row["T"]) for row in live}:
        numbers = [row["N"] for row in live if low(row["T"]) == key and row["N"] is not None]
        size = sum(low(row["T"]) == key for row in live)
        wanted[key] = (size, sum(numbers) if numbers else None, min(numbers) if numbers else None)
    assert found == wanted
    nested = org.query("SELECT Id, (SELECT Id FROM Downs) FROM Thing", ctx=WriteContext("005")).payload("62.0")[
        "records"
    ]
    for record in nested:
        children = [row["Id"] for row in live if row["UpId"] == record["Id"]]
        shown = [] if record["Downs"] is None else [child["Id"] for child in record["Downs"]["records"]]
        assert shown == children
