"""An envelope opens where it was sealed, under its key, unchanged, and nowhere else."""

from __future__ import annotations

import itertools
import pickle
import secrets
from dataclasses import replace
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from isthmus.values import Purpose, Secret
from isthmus.vault.sealed import (
    HEADER_BYTES,
    KEY_BYTES,
    KEY_ID_BYTES,
    MAGIC,
    NONCE_BYTES,
    TAG_BYTES,
    AeadKey,
    Part,
    Place,
    SealBroken,
    envelope_key_id,
)

KEY = AeadKey(b"key id 1", Secret(bytes(range(32))))
PLACE = Place(uuid4(), uuid4(), Purpose.SYNC, 7)
NONCE = bytes(NONCE_BYTES)
ENVELOPE = KEY.seal(Secret("5Aep861 the refresh token"), PLACE, Part.REFRESH_TOKEN, nonce=NONCE)


def test_what_was_sealed_opens_at_its_place():
    assert KEY.open(ENVELOPE, PLACE, Part.REFRESH_TOKEN).reveal() == b"5Aep861 the refresh token"


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, tenant=uuid4()),
        replace(PLACE, connection=uuid4()),
        replace(PLACE, purpose=Purpose.AUDIT),
        replace(PLACE, generation=6),
        replace(PLACE, generation=8),
        replace(PLACE, tenant=PLACE.connection, connection=PLACE.tenant),
    ],
)
def test_it_opens_at_no_other_place_or_generation(elsewhere: Place):
    with pytest.raises(SealBroken):
        KEY.open(ENVELOPE, elsewhere, Part.REFRESH_TOKEN)


@pytest.mark.parametrize("part", [part for part in Part if part is not Part.REFRESH_TOKEN])
def test_it_opens_as_no_other_secret_of_the_same_row(part: Part):
    with pytest.raises(SealBroken):
        KEY.open(ENVELOPE, PLACE, part)


def test_fifty_connections_cannot_exchange_their_ciphertexts():
    places = [replace(PLACE, connection=uuid4()) for _ in range(50)]
    sealed = [KEY.seal(Secret("token"), place, Part.ACCESS_TOKEN, nonce=secrets.token_bytes(12)) for place in places]
    opened = 0
    for (i, envelope), (j, place) in itertools.product(enumerate(sealed), enumerate(places)):
        if i == j:
            opened += KEY.open(envelope, place, Part.ACCESS_TOKEN).reveal() == b"token"
            continue
        with pytest.raises(SealBroken):
            KEY.open(envelope, place, Part.ACCESS_TOKEN)
    assert opened == 50


def test_every_flipped_bit_is_noticed():
    for position in range(len(ENVELOPE) * 8):
        changed = bytearray(ENVELOPE)
        changed[position // 8] ^= 1 << (position % 8)
        with pytest.raises(SealBroken):
            KEY.open(bytes(changed), PLACE, Part.REFRESH_TOKEN)


def test_every_truncation_and_extension_is_noticed():
    for length in range(len(ENVELOPE)):
        with pytest.raises(SealBroken):
            KEY.open(ENVELOPE[:length], PLACE, Part.REFRESH_TOKEN)
    with pytest.raises(SealBroken):
        KEY.open(ENVELOPE + b"\0", PLACE, Part.REFRESH_TOKEN)


@given(st.binary(max_size=200))
def test_plaintext_is_never_taken_for_an_envelope(content: bytes):
    with pytest.raises(SealBroken):
        KEY.open(content, PLACE, Part.REFRESH_TOKEN)


def test_another_key_with_the_same_id_does_not_open_it():
    with pytest.raises(SealBroken):
        AeadKey(KEY.id, Secret(bytes(32))).open(ENVELOPE, PLACE, Part.REFRESH_TOKEN)


def test_the_envelope_is_aes_256_gcm_as_documented():
    assert ENVELOPE.startswith(MAGIC + KEY.id + NONCE)
    assert len(ENVELOPE) == HEADER_BYTES + len(b"5Aep861 the refresh token") + TAG_BYTES
    plain = AESGCM(bytes(range(32))).decrypt(
        NONCE, ENVELOPE[HEADER_BYTES:], PLACE.associated_data(Part.REFRESH_TOKEN, KEY.id)
    )
    assert plain == b"5Aep861 the refresh token"
    assert envelope_key_id(ENVELOPE) == KEY.id


def test_the_library_agrees_with_the_known_answer_of_the_gcm_specification():
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16 (AES-256, with associated data).
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    data = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = AESGCM(key).encrypt(bytes.fromhex("cafebabefacedbaddecaf888"), text, data)
    assert sealed[-16:].hex() == "76fc6ece0f4e1768cddf8853bb2d551b"


@pytest.mark.parametrize(("key_id", "key"), [(b"short", bytes(32)), (b"key id 1", bytes(31)), (b"key id 1", b"")])
def test_a_key_of_another_size_is_refused(key_id: bytes, key: bytes):
    with pytest.raises(ValueError, match="32 bytes"):
        AeadKey(key_id, Secret(key))


def test_a_nonce_of_another_size_is_refused():
    with pytest.raises(ValueError, match="12 bytes"):
        KEY.seal(Secret("x"), PLACE, Part.CANARY, nonce=b"")


def test_a_key_shows_nothing_of_itself():
    assert repr(KEY) == "<AeadKey>"
    with pytest.raises(TypeError):
        pickle.dumps(Secret("x"))


def test_sizes_are_those_of_the_standard():
    assert (KEY_BYTES, KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES) == (32, 8, 12, 16)
