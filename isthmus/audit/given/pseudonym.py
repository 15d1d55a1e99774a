"""Names replaced by keyed hashes, before anything is judged, printed or kept. The key stays with the operator.

The same key gives the same pseudonyms, so reports can be compared; without it nobody can go back by trying names.
Record ids stay: they lead back to a person only for those who may log in to the org.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

import msgspec

from isthmus.audit.model import UserRow
from isthmus.audit.people import normal_email, normal_number
from isthmus.audit.snapshot import Snapshot
from isthmus.values import Secret

TAG_LENGTH = 12
DOMAIN = "pseudonym.invalid"


def pseudonymise(snapshot: Snapshot, key: Secret) -> Snapshot:
    """Return the snapshot without names, e-mail addresses and numbers of people."""
    return Snapshot(
        reading=msgspec.structs.replace(snapshot.reading, pseudonymous=True),
        licenses=snapshot.licenses,
        psls=snapshot.psls,
        assigns=snapshot.assigns,
        users=tuple(_pseudonym(row, key) for row in snapshot.users),
        logins=snapshot.logins,
    )


def _pseudonym(row: UserRow, key: Secret) -> UserRow:
    federation, number = (row.federation_id or "").strip().casefold(), normal_number(row.employee_number or "")
    person = _tag(row.username or row.id, "user", key)
    return msgspec.structs.replace(
        row,
        name=f"Person {person}",
        username=f"{person}@{DOMAIN}",
        email=f"{_tag(normal_email(row.email), 'email', key)}@{DOMAIN}" if row.email else "",
        federation_id=_tag(federation, "federation", key) if federation else None,
        employee_number=_tag(number, "employee", key) if number else None,
    )


def _tag(text: str, kind: str, key: Secret) -> str:
    return hmac.new(key.reveal(), f"{kind}:{text}".encode(), sha256).hexdigest()[:TAG_LENGTH]
