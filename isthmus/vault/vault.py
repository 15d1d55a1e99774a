"""Sealing and opening the secrets of one place under a data key of its own, which the key provider wraps."""

from __future__ import annotations

from typing import Final, final
from uuid import UUID

from isthmus.values import Purpose, Secret
from isthmus.vault.keys import KeyProvider, RandomBytes
from isthmus.vault.sealed import KEY_BYTES, KEY_ID_BYTES, NONCE_BYTES, AeadKey, Part, Place, SealBroken

CANARY_PLACE: Final = Place(UUID(int=0), UUID(int=0), Purpose.AUDIT, 0)
_CANARY: Final = b"isthmus: this key opens this database"


class WrongKey(Exception):
    """The key opens nothing of this database; the message says what to do."""


@final
class DataKey:
    """The key of one place and generation. `wrapped` is how it is stored."""

    __slots__ = ("_key", "_place", "_random_bytes", "wrapped")

    def __init__(self, key: AeadKey, wrapped: bytes, place: Place, random_bytes: RandomBytes) -> None:
        """Made by `Vault` only."""
        self._key = key
        self._place = place
        self._random_bytes = random_bytes
        self.wrapped = wrapped

    def seal(self, secret: Secret, part: Part) -> bytes:
        """Return the envelope of one secret of the place."""
        return self._key.seal(secret, self._place, part, nonce=self._random_bytes(NONCE_BYTES))

    def open(self, envelope: bytes, part: Part) -> Secret:
        """Return one secret of the place. Raises `SealBroken`."""
        return self._key.open(envelope, self._place, part)


class Vault:
    """The only maker and opener of envelopes."""

    def __init__(self, keys: KeyProvider, random_bytes: RandomBytes) -> None:
        """Take where the key-encryption key is kept, and the source of randomness."""
        self._keys = keys
        self._random_bytes = random_bytes

    @property
    def keys(self) -> KeyProvider:
        """Where the key-encryption key is kept."""
        return self._keys

    async def new_data_key(self, place: Place) -> DataKey:
        """Return a fresh data key: each generation of each place has one, so no key sees many uses."""
        key_id, key = self._random_bytes(KEY_ID_BYTES), self._random_bytes(KEY_BYTES)
        wrapped = await self._keys.wrap(Secret(key_id + key), place, Part.DATA_KEY)
        return DataKey(AeadKey(key_id, Secret(key)), wrapped, place, self._random_bytes)

    async def data_key(self, wrapped: bytes, place: Place) -> DataKey:
        """Return the data key of a place. Raises `SealBroken`."""
        content = (await self._keys.unwrap(wrapped, place, Part.DATA_KEY)).reveal()
        if len(content) != KEY_ID_BYTES + KEY_BYTES:
            message = "the envelope holds no data key"
            raise SealBroken(message)
        key = AeadKey(content[:KEY_ID_BYTES], Secret(content[KEY_ID_BYTES:]))
        return DataKey(key, wrapped, place, self._random_bytes)

    async def rewrap(self, wrapped: bytes, place: Place) -> bytes:
        """Return the same data key wrapped under the current key-encryption key. Raises `SealBroken`."""
        return await self._keys.wrap(await self._keys.unwrap(wrapped, place, Part.DATA_KEY), place, Part.DATA_KEY)

    async def canary(self) -> bytes:
        """Return a known text sealed under the current key, for the database to keep."""
        return await self._keys.wrap(Secret(_CANARY), CANARY_PLACE, Part.CANARY)

    async def check_canary(self, envelope: bytes) -> None:
        """Raise `WrongKey` if the key is not the one that this database was made with."""
        try:
            opened = await self._keys.unwrap(envelope, CANARY_PLACE, Part.CANARY)
        except SealBroken:
            opened = None
        if opened is None or opened.reveal() != _CANARY:
            message = (
                "the key does not belong to this database: no stored token opens with it. Put the key file of this "
                "installation back from its backup, or set ISTHMUS_KEY_FILE to where it is."
            )
            raise WrongKey(message)
