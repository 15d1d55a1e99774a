"""Several reading requests in one, which an org counts as one call: the wire form of the answers (composite)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TypeAlias

import msgspec

from isthmus.egress.policy import Call, HoleValue, RouteName
from isthmus.egress.transport import Reply

Question: TypeAlias = tuple[RouteName, tuple[tuple[str, HoleValue], ...]]
"""A request as far as its answer depends on it."""


class _Answer(msgspec.Struct, frozen=True):
    name: str = msgspec.field(name="referenceId")
    status: int = msgspec.field(name="httpStatusCode")
    body: msgspec.Raw = msgspec.Raw(b"null")


class Together(msgspec.Struct, frozen=True):
    """The answers, each under the name that the policy gave its question (r0, r1, and so on)."""

    answers: list[_Answer] = msgspec.field(name="compositeResponse")

    def replies(self, questions: Sequence[Call]) -> dict[Question, Reply]:
        """Return the replies to those questions that were answered; an error is no answer."""
        by_name = {answer.name: answer for answer in self.answers}
        found = ((each, by_name.get(f"r{number}")) for number, each in enumerate(questions))
        return {
            question(each.route, each.holes): Reply(HTTPStatus.OK, {}, bytes(answer.body))
            for each, answer in found
            if answer is not None and answer.status == HTTPStatus.OK
        }


def question(route: RouteName, holes: Mapping[str, HoleValue] | None) -> Question:
    """Return what tells one request from another; the version is the session's, so it is not part of it."""
    return route, tuple(sorted((holes or {}).items(), key=lambda hole: hole[0]))
