"""The viewer's side of a look: a key pair for the occasion, and opening what was sealed to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from isthmus.sync.flow.sealing import (
    ANSWER_INFO,
    NONCE_BYTES,
    NUMBER_BYTES,
    POINT_BYTES,
    BadViewerKey,
    agreed,
    point,
    viewer_key,
)
from isthmus.sync.flow.shown import CarriedOut, Decisions, Shown, ShownPair, ShownRow

_BROKEN: Final = "A message of the look was not sealed to this viewer, or was changed on its way. Look again."
Decoded = TypeVar("Decoded", Shown, CarriedOut)


class LookBroken(Exception):
    """What arrived was not sealed to us, was changed, or is not all of it."""


class Viewer:
    """One look's key pair; it is forgotten with this object."""

    def __init__(self) -> None:
        """Make the key pair."""
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.public = point(self._private.public_key())
        self._messages = 0
        self._answers = 0
        self._sender: bytes | None = None

    def open(self, look: UUID, messages: Iterable[bytes], *, whole: bool = True) -> Iterator[ShownRow | ShownPair]:
        """Yield the rows of a look. Raises `LookBroken` if a message is missing, changed, or not for us.

        Not `whole`: the look is known to have ended early, so its last messages may be missing.
        """
        last = False
        for message in messages:
            shown = self._decoded(self._opened(look, message), Shown)
            yield from shown.rows
            yield from shown.pairs
            last = shown.last
        if whole and not last:
            text = "The look broke off before its end. Look again."
            raise LookBroken(text)

    def answer(self, look: UUID, decisions: Decisions) -> bytes:
        """Seal an answer to the look whose messages were opened. Raises `LookBroken` if none was."""
        if self._sender is None:
            text = "Nothing was shown, so nothing can be decided. Look again."
            raise LookBroken(text)
        key = agreed(
            self._private, viewer_key(self._sender), look, sender=self._sender, viewer=self.public, info=ANSWER_INFO
        )
        number = self._answers.to_bytes(NUMBER_BYTES, "big")
        nonce = self._answers.to_bytes(NONCE_BYTES, "big")
        self._answers += 1
        return number + AESGCM(key).encrypt(nonce, msgspec.json.encode(decisions), number)

    def open_reply(self, look: UUID, message: bytes) -> CarriedOut:
        """Return what became of an answer. Raises `LookBroken`, also if the answer was not understood."""
        return self._decoded(self._opened(look, message), CarriedOut)

    def _opened(self, look: UUID, message: bytes) -> bytes:
        sender, stated = message[:POINT_BYTES], message[POINT_BYTES : POINT_BYTES + NUMBER_BYTES]
        try:
            key = agreed(self._private, viewer_key(sender), look, sender=sender, viewer=self.public)
            nonce = self._messages.to_bytes(NONCE_BYTES, "big")
            plain = AESGCM(key).decrypt(nonce, message[POINT_BYTES + NUMBER_BYTES :], stated)
        except (BadViewerKey, InvalidTag, ValueError):
            raise LookBroken(_BROKEN) from None
        if int.from_bytes(stated, "big") != self._messages or self._sender not in {None, sender}:
            raise LookBroken(_BROKEN)
        self._messages += 1
        self._sender = sender
        return plain

    @staticmethod
    def _decoded(plain: bytes, kind: type[Decoded]) -> Decoded:
        try:
            return msgspec.json.decode(plain, type=kind)
        except msgspec.MsgspecError:
            raise LookBroken(_BROKEN) from None
