"""The user's guide says what is so: its files parse, its queries are those sent, its figures and commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isthmus.audit.explain.meanings import MEANINGS
from isthmus.audit.given.contract import parse_contract
from isthmus.audit.given.exemptions import parse_exemptions
from isthmus.audit.given.prices import parse_customer_prices
from isthmus.audit.given.snooze import parse_snoozes
from isthmus.audit.given.thresholds import parse_settings
from isthmus.audit.rules.registry import GATES, RULES
from isthmus.cli.commands.audit import command
from isthmus.salesforce.audit_queries import AUDIT_QUERIES

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "audit.md").read_text("utf-8")
IMAGE = ROOT / "docs" / "images" / "audit-summary.png"
PARSERS = {
    "prices.csv": parse_customer_prices,
    "contract.csv": parse_contract,
    "exemptions.csv": parse_exemptions,
    "snooze.csv": parse_snoozes,
    "thresholds.toml": parse_settings,
}
BLOCKS = dict(re.findall(r"```(?:csv|toml) (\S+)\n(.*?)```", GUIDE, re.DOTALL))


@pytest.mark.parametrize("name", PARSERS)
def test_every_file_of_the_guide_and_of_the_examples_parses(name: str) -> None:
    assert PARSERS[name](BLOCKS[name], name)
    assert PARSERS[name]((ROOT / "examples" / "audit" / name).read_text("utf-8"), name)


def test_the_guide_has_no_file_that_no_test_parses() -> None:
    assert set(BLOCKS) == set(PARSERS)
    assert {file.name for file in (ROOT / "examples" / "audit").iterdir()} == set(PARSERS)


def test_the_queries_of_the_guide_are_those_that_are_sent() -> None:
    block = re.search(r"```soql\n(.*?)```", GUIDE, re.DOTALL)
    assert block is not None
    told = set(block[1].splitlines())
    texts = {query.text for query in AUDIT_QUERIES.values()}
    assert told <= texts
    more = set(re.findall(r"\b[A-Z]\w+", GUIDE[block.end() :].partition("**Permissions")[0]))
    for text in texts - told:
        fields, _, of = text.removeprefix("SELECT ").partition(" FROM ")
        plain = next(
            query for query in told if re.search(rf" FROM {of.split()[0]}\b", query) and query[7:12] == fields[:5]
        )
        added = set(re.findall(r"\b[A-Z]\w+", text)) - set(re.findall(r"\b[A-Z]\w+", plain))
        assert added, text
        assert added <= more, text


def test_every_rule_and_gate_is_in_the_guide_and_no_other() -> None:
    told = set(re.findall(r"^\| (R\d\d[a-z]?) \|", GUIDE, re.MULTILINE))
    assert told == {entry.rule.id for entry in (*GATES, *RULES)}


def test_every_figure_that_the_guide_defines_exists() -> None:
    section = GUIDE.partition("## What the numbers mean")[2].partition("## Files to give")[0]
    told = re.findall(r"^\| `([a-z_\[\].]+)` \|", section, re.MULTILINE)
    assert len(told) > 12
    assert [name for name in told if name not in MEANINGS] == []


def test_every_command_and_option_of_the_guide_exists() -> None:
    commands = {name: {o for p in c.params for o in p.opts} for name, c in command.commands.items()}
    for line in re.findall(r"isthmus audit ([^\n`]+)", GUIDE):
        name, *rest = line.split()
        assert {word for word in rest if word.startswith("--")} <= commands[name], line
    for option in re.findall(r"\(`(--\w+)", GUIDE):
        assert option in commands["run"]


def test_the_guide_is_short_and_its_image_is_small_and_described() -> None:
    assert len(GUIDE.splitlines()) <= 300
    content = IMAGE.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 300 * 1024
    described = re.search(r"!\[([^\]]+)\]\(images/audit-summary.png\)", GUIDE)
    assert described is not None
    assert len(described[1]) > 100
