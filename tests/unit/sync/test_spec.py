"""The YAML form: what is accepted comes back equal, what is not is refused by line, place and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.sync.spec import SpecRefused, json_schema, parse_spec, spec_text

ROOT = Path(__file__).parents[3]
HEAD = "version: 1\nname: x\nsteps:\n"


def test_every_example_is_accepted_and_survives_being_written_again() -> None:
    examples = sorted((ROOT / "examples").glob("*.yaml"))
    assert examples
    for example in examples:
        spec = parse_spec(example.read_text())
        assert parse_spec(spec_text(spec)) == spec


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("version: 2\nname: x\nsteps: [{object: A}]\n", 1, "version"),
        (HEAD + "  - object: A\n    foo: 1\n", 5, "steps[0].foo: this key is not known"),
        (HEAD + "  - object: A\n    mask: all\n", 5, "steps[0].mask: expected a mapping, got `str`"),
        (HEAD + "  - object: A\n    mask: {Email: hash}\n", 5, "this value is not among those that are possible here"),
        (HEAD + "  - object: A\n    fields: {B: {exp: x}}\n", 5, "this key is not known"),
        (
            HEAD + "  - object: A\n    fields: {B: [x]}\n",
            5,
            "a field of the source, `=text` for a constant, or `{expr: …}`",
        ),
        (HEAD + "  - object: A\n    owner: pass\n", 5, "steps[0].owner: expected a mapping, got `str`"),
        (HEAD + "  - object: A\n    owner: {user: a@b.c, match: email}\n", 5, "either one `user`, or"),
        (HEAD + "  - object: A\n    deletes: {action: flag}\n", 5, "`action: flag` needs a `field`"),
        ("version: 1\nname: x\ndirection: sideways\nsteps: [{object: A}]\n", 3, "not among those that are possible"),
        (HEAD + "  - object: A b\n", 4, "an API name, such as Account"),
        (HEAD + "  - object: A\n    fields:\n      Name: a b\n", 6, "`=text` for a constant"),
        (HEAD + "  - source: A\n", 4, "both `source` and `target`"),
        (HEAD + "  - object: A\n    object: B\n", 5, "stands there twice"),
        ("version: 1\nsteps: [{object: A}]\n", 1, "`name` is missing"),
        ("version: 1\nname: &a x\nsteps: [{object: A}]\n", 2, "anchors and aliases"),
        ("version: 1\nname: [x\n", 3, "it is not YAML"),
        ("- a\n", 1, "it is not a mapping"),
        ("version: 1\nname: x\ninterval_s: 5\nsteps: [{object: A}]\n", 3, "interval_s"),
    ],
)
def test_a_fault_is_named_by_line_and_place(text: str, line: int, says: str) -> None:
    with pytest.raises(SpecRefused) as refused:
        parse_spec(text)
    assert says in str(refused.value)
    assert refused.value.line == line
    assert refused.value.remedy


def test_yaml_guesses_nothing() -> None:
    spec = parse_spec(HEAD + "  - object: A\n    fields: {No: Yes, On: =2020-01-01, B: =true}\n")
    assert spec.steps[0].fields == {"No": "Yes", "On": "=2020-01-01", "B": "=true"}


@given(text=st.text(max_size=200))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        parse_spec(text)
    except SpecRefused as refused:
        assert refused.remedy  # noqa: PT017 - either outcome is fine


def test_the_published_schema_is_that_of_the_code() -> None:
    assert json.loads((ROOT / "docs/sync.schema.json").read_text()) == json_schema()


def test_eighty_objects_are_one_sync_and_more_are_refused_by_line() -> None:
    steps = "".join(f"  - object: A{n}\n" for n in range(80))
    assert len(parse_spec(HEAD + steps).steps) == 80
    with pytest.raises(SpecRefused, match="at most 80 steps: split the sync"):
        parse_spec(HEAD + steps + "  - object: B\n")
