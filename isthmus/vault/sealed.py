"""The one form in which a secret is stored: an envelope, bound to the place that it belongs to.

    magic "ISTH" | version 1 | key id (8 bytes) | nonce (12) | ciphertext | tag (16)

AES-256-GCM; the associated data names tenant, connection, purpose, key id and generation, so an envelope opens nowhere
but in the row, column and generation that it was sealed for. There is no un-enveloped form and no fallback.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from isthmus.values import Purpose, Secret

MAGIC: Final = b"ISTH\x01"
KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 8
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
HEADER_BYTES: Final = len(MAGIC) + KEY_ID_BYTES + NONCE_BYTES
GENERATION_BYTES: Final = 8


class Part(StrEnum):
    """Which secret of a place: two secrets of one row cannot change places either."""

    DATA_KEY = "data key"
    REFRESH_TOKEN = "refresh token"  # noqa: S105 a name, not a password
    ACCESS_TOKEN = "access token"  # noqa: S105 a name, not a password
    CLIENT_SECRET = "client secret"  # noqa: S105 a name, not a password
    VERIFIER = "verifier"
    CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret belongs. `generation` rises each time the secrets of the place are replaced."""

    tenant: UUID
    connection: UUID
    purpose: Purpose
    generation: int

    def associated_data(self, part: Part, key_id: bytes) -> bytes:
        """Return the bytes that an envelope is bound to: fixed-width fields and one length-prefixed text."""
        label = f"{self.purpose.value}/{part.value}".encode()
        return b"".join(
            (
                MAGIC,
                self.tenant.bytes,
                self.connection.bytes,
                len(label).to_bytes(1, "big"),
                label,
                key_id,
                self.generation.to_bytes(GENERATION_BYTES, "big"),
            )
        )


class SealBroken(Exception):
    """An envelope that does not open here: changed, moved, put back from earlier, or sealed under another key."""


@final
class AeadKey:
    """A 256-bit key with its id. Shows nothing of itself."""

    __slots__ = ("_cipher", "id")

    def __init__(self, key_id: bytes, key: Secret) -> None:
        """Take a key of 32 bytes and an id of 8."""
        if len(key.reveal()) != KEY_BYTES or len(key_id) != KEY_ID_BYTES:
            message = "a key has 32 bytes and its id 8"
            raise ValueError(message)
        self.id = key_id
        self._cipher = AESGCM(key.reveal())

    def __repr__(self) -> str:
        """Show that there is a key."""
        return "<AeadKey>"

    def seal(self, secret: Secret, place: Place, part: Part, *, nonce: bytes) -> bytes:
        """Return the envelope of `secret` at `place`. `nonce`: 12 fresh random bytes."""
        if len(nonce) != NONCE_BYTES:
            message = "a nonce has 12 bytes"
            raise ValueError(message)
        body = self._cipher.encrypt(nonce, secret.reveal(), place.associated_data(part, self.id))
        return MAGIC + self.id + nonce + body

    def open(self, envelope: bytes, place: Place, part: Part) -> Secret:
        """Return the secret. Raises `SealBroken`."""
        if envelope_key_id(envelope) != self.id:
            message = "the envelope was sealed under another key"
            raise SealBroken(message)
        nonce = envelope[HEADER_BYTES - NONCE_BYTES : HEADER_BYTES]
        try:
            opened = self._cipher.decrypt(nonce, envelope[HEADER_BYTES:], place.associated_data(part, self.id))
        except InvalidTag:
            message = "the envelope does not open at this place"
            raise SealBroken(message) from None
        return Secret(opened)


def envelope_key_id(envelope: bytes) -> bytes:
    """Return the id of the key that an envelope names. Raises `SealBroken` if it is no envelope."""
    if len(envelope) < HEADER_BYTES + TAG_BYTES or not envelope.startswith(MAGIC):
        message = "not an envelope"
        raise SealBroken(message)
    return envelope[len(MAGIC) : len(MAGIC) + KEY_ID_BYTES]
