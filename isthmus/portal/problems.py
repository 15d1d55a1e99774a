"""What goes wrong at the edge, each with what happened and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class WayOut:
    """A link that leads on from an error page."""

    href: str
    label: str


class Problem(Exception):
    """A request that cannot be met. All of it is shown to the member, so none of it may hold a secret or a value."""

    def __init__(self, status: int, title: str, text: str, remedy: str, way_out: WayOut | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.text = text
        self.remedy = remedy
        self.way_out = way_out or WayOut("/", "Go to the home page")


class SignedOut(Exception):
    """Nobody is signed in, or the session has ended."""


def missing(what: str, way_out: WayOut) -> NoReturn:
    """Raise the `Problem` of an address that leads to nothing of this tenant."""
    raise Problem(
        404,
        f"{what} not found",
        f"There is no such {what.lower()} in your account. It may have been removed, or the address is incomplete.",
        "Go back to the list and choose it there.",
        way_out,
    )


def bad_input(text: str, remedy: str) -> NoReturn:
    """Raise the `Problem` of a form or a call that says something impossible."""
    title = "This input cannot be used"
    raise Problem(400, title, text, remedy) from None
