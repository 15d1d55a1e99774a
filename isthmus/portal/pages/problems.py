"""Error pages: what a member sees when something cannot be done, as a page or as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from isthmus.db.errors import DatabaseError, Unavailable
from isthmus.journal import Journal
from isthmus.orgs.keeper_client import DatabaseAway, KeeperUnavailable
from isthmus.portal.api.answers import problem_answer
from isthmus.portal.problems import Problem, SignedOut
from isthmus.portal.rendering import Pages

API_PREFIX = "/api/"
STATUS_NOT_FOUND = 404
STATUS_SERVER = 500

Handler = Callable[[Request[Any, Any, Any], Any], Response[Any]]


def handlers(pages: Pages, journal: Journal) -> dict[int | type[Exception], Handler]:
    """Return what the application does with exceptions. Nothing of an unexpected one reaches the browser."""

    def show(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
        if request.url.path.startswith(API_PREFIX):
            return problem_answer(problem)
        return pages.page(request, "problem.html", status=problem.status, problem=problem)

    def signed_out(request: Request[Any, Any, Any], _error: SignedOut) -> Response[Any]:
        if request.url.path.startswith(API_PREFIX):
            return problem_answer(Problem(401, "Not signed in", "There is no session, or it has ended.", "Sign in."))
        text = "There is no session in this browser, or it has ended."
        return pages.page(request, "signed_out.html", status=401, heading="You are signed out", text=text)

    def http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        return show(request, _of_http(error))

    def away(request: Request[Any, Any, Any], _error: KeeperUnavailable | DatabaseError) -> Response[Any]:
        journal.unexpected(_error)
        return show(request, _NO_DATABASE if isinstance(_error, DatabaseAway | Unavailable) else _AWAY)

    def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        journal.unexpected(error)
        return show(request, _UNEXPECTED)

    return {
        Problem: show,
        SignedOut: signed_out,
        HTTPException: http,
        KeeperUnavailable: away,
        DatabaseAway: away,
        DatabaseError: away,
        Exception: unexpected,
    }


_NO_DATABASE = Problem(
    503,
    "The database does not answer",
    "Isthmus cannot reach its PostgreSQL just now. Nothing was changed. Syncs and audits that were under way go on by "
    "themselves when it is back.",
    "Try again in a moment. If it stays so, have PostgreSQL started; isthmus doctor on the machine says what is wrong.",
)
_AWAY = Problem(
    503,
    "A part of Isthmus does not answer",
    "The database or the keeper is not reachable from the portal just now. Nothing was changed.",
    "Try again in a moment. If it stays so, run isthmus doctor on the machine.",
)
_UNEXPECTED = Problem(
    500,
    "Something went wrong in Isthmus",
    "The portal's journal says where it happened. Nothing about your records is in it.",
    "Try again. If it happens again, report it with the journal's lines.",
)


def _of_http(error: HTTPException) -> Problem:
    if error.status_code == STATUS_NOT_FOUND:
        return Problem(404, "There is no such page", "The address leads nowhere in this portal.", "Use the navigation.")
    if error.status_code >= STATUS_SERVER:
        return _UNEXPECTED
    return Problem(
        error.status_code,
        "This request cannot be understood",
        "Its method, its form or a field in it is not what this address takes.",
        "Go back, reload the page and try again.",
    )
