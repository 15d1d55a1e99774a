"""Each example of docs/expressions.md is executed: expressions on the page's own record, syncs through the planner."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from isthmus.sync.flow.expressions.forms import FORMS
from isthmus.sync.flow.expressions.program import FUNCTIONS, UnknownField, compiled, run
from isthmus.sync.flow.expressions.values import Failed, Type, Value, text_of, value_of
from isthmus.sync.model import Drawn, MaskKind
from isthmus.sync.plan import draw_plan, schema_of
from isthmus.sync.spec import parse_spec
from tests.unit.sync.test_plan import KEY, lookup, text, thing

PAGE = (Path(__file__).parents[3] / "docs/expressions.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [
    tuple(part.strip() for part in line.rsplit("→", 1))
    for kind, body in BLOCKS
    if kind == "text"
    for line in body.splitlines()
]
SYNCS = [body for kind, body in BLOCKS if kind == "yaml" and body.startswith("version")]
OPERATORS = set("+-*/&<>=") | {"<=", ">=", "!=", "negate"}


def _typed(value: Any) -> tuple[Type, Value]:
    if isinstance(value, bool):
        return Type.BOOLEAN, value
    if isinstance(value, datetime):
        return Type.DATETIME, value_of(value.isoformat(), Type.DATETIME)
    if isinstance(value, date):
        return Type.DATE, value
    if isinstance(value, int | float):
        return Type.NUMBER, value_of(str(value), Type.NUMBER)
    return Type.TEXT, value


RECORD = {
    name: _typed(value)
    for kind, body in BLOCKS
    if kind == "yaml" and body.startswith("record")
    for name, value in yaml.safe_load(body)["record"].items()
}


def field_type(path: str) -> tuple[str, Type]:
    for name, (kind, _) in RECORD.items():
        if name.casefold() == path.casefold():
            return name, kind
    what, remedy = "no such field", "Check it."
    raise UnknownField(what, remedy)


def result(expression: str) -> str | None:
    program = compiled(expression, field_type)
    return text_of(run(program, [RECORD[name][1] for name in program.inputs]))


@pytest.mark.parametrize(("expression", "expected"), EXAMPLES, ids=[example[0] for example in EXAMPLES])
def test_an_example_gives_what_the_page_says(expression: str, expected: str) -> None:
    if expected == "fails":
        with pytest.raises(Failed):
            result(expression)
        return
    found = result(expression)
    if expected.endswith("Z"):
        assert found == expected.replace("Z", ".000Z")
    else:
        assert found == (None if expected == "null" else expected.strip('"'))


def test_the_page_shows_every_function_and_every_mask() -> None:
    shown = {word.lower() for example, _ in EXAMPLES for word in re.findall(r"\w+(?=\()", example)}
    assert shown == ({*FUNCTIONS, *FORMS} - OPERATORS)
    masks = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert masks == {kind.value for kind in MaskKind} - {MaskKind.REDACT_EMAIL.value}


def test_the_syncs_of_the_page_can_be_planned() -> None:
    instant = text("CreatedDate", 0, type="datetime", createable=False, updateable=False)
    lead = thing("Lead", text("LastName"), text("Company"), text("LeadSource"), instant)
    account = thing("Account", text("Code__c", external_id=True, unique=True))
    contact = thing(
        "Contact",
        text("LastName"),
        text("Description", 255),
        text("LeadSource"),
        text("MailingCountry"),
        text("Support_Office__c"),
        text("Birthdate", 0, type="date"),
        lookup("AccountId", "Account"),
    )
    assert len(SYNCS) == 2
    for body in SYNCS:
        everything = schema_of([lead, contact, account])
        drawn = draw_plan(parse_spec(body), everything, everything)
        assert isinstance(drawn, Drawn), drawn
        assert drawn.plan.steps[0].key == KEY
