"""Where the key-encryption key is kept. Without a usable key nothing starts: no mode without encryption exists."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from isthmus.values import Secret
from isthmus.vault.sealed import KEY_BYTES, KEY_ID_BYTES, NONCE_BYTES, AeadKey, Part, Place, SealBroken, envelope_key_id

RandomBytes: TypeAlias = Callable[[int], bytes]
OTHERS: Final = 0o077
NEXT_SUFFIX: Final = ".next"
"""The new key while a rotation is under way lies beside the old one; each envelope names the key it needs."""


class KeyMissing(Exception):
    """There is no key where it should be; the message says where, and what to do."""


class KeyUnusable(Exception):
    """The key file is there but must not be used; the message says why, and what to do."""


class KeyProvider(Protocol):
    """Wraps and unwraps data keys. An implementation never hands out the key-encryption key itself."""

    @property
    def mode(self) -> str:
        """How the key is kept, for the trust page."""
        ...

    @property
    def key_id(self) -> str:
        """The id of the key that new envelopes are sealed under, in hex."""
        ...

    async def wrap(self, secret: Secret, place: Place, part: Part) -> bytes:
        """Return an envelope under the current key."""
        ...

    async def unwrap(self, envelope: bytes, place: Place, part: Part) -> Secret:
        """Return what an envelope holds. Raises `SealBroken`."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFileFacts:
    """What the trust page says of the key file."""

    mode_octal: str
    owner_is_us: bool


class FileKeys:
    """The key in a file of 32 random bytes, mode 0600, outside the data directory: the default of one machine."""

    def __init__(self, keys: tuple[AeadKey, ...], random_bytes: RandomBytes) -> None:
        """Take the current key first; further keys only open what is still sealed under them."""
        self._keys = keys
        self._random_bytes = random_bytes

    @classmethod
    def load(cls, path: Path, random_bytes: RandomBytes) -> FileKeys:
        """Read the key file, and the next one where a rotation is under way. Raises `KeyMissing`, `KeyUnusable`."""
        keys = [_key_of(read_key_file(path))]
        following = next_key_file(path)
        if following.exists():
            keys.insert(0, _key_of(read_key_file(following)))
        return cls(tuple(keys), random_bytes)

    @property
    def mode(self) -> str:
        """How the key is kept, for the trust page."""
        return "key file"

    @property
    def key_id(self) -> str:
        """The id of the current key, in hex."""
        return self._keys[0].id.hex()

    async def wrap(self, secret: Secret, place: Place, part: Part) -> bytes:
        """Return an envelope under the current key."""
        return self._keys[0].seal(secret, place, part, nonce=self._random_bytes(NONCE_BYTES))

    async def unwrap(self, envelope: bytes, place: Place, part: Part) -> Secret:
        """Return what an envelope holds. Raises `SealBroken`."""
        wanted = envelope_key_id(envelope)
        for key in self._keys:
            if key.id == wanted:
                return key.open(envelope, place, part)
        message = "the envelope was sealed under a key that is not here"
        raise SealBroken(message)


def next_key_file(path: Path) -> Path:
    """Return where the new key lies while a rotation is under way."""
    return path.with_name(path.name + NEXT_SUFFIX)


def create_key_file(path: Path, random_bytes: RandomBytes) -> None:
    """Make a new key. Raises `KeyUnusable` if a file is there already: a key is never overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        message = f"a key file is there already: {path}. It is never overwritten; move it away if it is not wanted."
        raise KeyUnusable(message) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(random_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())


def read_key_file(path: Path) -> Secret:
    """Return the key of a file that only its owner, who is us, may read. Raises `KeyMissing`, `KeyUnusable`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        message = (
            f"the key file is missing: {path}. Without it no stored token can be opened. Put it back from its backup, "
            "or set ISTHMUS_KEY_FILE to where it is."
        )
        raise KeyMissing(message) from None
    except OSError:
        message = f"the key file cannot be opened: {path}. It must be a regular file of ours, not a link, mode 0600."
        raise KeyUnusable(message) from None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            message = f"the key file is not a regular file of ours: {path}. Run: chown {os.geteuid()} {path}"
            raise KeyUnusable(message)
        if facts.st_mode & OTHERS:
            message = f"others may open the key file {path}. Run: chmod 600 {path}"
            raise KeyUnusable(message)
        content = os.read(descriptor, KEY_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) != KEY_BYTES:
        message = (
            f"the key file {path} does not hold exactly {KEY_BYTES} bytes. Put the right one back from its backup."
        )
        raise KeyUnusable(message)
    return Secret(content)


def key_file_facts(path: Path) -> KeyFileFacts:
    """Return what the trust page says of the key file; a file that is gone has no mode and no owner."""
    try:
        facts = path.lstat()
    except OSError:
        return KeyFileFacts("none", owner_is_us=False)
    return KeyFileFacts(f"{stat.S_IMODE(facts.st_mode):04o}", facts.st_uid == os.geteuid())


def _key_of(key: Secret) -> AeadKey:
    return AeadKey(hashlib.sha256(b"isthmus key id\0" + key.reveal()).digest()[:KEY_ID_BYTES], key)
