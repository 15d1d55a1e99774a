"""From a tree to something that runs: types are settled first, so that no row meets an error of type.

A program is a nest of small functions over a row's inputs. It has no loops, no names of its own and no effects; how
long it may run is bounded by the size of its text, by `TEXT_CHARS_MAX` and by `Row.spend`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from difflib import get_close_matches
from typing import Final, TypeAlias, assert_never

from isthmus.sync.flow.expressions import moments, numbers, texts
from isthmus.sync.flow.expressions.forms import FORMS, Checked
from isthmus.sync.flow.expressions.functions import Fixed, Function, Row, Run
from isthmus.sync.flow.expressions.moments import BadFormat, Format, find_zone
from isthmus.sync.flow.expressions.syntax import Call, ExpressionRefused, Field, Literal, Node, parse
from isthmus.sync.flow.expressions.values import TEXT_CHARS_MAX, Failed, Type, Value, bounded

FindZone: TypeAlias = Callable[[str], tzinfo | None]
FUNCTIONS: Final[Mapping[str, tuple[Function, ...]]] = {
    **texts.FUNCTIONS,
    **numbers.FUNCTIONS,
    **moments.FUNCTIONS,
}


@dataclass(frozen=True, slots=True)
class Program:
    """A checked expression. `inputs` are the fields that it reads, in the order in which `run` wants their values."""

    inputs: tuple[str, ...]
    type: Type
    run: Run
    zones: tuple[str, ...]


class UnknownField(Exception):
    """The expression names a field that is not there, or that cannot be read; `what` and `remedy` say which."""

    def __init__(self, what: str, remedy: str) -> None:
        """Keep both."""
        super().__init__(what)
        self.what = what
        self.remedy = remedy


FieldType: TypeAlias = Callable[[str], tuple[str, Type]]
"""Return the spelling and the type of a field of the source, or raise `UnknownField`."""


def compiled(text: str, field_type: FieldType, zones: FindZone = find_zone) -> Program:
    """Return the program of `text`. Raises `ExpressionRefused`, which says where and what to do."""
    compiler = _Compiler(field_type, zones)
    checked = compiler.checked(parse(text))
    return Program(tuple(compiler.inputs), checked.type, checked.run, tuple(compiler.zones))


def run(program: Program, values: Sequence[Value]) -> Value:
    """Return what the program makes of a row's inputs. Raises `Failed`, and nothing else."""
    try:
        value = program.run(Row(list(values)))
    except (ValueError, ArithmeticError):
        raise Failed from None
    if isinstance(value, str) and len(value) > TEXT_CHARS_MAX:
        raise Failed
    return value


class _Compiler:
    def __init__(self, field_type: FieldType, zones: FindZone) -> None:
        self._field_type = field_type
        self._find_zone = zones
        self.inputs: dict[str, int] = {}
        self.zones: dict[str, None] = {}

    def checked(self, node: Node) -> Checked:
        match node:
            case Literal():
                return self._literal(node)
            case Field():
                return self._field(node)
            case Call():
                return self._call(node)
            case _:
                assert_never(node)

    def _literal(self, node: Literal) -> Checked:
        value = node.value
        if value is None or value == "":
            return Checked(Type.NULL if value is None else Type.TEXT, lambda _: None)
        if isinstance(value, bool):
            return Checked(Type.BOOLEAN, lambda _: value)
        if isinstance(value, str):
            return Checked(Type.TEXT, lambda _: value)
        number = bounded(value)
        return Checked(Type.NUMBER, lambda _: number)

    def _field(self, node: Field) -> Checked:
        try:
            name, kind = self._field_type(node.path)
        except UnknownField as unknown:
            raise ExpressionRefused(node.at, unknown.what, unknown.remedy) from None
        place = self.inputs.setdefault(name, len(self.inputs))
        return Checked(kind, lambda row: row.values[place])

    def _call(self, node: Call) -> Checked:
        form = FORMS.get(node.name)
        if form is not None:
            return form(node, [self.checked(each) for each in node.arguments])
        forms = FUNCTIONS.get(node.name)
        if forms is None:
            near = _nearest(node.name)
            remedy = f"Did you mean `{near}`?" if near else "docs/expressions.md lists all functions."
            raise ExpressionRefused(node.at, f"there is no function `{node.name[:40]}`", remedy)
        given = [self.checked(each) for each in node.arguments]
        for function in forms:
            if _fits(function, given, node.arguments):
                return self._bound(node, function, given)
        raise self._misused(node, forms, given)

    def _bound(self, node: Call, function: Function, given: Sequence[Checked]) -> Checked:
        fixed: dict[int, object] = {}
        runs: list[Run] = []
        for number, each in enumerate(given):
            takes = function.taken(number)
            argument = node.arguments[number]
            if isinstance(takes, Fixed) and isinstance(argument, Literal):
                fixed[number] = self._fixed(takes, argument)
            runs.append(each.run)
        return Checked(function.gives, _runner(function, runs, fixed))

    def _fixed(self, kind: Fixed, node: Literal) -> object:
        text = str(node.value)
        if kind is Fixed.ZONE:
            zone = self._find_zone(text)
            if zone is None:
                what = f"there is no time zone {text[:40]!r}"
                raise ExpressionRefused(node.at, what, 'Use an IANA name such as "Europe/Berlin", or "UTC".')
            self.zones[text] = None
            return zone
        try:
            return Format(text, parsed=kind is Fixed.PARSED_FORMAT)
        except BadFormat as bad:
            raise ExpressionRefused(node.at, str(bad), 'For example "DD.MM.YYYY" or "YYYY-MM-DD HH:mm".') from None

    def _misused(self, node: Call, forms: Sequence[Function], given: Sequence[Checked]) -> ExpressionRefused:
        shown = " or ".join(f"`{function.shown(node.name)}`" for function in forms)
        right = [function for function in forms if function.accepts(len(given))]
        if not right:
            return ExpressionRefused(node.at, f"`{node.name}` has another number of arguments", f"Write {shown}.")
        for number, each in enumerate(given):
            wanted = [function.taken(number) for function in right]
            argument = node.arguments[number]
            if any(_is_taken(takes, each, argument) for takes in wanted):
                continue
            if any(
                _is_taken(each_form.taken(number), each, argument)
                for each_form in forms
                if number < len(each_form.takes)
            ):
                what = f"`{node.name}` of {_a(each.type)} has another number of arguments"
                return ExpressionRefused(node.at, what, f"Write {shown}.")
            words = " or ".join(dict.fromkeys(map(_in_words, wanted)))
            what = f"`{node.name}` takes {words} here, not {_a(each.type)}"
            return ExpressionRefused(argument.at, what, _conversion(wanted, each.type) or f"Write {shown}.")
        return ExpressionRefused(node.at, f"these arguments of `{node.name}` do not go together", f"Write {shown}.")


def _fits(function: Function, given: Sequence[Checked], arguments: Sequence[Node]) -> bool:
    return function.accepts(len(given)) and all(
        _is_taken(function.taken(number), each, arguments[number]) for number, each in enumerate(given)
    )


def _is_taken(takes: Type | Fixed, given: Checked, argument: Node) -> bool:
    if isinstance(takes, Fixed):
        return isinstance(argument, Literal) and isinstance(argument.value, str) and bool(argument.value)
    return given.type in {takes, Type.NULL}


def _runner(function: Function, runs: Sequence[Run], fixed: Mapping[int, object]) -> Run:
    """Return what calls the function: null in, null out, and every text weighs on the row's allowance."""
    call, nulls = function.run, function.nulls

    def run(row: Row) -> Value:
        arguments: list[object] = []
        chars = 0
        for number, each in enumerate(runs):
            if number in fixed:
                arguments.append(fixed[number])
                continue
            value = each(row)
            if value is None and number not in nulls:
                return None
            if isinstance(value, str):
                chars += len(value)
            arguments.append(value)
        row.spend(chars)
        found: Value = call(*arguments)
        if isinstance(found, str):
            if len(found) > TEXT_CHARS_MAX:
                raise Failed
            row.spend(len(found))
        return None if found == "" else found

    return run


def _nearest(name: str) -> str | None:
    known = [each for each in (*FUNCTIONS, *FORMS) if each.isidentifier()]
    return next(iter(get_close_matches(name, known, n=1)), None)


_WORDS: Final = {
    Fixed.ZONE: 'a time zone in quotes such as "Europe/Berlin"',
    Fixed.FORMAT: 'a pattern in quotes such as "YYYY-MM-DD"',
    Fixed.PARSED_FORMAT: 'a pattern in quotes such as "DD.MM.YYYY"',
}


def _in_words(takes: Type | Fixed) -> str:
    return _WORDS[takes] if isinstance(takes, Fixed) else _a(takes)


def _a(kind: Type) -> str:
    return "null" if kind is Type.NULL else f"a {kind.value}"


def _conversion(wanted: Sequence[Type | Fixed], given: Type) -> str | None:
    if Type.TEXT in wanted:
        return "Make a text of it: `text(…)`."
    if given is Type.TEXT and Type.NUMBER in wanted:
        return "Make a number of it: `number(…)`."
    if given is Type.TEXT and (Type.DATE in wanted or Type.DATETIME in wanted):
        return 'Make a date of it: `date(…)`, or `date(…, "DD.MM.YYYY")`.'
    if given is Type.DATETIME and Type.DATE in wanted:
        return 'Make a date of it: `date(…, "Europe/Berlin")`.'
    return None
