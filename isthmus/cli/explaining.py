"""What `isthmus audit explain` prints: one figure with everything that it follows from, or a list of figures.

Values of the org are printed as JSON, so that no name can move a cursor or colour a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from isthmus.audit.explain.explain import WHOLE, Explainer, rule_text
from isthmus.audit.explain.meanings import MEANINGS
from isthmus.audit.explain.model import Explanation, How
from isthmus.audit.explain.path import Json, pattern
from isthmus.audit.explain.rows import FIELDS
from isthmus.audit.figures import Report
from isthmus.cli.output import print_json, say

ROWS_SHOWN: Final = 10
LISTED_MAX: Final = 200
_HOW: Final = {
    How.FIELD: "It stands in the row below",
    How.ROWS: "The rows below are counted",
    How.SUM: "The other figures below are added up",
    How.COUNT: "The other figures below are counted",
    How.SAME: "It is the other figure below",
    How.STEPS: "The steps below are added up",
    How.RECKONED: "It is reckoned from what is below",
    How.SETTING: "The operator decided it",
    How.WORDS: "It is words of the product, which no data change",
    How.WITHHELD: "It is not printed",
}


def is_figure(told: Explainer, name: str) -> bool:
    """Whether the name is one figure, or something that is explained as a whole. Raises `FigureUnknown`."""
    path, value = told.find(name)
    whole = isinstance(value, Mapping) and path.partition("[")[0] in WHOLE and path.count("[") == 1
    return whole or not isinstance(value, Mapping | list | tuple)


def print_explanation(told: Explainer, found: Explanation, *, rows_max: int, as_json: bool) -> None:
    """Print one explanation; at most `rows_max` rows and other figures, all for 0."""
    most = rows_max or None
    if as_json:
        print_json(_plain(told, found, most))
        return
    say(f"{found.figure} = {_json(found.value)}", style="bold")
    say(found.meaning)
    for path, value in told.below(*told.find(found.whole)) if found.whole else ():
        if value not in (None, ""):
            say(f"  {path.removeprefix(found.whole + '.')} = {_json(value)}")
    _print_how(found)
    for rule in found.source.rules:
        say(f"Rule {rule_text(rule)}")
    if found.source.settings:
        say("\nSettings", style="bold")
    for item in found.source.settings[:LISTED_MAX]:
        say(f"  {item.file}: {item.name} = {_json(item.value)}")
    _more(len(found.source.settings), LISTED_MAX, "setting", "--json shows all")
    _print_parts(told, found, most)
    _print_rows(told, found, most)
    if found.requests:
        say("\nRequests that fetched them", style="bold")
    for line in found.requests:
        times = "once" if line.times == 1 else f"{line.times:,} times"
        rows = "1 row" if line.rows == 1 else f"{line.rows:,} rows"
        say(f"  {line.name}, sent {times}, {rows}: {_shown(line.text)}")


def print_figures(told: Explainer, path: str, value: Json, *, as_json: bool) -> None:
    """Print the figures of a part of the report with what they are."""
    found = list(told.below(path, value))
    if as_json:
        print_json([{"figure": figure, "value": own, "meaning": MEANINGS[pattern(figure)]} for figure, own in found])
        return
    if not path:
        found = [(figure, own) for figure, own in found if "[" not in figure]
    for figure, own in found[:LISTED_MAX]:
        say(f"{figure} = {_json(own)}", style="bold")
        say(f"  {MEANINGS[pattern(figure)]}")
    if len(found) > LISTED_MAX:
        say(f"… and {len(found) - LISTED_MAX:,} more. Ask for a part, such as {found[0][0].partition('.')[0]}.")
    if not path:
        say("\nLists", style="bold")
        for name in Report.__struct_fields__:
            items = told.find(name)[1]
            if isinstance(items, list | tuple):
                say(f"  {name}: {len(items):,}" + (f", the first is {name}[0]" if items else ""))


def _print_how(found: Explanation) -> None:
    factor = f" times {found.source.factor}" if found.source.factor > 1 else ""
    said = f": {found.source.said}" if found.source.said else "."
    say(f"\n{_HOW[found.source.how]}{factor}{_shown(said)}")
    for step in found.source.steps:
        say(f"  {_shown(step.said)} = {step.value.normalize():f}")


def _print_parts(told: Explainer, found: Explanation, most: int | None) -> None:
    parts = found.source.parts
    if parts:
        say(f"\nOther figures ({len(parts):,})", style="bold")
    for part in parts[:most]:
        say(f"  {part} = {_json(told.find(part)[1])}")
    _more(len(parts), most, "figure")


def _print_rows(told: Explainer, found: Explanation, most: int | None) -> None:
    rows = found.source.rows
    if rows:
        say(f"\nRows ({len(rows):,}), each by file and line", style="bold")
    shown: dict[str, set[str]] = {}
    for row in rows[:most]:
        content = _content(told, found, row.file, told.content(row))
        say(f"  {row.file}:{row.line}  {_json(content)}")
        shown.setdefault(row.file, set()).update(content)
    _more(len(rows), most, "row")
    for file in sorted(set(shown) & set(FIELDS)):
        wanted = {found.source.column} & set(FIELDS[file]) or shown[file]
        told_of = [f"{ours} is {theirs}" for ours, theirs in FIELDS[file].items() if ours in wanted]
        say(f"  In {file}, {', '.join(told_of)} in Salesforce.")
    looked = sorted(set(found.source.files) - {row.file for row in rows})
    if looked:
        say(f"\nFiles of the bundle that it was reckoned from: {', '.join(looked)}")


def _content(told: Explainer, found: Explanation, file: str, row: Mapping[str, object]) -> Mapping[str, object]:
    """Return the row without its empty fields; of the single rows of a file only the field in question."""
    if file in FIELDS:
        return {name: value for name, value in row.items() if value not in (None, "", [], ())}
    return {found.source.column: told.find(found.figure)[1]} if found.source.column else {"file": file}


def _more(count: int, most: int | None, what: str, how: str = "--rows 0 shows all") -> None:
    if most is not None and count > most:
        say(f"  … and {count - most:,} more {what if count - most == 1 else f'{what}s'} ({how})")


def _plain(told: Explainer, found: Explanation, most: int | None) -> Mapping[str, object]:
    source = found.source
    shown: Sequence[Mapping[str, object]] = [
        {"file": row.file, "line": row.line, "row": told.content(row)} for row in source.rows[:most]
    ]
    return {
        "figure": found.figure,
        "value": found.value,
        "meaning": found.meaning,
        "how": source.how.value,
        "said": source.said,
        "steps": [{"said": step.said, "value": str(step.value)} for step in source.steps],
        "factor": source.factor,
        "rules": [{"id": rule, "text": rule_text(rule)} for rule in source.rules],
        "settings": [{"file": item.file, "name": item.name, "value": item.value} for item in source.settings],
        "figures": [{"figure": part, "value": told.find(part)[1]} for part in source.parts[:most]],
        "figures_total": len(source.parts),
        "rows": shown,
        "rows_total": len(source.rows),
        "files": sorted({*source.files, *(row.file for row in source.rows)}),
        "requests": [{"name": r.name, "text": r.text, "times": r.times, "rows": r.rows} for r in found.requests],
    }


def _json(value: object) -> str:
    return _shown(json.dumps(value, ensure_ascii=False, default=str))


def _shown(text: str) -> str:
    """Return text without control characters, also those beyond ASCII and those that turn the direction of writing."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
