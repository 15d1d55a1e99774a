"""The oracle's reading of a bundle: who there is, who was there when, and which pools cost money. Plain loops."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]
Finding = dict[str, Any]

# docs/audit.md and the reference, sections 4 and 5, as plain words
IN_PERSON = {"ui", "sso", "external", "community", "app", "unknown"}
OF_ONES_OWN = IN_PERSON | {"mail"}
SOFTWARE = {"tool", "api", "machine", "seeded"}
PAID_KEYS = (
    "sfdc aul aul1 aul_light fdc_one fdc_sub pid_chatter pid_content pid_knowledge pid_customer_community "
    "pid_partner_community pid_strategic_prm power_prm power_ssp"
).split()
PAID_NAMES = [
    "customer community plus",
    "external apps",
    "external identity",
    "partner community",
    "salesforce platform",
]
METERED_KEYS = ["pid_customer_community_login", "pid_partner_community_login"]
METERED_NAMES = [f"{name} login" for name in ("customer community", *PAID_NAMES)]
FREE_KEYS = ["pid_fdc_free"]
FREE_NAMES = [
    "identity", "salesforce integration", "chatter free", "chatter external", "guest user license",
    "cloud integration user", "analytics cloud integration user",
]  # fmt: skip
GRADES = "ABCD"
EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def day(text: str) -> date:
    return date.fromisoformat(text)


def lower(grade: str, traps: int) -> str:
    return GRADES[min(3, GRADES.index(grade) + traps)]


class Facts:
    """One bundle, with the few facts that every rule asks for."""

    def __init__(self, files: dict[str, Any], forecasts: dict[str, int]) -> None:
        self.forecasts = forecasts
        self.reading: Row = files["reading.json"]
        self.settings: Row = files["settings.json"]
        self.prices: Row = files["prices.json"]
        self.history: Row = files["history.json"]
        self.t0 = instant(self.reading["taken_at"])
        self.today = self.t0.date()
        start = self.reading["history_start"]
        self.start = None if start is None else instant(start)
        self.history_days = 0 if self.start is None else (self.t0 - self.start).days
        self.pools: dict[str, Row] = {row["id"]: row for row in files["licenses.jsonl"]}
        self.psls: dict[str, Row] = {row["id"]: row for row in files["psls.jsonl"]}
        self.assigns: list[Row] = files["psl_assigns.jsonl"]
        self.users: dict[str, Row] = {row["id"]: row for row in files["users.jsonl"]}
        self.rows: dict[str, list[Row]] = defaultdict(list)  # successful logins only: a failed one is no presence
        self.logins: list[Row] = files["logins.jsonl"]
        for row in self.logins:
            if row["success"]:
                self.rows[row["user"]].append(row)

    # --- pools -----------------------------------------------------------------------------------------------------

    def category(self, pool: Row) -> str:
        key, name = pool["key"].casefold(), pool["name"].casefold()
        for kind, words in (("paid", PAID_KEYS), ("metered", METERED_KEYS), ("free", FREE_KEYS)):
            if key in words:
                return kind
        for kind, words in (("paid", PAID_NAMES), ("metered", METERED_NAMES), ("free", FREE_NAMES)):
            if name in words:
                return kind
        return "unclassified"

    def paid(self, pool_id: str | None) -> bool:
        """Whether a seat of the pool is money: not the free ones, not those paid by the login."""
        pool = self.pools.get(pool_id or "")
        if pool is None:  # a licence that is not listed is looked at like one that is not in the catalogue
            return bool(pool_id)
        return self.category(pool) in {"paid", "unclassified"}

    def setting(self, pool_id: str | None, name: str) -> Any:
        """A threshold: the licence's own, else that of all."""
        pool = self.pools.get(pool_id or "") or self.psls.get(pool_id or "")
        called = set() if pool is None else {pool[k].casefold() for k in ("id", "key", "name", "label") if pool[k]}
        general = self.settings["thresholds"]
        for own in general["licenses"]:
            if own["license"].casefold() in called:
                return general[name] if own[name] is None else own[name]
        return general[name]

    def threshold(self, pool_id: str | None) -> int:
        """Days without a login that make somebody inactive: never longer than the visible history."""
        return min(self.setting(pool_id, "inactive_days"), self.history_days)

    def price(self, pool_id: str) -> tuple[Decimal | None, str | None]:
        row = self.pools.get(pool_id) or self.psls.get(pool_id)
        if row is None:
            return None, None
        return self.price_of({row["key"], row["name"], row["label"]}, pool_id)

    def own_price(self, pool_id: str) -> bool:
        """Whether the customer says what it costs: by the price file, which may say that it is not to be valued, or the contract."""
        row = self.pools.get(pool_id) or self.psls[pool_id]
        called = {row[k].casefold() for k in ("key", "name", "label") if row[k]}
        own = next((p for p in self.prices["own"] if p["product"].casefold() in called), None)
        if own is not None:
            return own["amount"] is not None
        price = self.contract_price(pool_id)
        return price is not None and price[0] is not None

    def price_of(self, names: set[str], pool_id: str = "") -> tuple[Decimal | None, str | None]:
        """The customer's own price of the month, else the contract's, else a list price that held and is to be used."""
        called = {name.casefold() for name in names if name}
        for own in self.prices["own"]:
            if own["product"].casefold() in called:
                return (None if own["amount"] is None else Decimal(own["amount"])), own["currency"]
        found = self.contract_price(pool_id) if pool_id else None
        if found is not None:
            return found
        if pool_id in self.pools and not self.paid(pool_id):
            return None, None
        held = [
            entry
            for entry in self.prices["shipped"]
            if entry["use"]
            and entry.get("amount")
            and {word.casefold() for word in (*entry.get("keys", ()), *entry.get("names", ()))} & called
            and day(entry["effective_from"]) <= self.today
            and (not entry.get("effective_to") or self.today < day(entry["effective_to"]))
        ]
        if held:
            newest = max(held, key=lambda entry: entry["effective_from"])
            return Decimal(newest["amount"]), newest.get("currency", "USD")
        return None, None

    # --- contract --------------------------------------------------------------------------------------------------

    def lines_of(self, pool_id: str) -> list[Row]:
        """The contract's lines about a pool: a name that a user licence has is that licence, else the one add-on's."""
        return [x for x in self.settings["contract"] if pool_id in self._meant(x["license"].casefold())]

    def _meant(self, name: str) -> list[str]:
        found = [p["id"] for p in self.pools.values() if name in {p[k].casefold() for k in ("key", "name", "label")}]
        if found:
            return found
        for field in ("key", "name", "label"):
            found = [p["id"] for p in self.psls.values() if p[field].casefold() == name]
            if found:
                return found if len(found) == 1 else []
        return []

    def lines_in_force(self, pool_id: str) -> list[Row]:
        """Lines whose term today lies in; without one, the last that renews by itself."""
        lines = self.lines_of(pool_id)
        running = [
            x for x in lines if (not x["start"] or day(x["start"]) <= self.today) and self.today <= day(x["end"])
        ]
        if running:
            return running
        over = [x for x in lines if x["auto_renew"] and day(x["end"]) < self.today]
        last = max((x["end"] for x in over), default="")
        return [x for x in over if x["end"] == last]

    def contract_price(self, pool_id: str) -> tuple[Decimal | None, str | None] | None:
        """The lines' average by quantity; in several currencies they have no price together."""
        lines = [x for x in self.lines_in_force(pool_id) if x["unit_price"] is not None]
        if not lines:
            return None
        if len({x["currency"] for x in lines}) > 1:
            return None, None
        seats = sum(x["quantity"] for x in lines)
        if len({x["unit_price"] for x in lines}) == 1 or seats == 0:
            return Decimal(lines[0]["unit_price"]), lines[0]["currency"]
        total = sum((Decimal(x["unit_price"]) * x["quantity"] for x in lines), Decimal(0))
        return (total / seats).quantize(Decimal("0.000001"), ROUND_HALF_UP), lines[0]["currency"]

    def contracted(self, pool_id: str) -> int | None:
        lines = self.lines_in_force(pool_id)
        return sum(x["quantity"] for x in lines) if lines else None

    def seats(self, pool_id: str) -> int:
        """Seats that there are; a negative total is no count, so those in use are all that is known."""
        row = self.pools.get(pool_id) or self.psls[pool_id]
        return row["used"] if row["total"] < 0 else row["total"]

    def paid_for(self, pool_id: str) -> int:
        """Seats of the org that are under contract, or all of them without one; nothing known of a pool without count."""
        contracted = self.contracted(pool_id)
        if contracted is not None:
            return min(self.seats(pool_id), contracted)
        return 0 if (self.pools.get(pool_id) or self.psls[pool_id])["total"] < 0 else self.seats(pool_id)

    def followers(self, pool_id: str, line: Row) -> list[Row]:
        """Lines that begin when this one ends, or on the next day, and have not begun: those of its product first.

        Where several lines end on a day, one of another product is not followed by that product's successor.
        """
        lines, end = self.lines_of(pool_id), day(line["end"])
        later = [x for x in lines if x["start"] and day(x["start"]) > self.today and day(x["end"]) > end]
        later = [x for x in later if 0 <= (day(x["start"]) - end).days <= 1]
        taken = {x["sku"] for x in lines if x["end"] == line["end"] and x["sku"] != line["sku"]}
        same = [x for x in later if x["sku"] == line["sku"]]
        return same or [x for x in later if x["sku"] not in taken]

    def renewing(self, pool_id: str) -> list[Row]:
        """Lines at whose end seats can be given back: those in force, or the last that follow them."""
        chain = list(self.lines_in_force(pool_id))
        for line in chain:
            chain += [x for x in self.followers(pool_id, line) if x not in chain]
        return [line for line in chain if not self.followers(pool_id, line)]

    def ends(self, pool_id: str, seats: int) -> int:
        """How many of these seats the last terms still have."""
        lines = self.renewing(pool_id)
        return min(seats, sum(x["quantity"] for x in lines)) if lines else seats

    def minimum(self, pool_id: str) -> int:
        return sum(x["minimum_quantity"] for x in self.renewing(pool_id))

    def holder(self, grant: Row) -> Row | None:
        """Whose grant it is; None for a user whom the connected one cannot see."""
        return self.users.get(grant["user"])

    # --- people ----------------------------------------------------------------------------------------------------

    def created(self, user: Row) -> datetime:
        return instant(user["created_at"])

    def holders(self, pool_id: str) -> list[Row]:
        return [u for u in self.users.values() if u["active"] and u["license"] == pool_id]

    def seat_holders(self) -> list[Row]:
        """Active users on a paid licence."""
        return [u for u in self.users.values() if u["active"] and self.paid(u["license"])]

    def ago(self, days: int) -> datetime:
        return self.t0 - timedelta(days=days)

    def last(self, user: str, kinds: set[str] | None = None) -> datetime | None:
        """The last successful login of these kinds that the history shows."""
        found = [instant(row["last"]) for row in self.rows[user] if kinds is None or row["kind"] in kinds]
        return max(found, default=None)

    def last_login_date(self, user: Row) -> datetime | None:
        return None if user["last_login_at"] is None else instant(user["last_login_at"])

    def seen(self, user: Row) -> datetime | None:
        """The later of LastLoginDate and the history, in person or by software; other logins where nothing else is known."""
        found = [at for at in (self.last_login_date(user), self.last(user["id"], OF_ONES_OWN | SOFTWARE)) if at]
        return max(found, default=None) or self.last(user["id"])

    def within(self, user: str, kinds: set[str], days: int) -> bool:
        last = self.last(user, kinds)
        return last is not None and last > self.ago(days)

    def days_of(self, user: str, kinds: set[str]) -> set[int]:
        """How many days ago there was a login of these kinds: 0 is the day of the audit (UTC)."""
        found: set[int] = set()
        for row in self.rows[user]:
            if row["kind"] in kinds:
                bits = int(row["days"], 16)
                found |= {i for i in range(189) if bits >> i & 1}
        return found

    def logins_in_weeks(self, user: str, kinds: set[str] | None, weeks: int) -> int:
        return sum(sum(r["weeks"][:weeks]) for r in self.rows[user] if kinds is None or r["kind"] in kinds)

    def reactivated(self, user: Row) -> bool:
        """Deactivated at an earlier audit, and active again."""
        return user["active"] and any(seen["user"] == user["id"] for seen in self.history["deactivated"])
