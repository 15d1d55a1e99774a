"""First-run adoption: a record that is in the target already is taken for a row's own by a field that both know.

Only a record without a key can be adopted, and only if it is the one such record in the target and the row is the one
in the source. Where several could be meant nothing is touched, made or guessed: the row is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from isthmus.salesforce.query import Compare, FieldPath, OneOf, pages, soql_select
from isthmus.salesforce.records import Record
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.counterparts import QUERY_CHARS_MAX, Counterpart, Counterparts, lots
from isthmus.sync.flow.job import SOURCE
from isthmus.sync.flow.likeness import settled_text
from isthmus.sync.flow.sides import asking
from isthmus.sync.model import Step
from isthmus.sync.pairing import Adoption
from isthmus.values import ApiName

ROOM: Final = QUERY_CHARS_MAX - 4000


class Adopter:
    """Finds the records of the target that rows without a counterpart may adopt."""

    def __init__(self, step: Step, both: Both, counterparts: Counterparts, adoption: Adoption) -> None:
        """Match by `adoption`."""
        self._step = step
        self._both = both
        self._counterparts = counterparts
        self._adoption = adoption

    async def found(self, rows: Mapping[str, Record]) -> dict[str, Counterpart | None]:
        """Return, by the key of each of `rows` (mapped), the record to adopt, or None where several could be meant.

        A row without a match is not among the result.
        """
        wanted = {key: text for key, row in rows.items() if (text := settled_text(row.get(self._adoption.target)))}
        candidates = await self._candidates(list(wanted.values()))
        matched = {key: text for key, text in wanted.items() if text.casefold() in candidates}
        rivals = await self._rivals(list(matched.values()))
        found: dict[str, Counterpart | None] = {}
        for key, text in matched.items():
            several = candidates[text.casefold()]
            alone = len(several) == 1 and rivals[text.casefold()] == 1
            found[key] = several[0] if alone else None
        return found

    async def _candidates(self, values: Sequence[str]) -> dict[str, list[Counterpart]]:
        found: dict[str, list[Counterpart]] = {}
        no_key = Compare(FieldPath.of(self._step.key), "=", None)
        for lot in lots(values, ROOM):
            for each in await self._counterparts.where(OneOf(FieldPath.of(self._adoption.target), lot), no_key):
                text = settled_text(each.values.get(self._adoption.target))
                if text is not None and not each.deleted:
                    found.setdefault(text.casefold(), []).append(each)
        paired = await self._paired([each.row_id for several in found.values() for each in several])
        left = {text: [each for each in several if each.row_id not in paired] for text, several in found.items()}
        return {text: several for text, several in left.items() if several}

    async def _paired(self, ids: Sequence[str]) -> set[str]:
        """Return which of these native records of the target have a copy in the source already."""
        if self._step.pairing is None or not self._step.pairing.two_way:
            return set()
        return set(await self._of_source(self._step.key, ids))

    async def _rivals(self, values: Sequence[str]) -> Counter[str]:
        """Count the source's records by the value that they are matched by."""
        found = await self._of_source(self._adoption.source, values)
        return Counter(text.casefold() for value in found if (text := settled_text(value)))

    async def _of_source(self, name: str, values: Sequence[str]) -> list[str]:
        found: list[str] = []
        path = FieldPath.of(name)
        for lot in lots(values, QUERY_CHARS_MAX - len(quote(name))):
            soql = soql_select(ApiName.parse(self._step.source), [path], [OneOf(path, lot)])
            with asking(SOURCE):
                async for batch in pages(self._both.sessions[SOURCE], soql):
                    found += [text for record in batch.reveal() if isinstance(text := record.get(name), str)]
        return found
