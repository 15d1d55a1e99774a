"""What a map makes of the source's values, found out in each run and forgotten with the mover.

Owners and record types are matched by natural key: ids of users and record types are asked of both orgs when a value
first turns up, and stand in this process's memory until its end. A value that leads nowhere is kept as `UNMAPPED`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from isthmus.salesforce.query import Compare, Condition, FieldPath, OneOf, pages, soql_select
from isthmus.salesforce.session import Session
from isthmus.sync.flow.expressions.values import Type, text_of, value_of
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.flow.sides import asking
from isthmus.sync.model import ANY_OTHER, LookupRule, OwnerRule, PicklistRule, RecordTypeRule, Rule, Step, UserKey
from isthmus.values import ApiName

UNMAPPED: Final = ""
"""No value of Salesforce is empty, so this cannot be one."""
ASKED_AT_ONCE: Final = 60
"""User names are at most 80 characters and a query of 60 of them stays under every limit of a URL."""
KEY_CHARS_MAX: Final = 255
KEYS_CHARS_MAX: Final = 2000
"""Of values that may be of any length, or have characters that take nine each in a URL."""
REMEMBERED_MAX: Final = 50_000
_QUEUE_PREFIX: Final = "00G"
_LIST_MARK: Final = ";"

Table = dict[str, str]


class Substitutes:
    """The tables of one step: by the ordinal of its column, what each value of the source becomes."""

    def __init__(self, step: Step, sessions: tuple[Session, Session]) -> None:
        """Begin with empty tables; `learn` fills them."""
        self._step = step
        self._sessions = sessions
        self.tables: dict[int, Table] = {
            number: {} for number, column in enumerate(step.columns) if column.rule is not None
        }

    async def learn(self, values: Mapping[int, Iterable[str]]) -> None:
        """Make sure that every value of `values[ordinal]` is in `tables[ordinal]`. Raises `Stopped`."""
        for ordinal, found in values.items():
            table = self.tables[ordinal]
            rule = self._step.columns[ordinal].rule
            if len(table) > REMEMBERED_MAX:
                table.clear()
            new = sorted({value for value in found if value not in table})
            if new and rule is not None:
                table.update(await self._found(rule, new))

    async def _found(self, rule: Rule, values: list[str]) -> Table:
        match rule:
            case PicklistRule():
                return {value: picked(rule, value) for value in values}
            case RecordTypeRule():
                return await self._record_types(rule, values)
            case OwnerRule():
                return await self._owners(rule, values)
            case LookupRule():
                return await self._looked_up(rule, values)

    async def _record_types(self, rule: RecordTypeRule, values: list[str]) -> Table:
        theirs = await self._named(SOURCE, "RecordType", "DeveloperName", _of_object(self._step.source))
        ours = await self._named(TARGET, "RecordType", "DeveloperName", _of_object(self._step.target))
        ids = {name: row_id for row_id, name in ours}
        names = dict(theirs)
        found: Table = {}
        for value in values:
            name = names.get(value, "")
            found[value] = ids.get(rule.names.get(name, rule.names.get(ANY_OTHER, name)), UNMAPPED)
        return found

    async def _owners(self, rule: OwnerRule, values: list[str]) -> Table:
        other = rule.user or rule.fallback
        default = UNMAPPED if other is None else (await self._users(UserKey.USERNAME, [other])).get(other, UNMAPPED)
        if rule.match is None:
            return dict.fromkeys(values, default)
        found = dict.fromkeys(values, default)
        for queue in (False, True):
            asked = [value for value in values if value.startswith(_QUEUE_PREFIX) is queue]
            for some in _lots(asked):
                found.update(await self._counterparts(rule.match, some, queue=queue))
        return found

    async def _counterparts(self, match: UserKey, ids: Collection[str], *, queue: bool) -> Table:
        name, key = ("Group", "DeveloperName") if queue else ("User", match.value)
        theirs = await self._named(SOURCE, name, key, OneOf(FieldPath.of("Id"), list(ids)))
        keys = sorted({text for _, text in theirs})
        if not keys:
            return {}
        if queue:
            kind = Compare(FieldPath.of("Type"), "=", "Queue")
            rows = await self._named(TARGET, name, key, OneOf(FieldPath.of(key), keys), kind)
            ours = {text: row_id for row_id, text in rows}
        else:
            ours = await self._users(match, keys)
        return {row_id: ours[text] for row_id, text in theirs if text in ours}

    async def _looked_up(self, rule: LookupRule, values: list[str]) -> Table:
        found: Table = dict.fromkeys(values, UNMAPPED)
        for some in _lots([value for value in values if len(value) <= KEY_CHARS_MAX], KEYS_CHARS_MAX):
            wanted = OneOf(FieldPath.of(rule.by), some)
            found |= _spelt(await self._named(TARGET, rule.object, rule.by, wanted, take=rule.take), some)
        return found

    async def _users(self, match: UserKey, keys: Collection[str]) -> Table:
        """Return the active users of the target by key, as `keys` spell it; a key that two users share is left out."""
        active = Compare(FieldPath.of("IsActive"), "=", value=True)
        rows = await self._named(TARGET, "User", match.value, OneOf(FieldPath.of(match.value), list(keys)), active)
        return _spelt(rows, keys)

    async def _named(
        self, side: int, name: str, key: str, *where: Condition, take: str = "Id"
    ) -> list[tuple[str, str]]:
        fields = [FieldPath.of(field) for field in {name.casefold(): name for name in (take, key)}.values()]
        soql = soql_select(ApiName.parse(name), fields, where)
        found: list[tuple[str, str]] = []
        with asking(side):
            async for batch in pages(self._sessions[side], soql):
                for record in batch.reveal():
                    held = {field.casefold(): value for field, value in record.items()}
                    taken, text = held.get(take.casefold()), held.get(key.casefold())
                    if isinstance(text, str) and taken is not None and not isinstance(taken, Mapping):
                        found.append((text_of(value_of(taken, Type.TEXT)) or UNMAPPED, text))
        return found


def picked(rule: PicklistRule, value: str) -> str:
    """Return what a map of picklist values makes of one; each of several is mapped by itself."""
    parts = value.split(_LIST_MARK) if rule.multiple else [value]
    mapped = [rule.values.get(part, rule.values.get(ANY_OTHER, part)) for part in parts]
    return _LIST_MARK.join(dict.fromkeys(mapped))


def _of_object(name: str) -> Condition:
    return Compare(FieldPath.of("SobjectType"), "=", name)


def _spelt(rows: Iterable[tuple[str, str]], keys: Collection[str]) -> Table:
    """Return what was found by key, as `keys` spell it; a key that two rows share is left out."""
    spelt: dict[str, list[str]] = {}
    for row_id, text in rows:
        spelt.setdefault(text.casefold(), []).append(row_id)
    return {key: spelt[key.casefold()][0] for key in keys if len(spelt.get(key.casefold(), ())) == 1}


def _lots(values: Collection[str], chars_max: int | None = None) -> Iterator[list[str]]:
    """Yield `values` in lots for one query each: so many that its text stays short."""
    lot: list[str] = []
    chars = 0
    for value in values:
        chars += len(value.encode())
        if lot and (len(lot) == ASKED_AT_ONCE or (chars_max is not None and chars > chars_max)):
            yield lot
            lot, chars = [], len(value.encode())
        lot.append(value)
    if lot:
        yield lot
