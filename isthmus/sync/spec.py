"""The YAML form of a sync: parsed once, strictly, into frozen values; each fault names its line, place and remedy.

Scalars are text (no YAML guessing of dates, booleans or octal numbers); anchors, aliases and double keys are refused.
A key that is not known is refused by name: it is never silently ignored.
"""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import yaml
from msgspec import Meta, Struct

from isthmus.sync.flow.expressions.syntax import TEXT_MAX as EXPRESSION_CHARS_MAX
from isthmus.sync.model import OBJECTS_MAX, TRACKING_FIELD
from isthmus.sync.timing.schedule import IntervalS, ScheduleRefused, ScheduleSpec, read_schedule

SPEC_BYTES_MAX: Final = 256 * 1024
WHERE_CHARS_MAX: Final = 4000
CONSTANT_CHARS_MAX: Final = 1000
NESTING_MAX: Final = 8
DELETES_CEILING_DEFAULT: Final = 100

Name: TypeAlias = Annotated[
    str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$", description="an API name, for example Account or Code__c")
]
FieldSource: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=CONSTANT_CHARS_MAX,
        pattern=r"^(=[\s\S]*|[A-Za-z][A-Za-z0-9_]{0,79})$",
        description="a field of the source, or =text for a constant",
    ),
]


Value: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Username: TypeAlias = Annotated[
    str, Meta(min_length=3, max_length=80, description="a user name of the target org, such as admin@acme.com")
]


class OwnerSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who owns the records in the target: `user` for all of them, or the same person found by `match`."""

    user: Username | None = None
    match: Literal["username", "email", "federation_id"] | None = None
    fallback: Username | None = None


class DeletesSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What becomes of records that are deleted in the source: a checkbox is set, or they are deleted, too.

    `ceiling`: if more are deleted between two runs, none is touched and the run stops.
    """

    action: Literal["flag", "delete"]
    field: Name | None = None
    ceiling: Annotated[int, Meta(ge=1, le=1_000_000)] = DELETES_CEILING_DEFAULT


class FindSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value of the target: `take` of the record of `object` whose field `by` is what the expression gives."""

    object: Name
    by: Name
    take: Name = "Id"


class ExpressionSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What fills a field: an expression; `by` makes it the key of a lookup's parent, `find` that of another record."""

    expr: Annotated[str, Meta(min_length=1, max_length=EXPRESSION_CHARS_MAX, description="see docs/expressions.md")]
    by: Name | None = None
    find: FindSpec | None = None


Policy: TypeAlias = Literal["source_wins", "target_wins", "newest_wins", "hold"]
"""Whose values stay where both records of a pair were changed. `hold`: neither is written, a person decides."""


class BackSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a two-way step does otherwise on its way back: which records of the target, and who owns them."""

    where: Annotated[str, Meta(min_length=1, max_length=WHERE_CHARS_MAX)] | None = None
    owner: OwnerSpec | None = None


class StepSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One object of a sync: `object` where both orgs use the same name, else `source` and `target`.

    `also` maps further fields where `fields` is `auto`, or fills some of these in another way. `adopt_on` is the target
    field by which the first run takes records that are there already; `conflicts` are rules for single target fields.
    `critical`: the run stops after this step if one of its rows fails.
    """

    object: Name | None = None
    source: Name | None = None
    target: Name | None = None
    where: Annotated[str, Meta(min_length=1, max_length=WHERE_CHARS_MAX)] | None = None
    fields: Literal["auto"] | dict[Name, FieldSource | ExpressionSpec] = "auto"
    also: dict[Name, FieldSource | ExpressionSpec] = {}
    match: Name = TRACKING_FIELD
    owner: OwnerSpec | None = None
    record_types: Literal["same", "ignore"] | dict[Value, Value] | None = None
    picklists: dict[Name, dict[Value, Value]] = {}
    mask: dict[Name, Literal["email", "phone", "name", "text", "number", "date", "redact", "null"]] = {}
    deletes: Literal["ignore"] | DeletesSpec = "ignore"
    duplicates: Literal["block", "allow"] = "block"
    adopt_on: Name | None = None
    conflicts: dict[Name, Policy] = {}
    back: BackSpec | None = None
    critical: bool = False

    @property
    def source_object(self) -> str:
        """The object that is read."""
        return self.source or self.object or ""

    @property
    def target_object(self) -> str:
        """The object that is written."""
        return self.target or self.object or ""


Percent: TypeAlias = Annotated[int, Meta(ge=1, le=100)]


class BudgetSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Shares of an org's daily API calls, in percent: where a run stops for now, and what one run may use."""

    day_percent: Percent = 80
    run_percent: Percent = 25


class RetrySpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How often rows that may pass by themselves (locks, missing parents) are tried again without being asked."""

    times: Annotated[int, Meta(ge=0, le=10)] = 5


class SyncSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole sync. `interval_s` is the pause between scheduled runs, in seconds; `schedule` says more than that.

    `run_tag` is a text field of the target that keeps which run wrote a record last: it makes rollback possible.
    """

    version: Literal[1]
    name: Annotated[str, Meta(min_length=1, max_length=120)]
    steps: Annotated[tuple[StepSpec, ...], Meta(min_length=1, max_length=OBJECTS_MAX)]
    direction: Literal["one-way", "two-way"] = "one-way"
    conflicts: Policy | None = None
    interval_s: IntervalS | None = None
    schedule: ScheduleSpec | None = None
    budget: BudgetSpec = BudgetSpec()
    retry: RetrySpec = RetrySpec()
    run_tag: Name | None = None


class SpecRefused(Exception):
    """The text is not a sync that can be used. `line` counts from 1 (0: the whole text); the message has all of it."""

    def __init__(self, line: int, path: str, what: str, remedy: str) -> None:
        """Keep the parts; the message is `line n, path: what. remedy`."""
        place = f"line {line}, {path}" if line else path
        super().__init__(f"{place}: {what}. {remedy}")
        self.line = line
        self.path = path
        self.what = what
        self.remedy = remedy


def parse_spec(text: str) -> SyncSpec:
    """Return the sync that `text` (YAML) describes, or raise `SpecRefused`."""
    if len(text.encode()) > SPEC_BYTES_MAX:
        raise SpecRefused(0, "the text", "it is longer than 256 KiB", "Split the sync into several.")
    try:
        _refuse_aliases_and_depth(text)
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise SpecRefused(line, "the text", "it is not YAML", "Check indentation, colons and quotes there.") from None
    except yaml.YAMLError:
        raise SpecRefused(0, "the text", "it has characters that YAML does not admit", "Remove them.") from None
    if not isinstance(root, yaml.MappingNode):
        raise SpecRefused(1, "the text", "it is not a mapping", "Begin with `version: 1`.")
    lines: dict[str, int] = {}
    tree = _tree(root, "", lines, NESTING_MAX)
    try:
        spec = msgspec.convert(tree, SyncSpec, strict=False)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), lines) from None
    _refuse_nameless(spec, lines)
    try:
        read_schedule(spec.schedule, spec.interval_s)
    except ScheduleRefused as error:
        path = f"schedule.{error.key}"
        raise SpecRefused(_line(path, lines), path, error.what, error.remedy) from None
    return spec


def spec_text(spec: SyncSpec) -> str:
    """Return the YAML form of `spec`; `parse_spec` of it gives an equal value."""
    return yaml.safe_dump(msgspec.to_builtins(spec), sort_keys=False, allow_unicode=True)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the YAML form, for editors and CI."""
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(SyncSpec)))
    for part in schema["$defs"].values():
        if "description" in part:  # of a docstring, which Python keeps with its indentation before 3.13
            part["description"] = inspect.cleandoc(part["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Isthmus sync, version 1", **schema}


def _refuse_aliases_and_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > NESTING_MAX:  # before the tree is composed: that takes time squared, and a stack
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise SpecRefused(line, "the text", "it is nested too deeply", "A sync has steps, and steps have fields.")
        if isinstance(event, yaml.AliasEvent) or (isinstance(event, yaml.NodeEvent) and event.anchor):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise SpecRefused(line, "the text", "anchors and aliases are not used here", "Write the part out.")


def _tree(node: yaml.Node, path: str, lines: dict[str, int], depth: int) -> Any:
    lines[path] = node.start_mark.line + 1 if node.start_mark else 0
    if depth == 0:
        raise SpecRefused(lines[path], path, "it is nested too deeply", "A sync has steps, and steps have fields.")
    if isinstance(node, yaml.MappingNode):
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            inner = f"{path}.{key}" if path else key
            if key in tree:
                line = key_node.start_mark.line + 1
                raise SpecRefused(line, inner, "the key stands there twice", "Keep one of the two.")
            tree[key] = _tree(value_node, inner, lines, depth - 1)
            lines[inner] = key_node.start_mark.line + 1
        return tree
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item, f"{path}[{number}]", lines, depth - 1) for number, item in enumerate(node.value)]
    return str(node.value)


def _refuse_nameless(spec: SyncSpec, lines: dict[str, int]) -> None:
    for number, step in enumerate(spec.steps):
        path = f"steps[{number}]"
        if bool(step.object) == bool(step.source or step.target) or bool(step.source) != bool(step.target):
            what = "a step names either `object`, or both `source` and `target`"
            raise SpecRefused(lines[path], path, what, "For example `object: Account`.")
        if step.also and step.fields != "auto":
            place = f"{path}.also"
            raise SpecRefused(lines[place], place, "`also` adds to `fields: auto`", "Put the lines below `fields`.")
        if isinstance(step.deletes, DeletesSpec) and (step.deletes.action == "flag") != bool(step.deletes.field):
            place = f"{path}.deletes"
            what = "`action: flag` needs a `field`, `action: delete` has none"
            raise SpecRefused(lines[place], place, what, "For example `deletes: {action: flag, field: Gone__c}`.")
        owner = step.owner
        if owner is not None and (bool(owner.user) == bool(owner.match) or (owner.user and owner.fallback)):
            place = f"{path}.owner"
            what = "an owner is either one `user`, or the same person by `match`, then with a `fallback`"
            raise SpecRefused(lines[place], place, what, "For example `owner: {match: email, fallback: me@acme.com}`.")


_AT = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_PATTERNS_IN_WORDS: Final = (
    (re.compile(r"`array` of length <= \d+"), f"at most {OBJECTS_MAX} steps: split the sync into several"),
    (re.compile(r"`str` matching regex '\^\[A-Za-z\].*", re.DOTALL), "an API name, such as Account or Code__c"),
    (re.compile(r"`str` matching regex '\^\(=.*", re.DOTALL), "a field of the source, or `=text` for a constant"),
    (re.compile(r"`str \| object`"), "a field of the source, `=text` for a constant, or `{expr: …}`"),
    (re.compile(r"`object( \| null)?`"), "a mapping"),
    (re.compile(r"`str` of length >= 3"), "a user name, such as admin@acme.com"),
    (re.compile(r"Invalid enum value.*", re.DOTALL), "this value is not among those that are possible here"),
)


def _refusal(text: str, lines: dict[str, int]) -> SpecRefused:
    """Turn msgspec's message into ours. It quotes names of keys of the file, which a person typed, but no record."""
    found = _AT.match(text)
    what, path = (found["what"], found["path"] or "") if found else (text, "")
    unknown = re.search(r"unknown field `([^`]*)`", what)
    missing = re.search(r"missing required field `([^`]*)`", what)
    if unknown:
        inner = f"{path}.{unknown[1]}" if path else unknown[1]
        return SpecRefused(_line(inner, lines), inner, "this key is not known", "Check its spelling, or remove it.")
    if missing:
        place = path or "the text"
        return SpecRefused(_line(path, lines), place, f"`{missing[1]}` is missing", f"Add `{missing[1]}`.")
    what = what.replace("Expected ", "expected ")
    for pattern, words in _PATTERNS_IN_WORDS:
        what = pattern.sub(words, what)
    return SpecRefused(
        _line(path, lines), path or "the text", what, "See docs/sync.schema.json for what may stand there."
    )


def _line(path: str, lines: dict[str, int]) -> int:
    """The line of `path`, or of the nearest part of it that the file has; msgspec writes `[...]` for any item."""
    pattern = re.escape(path).replace(re.escape("[...]"), r"(\[\d+\]|\.\w+)")
    for place, line in lines.items():
        if re.fullmatch(pattern, place):
            return line
    shorter = re.sub(r"(\.[^.\[]*|\[[^\]]*\])$", "", path)
    return _line(shorter, lines) if shorter != path else lines.get("", 0)
