"""Rows on their way to the one person who looks at them: sealed in the mover to a key that only that person has.

The viewer makes a key pair of the curve P-256 (every browser and every language has it) for one look, and sends the
public half along. Each message is

    sender's public key (65 bytes, uncompressed) · number of the message (4 bytes, from 0) · AES-256-GCM of JSON

with key = HKDF-SHA256 of the ECDH secret, 32 bytes, no salt, info = `INFO` · look's id (16 bytes) · sender's public key
· viewer's public key; nonce = number of the message in 12 bytes; the number itself is authenticated as well. The
sender's key is new for each look and dies with the mover: only the viewer can ever open what portal and worker relay.

What the viewer answers goes the same way back: number (4 bytes, from 0) · AES-256-GCM, with a key of the same secret
and the info `ANSWER_INFO`. So nobody but the viewer can decide, and no answer counts twice.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

POINT_BYTES: Final = 65
NUMBER_BYTES: Final = 4
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
INFO: Final = b"isthmus inspect 1"
ANSWER_INFO: Final = b"isthmus decide 1"


class BadViewerKey(Exception):
    """The viewer's public key is no uncompressed point of the curve P-256."""


class BadAnswer(Exception):
    """Not an answer of this look's viewer, or not the next one."""


class Sealer:
    """Seals messages for one viewer of one look, and opens what that viewer answers."""

    def __init__(self, viewer: bytes, look: UUID) -> None:
        """Agree on a key with `viewer`, an uncompressed point of P-256. Raises `BadViewerKey`."""
        theirs = viewer_key(viewer)
        ours = ec.generate_private_key(ec.SECP256R1())
        self._public = point(ours.public_key())
        self._aead = AESGCM(agreed(ours, theirs, look, sender=self._public, viewer=viewer))
        self._answers = AESGCM(agreed(ours, theirs, look, sender=self._public, viewer=viewer, info=ANSWER_INFO))
        self._number = 0
        self._answered = 0

    def seal(self, plain: bytes) -> bytes:
        """Return the next message."""
        number = self._number.to_bytes(NUMBER_BYTES, "big")
        sealed = self._aead.encrypt(self._number.to_bytes(NONCE_BYTES, "big"), plain, number)
        self._number += 1
        return self._public + number + sealed

    def open_answer(self, unverified_message: bytes) -> bytes:
        """Return what the viewer said; each answer opens once, and in its order. Raises `BadAnswer`."""
        number, sealed = unverified_message[:NUMBER_BYTES], unverified_message[NUMBER_BYTES:]
        nonce = self._answered.to_bytes(NONCE_BYTES, "big")
        try:
            plain = self._answers.decrypt(nonce, sealed, number)
        except (InvalidTag, ValueError):
            message = "the answer was not sealed by the viewer of this look"
            raise BadAnswer(message) from None
        self._answered += 1
        return plain


def viewer_key(unverified_point: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public key of 65 bytes. Raises `BadViewerKey`."""
    if len(unverified_point) == POINT_BYTES:
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unverified_point)
        except ValueError:
            pass
    message = f"the viewer's key is no uncompressed point of P-256 ({POINT_BYTES} bytes)"
    raise BadViewerKey(message)


def agreed(
    ours: ec.EllipticCurvePrivateKey,
    theirs: ec.EllipticCurvePublicKey,
    look: UUID,
    *,
    sender: bytes,
    viewer: bytes,
    info: bytes = INFO,
) -> bytes:
    """Return the key that both sides come to; `info` is that of its direction."""
    secret = ours.exchange(ec.ECDH(), theirs)
    return HKDF(SHA256(), KEY_BYTES, None, info + look.bytes + sender + viewer).derive(secret)


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key as an uncompressed point."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
