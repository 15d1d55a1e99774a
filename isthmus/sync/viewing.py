"""The viewer's side of a look: a key pair for the occasion, and opening what was sealed to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from isthmus.sync.flow.inspect import Shown, ShownRow
from isthmus.sync.flow.sealing import NONCE_BYTES, NUMBER_BYTES, POINT_BYTES, BadViewerKey, agreed, point, viewer_key


class LookBroken(Exception):
    """What arrived was not sealed to us, was changed, or is not all of it."""


class Viewer:
    """One look's key pair; it is forgotten with this object."""

    def __init__(self) -> None:
        """Make the key pair."""
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.public = point(self._private.public_key())

    def open(self, look: UUID, messages: Iterable[bytes], *, whole: bool = True) -> Iterator[ShownRow]:
        """Yield the rows of a look. Raises `LookBroken` if a message is missing, changed, or not for us.

        Not `whole`: the look is known to have ended early, so its last messages may be missing.
        """
        number, last = 0, False
        for message in messages:
            shown = self._opened(look, message, number)
            yield from shown.rows
            number, last = number + 1, shown.last
        if whole and not last:
            text = "The look broke off before its end. Look again."
            raise LookBroken(text)

    def _opened(self, look: UUID, message: bytes, number: int) -> Shown:
        sender, stated = message[:POINT_BYTES], message[POINT_BYTES : POINT_BYTES + NUMBER_BYTES]
        try:
            key = agreed(self._private, viewer_key(sender), look, sender=sender, viewer=self.public)
            nonce = number.to_bytes(NONCE_BYTES, "big")
            plain = AESGCM(key).decrypt(nonce, message[POINT_BYTES + NUMBER_BYTES :], stated)
            if int.from_bytes(stated, "big") == number:
                return msgspec.json.decode(plain, type=Shown)
        except (BadViewerKey, InvalidTag, msgspec.MsgspecError, ValueError):
            pass
        text = "A message of the look was not sealed to this viewer, or was changed on its way. Look again."
        raise LookBroken(text)
