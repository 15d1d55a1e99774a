"""The key file: made once, ours alone, never replaced, never guessed; and what is sealed under it."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from uuid import uuid4

import pytest

from isthmus.values import Purpose, Secret
from isthmus.vault.keys import (
    FileKeys,
    KeyMissing,
    KeyUnusable,
    create_key_file,
    key_file_facts,
    next_key_file,
    read_key_file,
)
from isthmus.vault.sealed import Part, Place, SealBroken
from isthmus.vault.vault import Vault, WrongKey

PLACE = Place(uuid4(), uuid4(), Purpose.SYNC, 1)


def made(path: Path) -> FileKeys:
    create_key_file(path, secrets.token_bytes)
    return FileKeys.load(path, secrets.token_bytes)


def test_a_new_key_file_has_32_random_bytes_that_only_its_owner_may_read(tmp_path: Path):
    create_key_file(tmp_path / "k" / "key", secrets.token_bytes)
    facts = (tmp_path / "k" / "key").stat()
    assert (stat.S_IMODE(facts.st_mode), facts.st_size) == (0o600, 32)
    assert key_file_facts(tmp_path / "k" / "key").mode_octal == "0600"


def test_a_key_file_is_never_overwritten(tmp_path: Path):
    create_key_file(tmp_path / "key", secrets.token_bytes)
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(KeyUnusable, match="never overwritten"):
        create_key_file(tmp_path / "key", secrets.token_bytes)
    assert (tmp_path / "key").read_bytes() == before


def test_a_missing_key_file_is_named_with_the_remedy(tmp_path: Path):
    with pytest.raises(KeyMissing, match=r"backup, or set ISTHMUS_KEY_FILE"):
        FileKeys.load(tmp_path / "key", secrets.token_bytes)
    assert key_file_facts(tmp_path / "key").mode_octal == "none"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700 | 0o007])
def test_a_key_file_that_others_may_open_is_refused(tmp_path: Path, mode: int):
    create_key_file(tmp_path / "key", secrets.token_bytes)
    (tmp_path / "key").chmod(mode)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        read_key_file(tmp_path / "key")


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_key_file_of_another_size_is_refused(tmp_path: Path, size: int):
    descriptor = os.open(tmp_path / "key", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, bytes(size))
    os.close(descriptor)
    with pytest.raises(KeyUnusable, match="exactly 32 bytes"):
        read_key_file(tmp_path / "key")


def test_a_link_or_a_folder_is_no_key_file(tmp_path: Path):
    create_key_file(tmp_path / "key", secrets.token_bytes)
    (tmp_path / "link").symlink_to(tmp_path / "key")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder"):
        with pytest.raises(KeyUnusable):
            read_key_file(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_another_owner_is_refused(tmp_path: Path):
    create_key_file(tmp_path / "key", secrets.token_bytes)
    os.chown(tmp_path / "key", 1, 1)
    with pytest.raises(KeyUnusable, match="chown"):
        read_key_file(tmp_path / "key")
    assert not key_file_facts(tmp_path / "key").owner_is_us


async def test_a_vault_opens_what_it_sealed_and_another_key_does_not(tmp_path: Path):
    vault = Vault(made(tmp_path / "key"), secrets.token_bytes)
    data_key = await vault.new_data_key(PLACE)
    sealed = data_key.seal(Secret("token"), Part.ACCESS_TOKEN)
    again = await vault.data_key(data_key.wrapped, PLACE)
    assert again.open(sealed, Part.ACCESS_TOKEN).reveal() == b"token"
    with pytest.raises(SealBroken):
        await Vault(made(tmp_path / "other"), secrets.token_bytes).data_key(data_key.wrapped, PLACE)


async def test_two_data_keys_of_one_place_are_different(tmp_path: Path):
    vault = Vault(made(tmp_path / "key"), secrets.token_bytes)
    first, second = await vault.new_data_key(PLACE), await vault.new_data_key(PLACE)
    with pytest.raises(SealBroken):
        second.open(first.seal(Secret("token"), Part.ACCESS_TOKEN), Part.ACCESS_TOKEN)


async def test_the_canary_tells_the_right_key_from_a_wrong_one(tmp_path: Path):
    vault = Vault(made(tmp_path / "key"), secrets.token_bytes)
    canary = await vault.canary()
    await vault.check_canary(canary)
    other = Vault(made(tmp_path / "other"), secrets.token_bytes)
    with pytest.raises(WrongKey, match="back from its backup"):
        await other.check_canary(canary)
    with pytest.raises(WrongKey):
        await vault.check_canary(b"")


async def test_during_a_rotation_both_keys_open_and_the_new_one_seals(tmp_path: Path):
    old = Vault(made(tmp_path / "key"), secrets.token_bytes)
    data_key = await old.new_data_key(PLACE)
    sealed = data_key.seal(Secret("token"), Part.ACCESS_TOKEN)
    create_key_file(next_key_file(tmp_path / "key"), secrets.token_bytes)
    both = Vault(FileKeys.load(tmp_path / "key", secrets.token_bytes), secrets.token_bytes)
    rewrapped = await both.rewrap(data_key.wrapped, PLACE)
    next_key_file(tmp_path / "key").rename(tmp_path / "key")
    new = Vault(FileKeys.load(tmp_path / "key", secrets.token_bytes), secrets.token_bytes)
    assert (await new.data_key(rewrapped, PLACE)).open(sealed, Part.ACCESS_TOKEN).reveal() == b"token"
    with pytest.raises(SealBroken):
        await new.data_key(data_key.wrapped, PLACE)
    with pytest.raises(SealBroken):
        await old.data_key(rewrapped, PLACE)
