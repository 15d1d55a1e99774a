"""Seeded moods of the service: what the real one is free to do, done often enough to be noticed.

Levels: `off` (default: nothing), `mild` (what a good week looks like) and `hostile` (what a client must survive).
`POST /whims` takes `{"level": "hostile", "seed": 7}` or any of the knobs below by name; `GET /whims` shows them.
The same seed and the same order of calls give the same trouble. Sign-in (`/services/oauth2`) is never touched.
"""

from __future__ import annotations

import random
from collections.abc import MutableSequence
from typing import Final, TypeVar

import msgspec

from orgsim.faults import Answer, RowFault, Trouble
from orgsim.wire import JSON_TYPE, Request

_T = TypeVar("_T")


class Mood(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The knobs. Chances are per call, or per row where the name says so.

    query_page_rows / bulk_page_rows: smallest and largest page that the server makes, or null for its default.
    job_delay_s: shortest and longest time that a bulk job rests before it starts. unavailable: 503 or 420 with an
    HTML page, or 500 UNKNOWN_EXCEPTION. reset: connection cut, nothing done. half: work done, answer cut in the middle.
    token_expiry: the caller's access token dies. row_lock: a row fails with UNABLE_TO_LOCK_ROW.
    row_order: rows that no ORDER BY puts in order come in any. long_locators: Bulk locators are long and end in "=".
    late_commit: per 200 rows of a Bulk upload, the chance that they are stamped and then committed only commit_delay_s
    later; latestDateCovered stays before their stamps meanwhile.
    """

    query_page_rows: tuple[int, int] | None = None
    bulk_page_rows: tuple[int, int] | None = None
    job_delay_s: tuple[float, float] = (0.0, 0.0)
    unavailable: float = 0.0
    reset: float = 0.0
    half: float = 0.0
    token_expiry: float = 0.0
    row_lock: float = 0.0
    row_order: bool = False
    long_locators: bool = False
    late_commit: float = 0.0
    commit_delay_s: tuple[float, float] = (0.2, 1.0)


LEVELS: Final[dict[str, Mood]] = {
    "off": Mood(),
    "mild": Mood(
        query_page_rows=(200, 2000),
        bulk_page_rows=(2_000, 50_000),
        job_delay_s=(0.0, 0.3),
        unavailable=0.002,
        reset=0.001,
        row_lock=0.0005,
        row_order=True,
    ),
    "hostile": Mood(
        query_page_rows=(200, 500),
        bulk_page_rows=(100, 2_000),
        job_delay_s=(0.05, 1.5),
        unavailable=0.02,
        reset=0.015,
        half=0.01,
        token_expiry=0.01,
        row_lock=0.005,
        row_order=True,
        long_locators=True,
        late_commit=0.02,
    ),
}

_PAGE_503: Final = (
    b"<html><body><h1>503 Service Unavailable</h1><p>The server is unavailable. (orgsim)</p></body></html>"
)
_PAGE_420: Final = b"<html><body><h1>420</h1><p>No route to the org at this edge. (orgsim)</p></body></html>"
_ODD_500: Final = (
    b'[{"message":"An unexpected error occurred. Please include this ErrorId if you contact support: orgsim (1)",'
    b'"errorCode":"UNKNOWN_EXCEPTION"}]'
)
_HALF_BYTES_MAX: Final = 4_000
_QUIET_PREFIXES: Final = ("/services/oauth2", "/id/", "/.well-known", "/orgsim/")


class Whims:
    """The moods of one org, with a random source of their own so that they never change the generated data."""

    def __init__(self, level: str, seed: int) -> None:
        self.seed = seed
        self.level = level
        self.mood = LEVELS[level]
        self._rng = random.Random(f"whims-{seed}")
        self._order = random.Random(f"order-{seed}")
        self._commits = random.Random(f"commits-{seed}")

    def set(self, mood: Mood, *, level: str = "custom", seed: int | None = None) -> None:
        """Change the knobs and start the random source again."""
        self.mood, self.level = mood, level
        self.seed = self.seed if seed is None else seed
        self._rng = random.Random(f"whims-{self.seed}")
        self._order = random.Random(f"order-{self.seed}")
        self._commits = random.Random(f"commits-{self.seed}")

    def as_json(self) -> dict[str, object]:
        """Return the level, the seed and every knob."""
        return {"level": self.level, "seed": self.seed, **msgspec.structs.asdict(self.mood)}

    def query_page_rows(self, default: int) -> int:
        """Return how many rows the next REST query page may hold."""
        return self._between(self.mood.query_page_rows, default)

    def bulk_page_rows(self, default: int) -> int:
        """Return how many rows the next bulk result page may hold."""
        return self._between(self.mood.bulk_page_rows, default)

    def job_delay_s(self) -> float:
        """Return how long the next bulk job rests before it starts, in seconds."""
        shortest, longest = self.mood.job_delay_s
        return self._rng.uniform(shortest, longest) if longest > 0 else 0.0

    def shuffle(self, rows: MutableSequence[_T]) -> None:
        """Put rows into any order, where the mood says so."""
        if self.mood.row_order:
            self._order.shuffle(rows)

    def commit_delay_s(self) -> float:
        """Return for how long the next rows of an upload are stamped but not committed; mostly 0."""
        if not self.mood.late_commit or self._commits.random() >= self.mood.late_commit:
            return 0.0
        return self._commits.uniform(*self.mood.commit_delay_s)

    def for_row(self) -> RowFault | None:
        """Return a lock error for this row, or None."""
        if not self.mood.row_lock or self._rng.random() >= self.mood.row_lock:
            return None
        return RowFault("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    def for_request(self, request: Request) -> Trouble | None:
        """Return what happens to this call, or None."""
        mood = self.mood
        if not (mood.unavailable or mood.reset or mood.half or mood.token_expiry):
            return None
        if any(request.path.startswith(prefix) for prefix in _QUIET_PREFIXES):
            return None
        draw = self._rng.random()
        if draw < mood.unavailable:
            return Trouble(answer=self._unavailable(), note="whim: unavailable")
        draw -= mood.unavailable
        if draw < mood.reset:
            return Trouble(reset=True, note="whim: reset")
        draw -= mood.reset
        if draw < mood.half:
            return Trouble(half_after_bytes=self._rng.randrange(_HALF_BYTES_MAX), note="whim: half an answer")
        draw -= mood.half
        if draw < mood.token_expiry:
            return Trouble(expire_token=True, note="whim: token expired")
        return None

    def _between(self, bounds: tuple[int, int] | None, default: int) -> int:
        return default if bounds is None else min(default, self._rng.randint(*bounds))

    def _unavailable(self) -> Answer:
        html = (("Content-Type", "text/html;charset=UTF-8"),)
        return self._rng.choice(
            (
                Answer(503, _PAGE_503, (*html, ("Retry-After", "1"))),
                Answer(420, _PAGE_420, html),
                Answer(500, _ODD_500, (("Content-Type", JSON_TYPE),)),
            )
        )
