"""A bundle is itself to the byte: anything else is refused, naming the file, and anybody's machine gives the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.audit.evidence.bundle import MANIFEST, BundleInvalid, canonical, fingerprint_of, manifest_of, zipped
from isthmus.audit.evidence.verify import MadeByAnother, verify_bundle, verify_files
from tests.unit.audit import orgs

FACTS = ("reading.json", "licenses.jsonl", "psls.jsonl", "psl_assigns.jsonl", "users.jsonl", "logins.jsonl")
DECISIONS = ("prices.json", "settings.json", "history.json")
ROOT = Path(__file__).parents[3]
DIGEST = """
import sys
from hashlib import sha256
from pathlib import Path
from isthmus.audit.evidence.verify import verify_bundle
from tests.unit.audit import orgs
for make in (orgs.everything, orgs.plain, orgs.pseudonymous, orgs.blind):
    judged = make()
    for name, content in sorted({**judged.documents, **judged.bundle}.items()):
        print(make.__name__, name, sha256(content).hexdigest())
print(verify_bundle(Path(sys.argv[1])).fingerprint)
"""


@cache
def bundle() -> dict[str, bytes]:
    return dict(orgs.everything().bundle)


@cache
def tiny() -> dict[str, bytes]:
    return dict(orgs.empty().bundle)


def refused(files: dict[str, bytes], name: str, fingerprint: str | None = None) -> bool:
    """Whether the bundle is refused, and the refusal names the file."""
    try:
        verify_files(files, fingerprint)
    except BundleInvalid as invalid:
        return str(invalid).startswith(name)
    return False


@pytest.mark.parametrize("name", sorted(tiny()))
def test_every_single_byte_of_a_tiny_bundle_counts(name: str) -> None:
    content = tiny()[name]
    passed: list[int] = []
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 + position % 255
        if not refused({**tiny(), name: bytes(changed)}, name):
            passed.append(position)
    assert passed == []


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_change_to_any_file_is_refused_naming_it(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(bundle())))
    content = bundle()[name]
    at = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.sampled_from(["replace", "insert", "remove", "cut", "lines"]))
    byte = bytes([data.draw(st.integers(0, 255))])
    lines = content.splitlines(keepends=True)
    changed = {
        "replace": content[:at] + byte + content[at + 1 :],
        "insert": content[:at] + byte + content[at:],
        "remove": content[:at] + content[at + 1 :],
        "cut": content[:at],
        "lines": b"".join(lines[at % len(lines) :] + lines[: at % len(lines)]),
    }[how]
    if changed != content:
        assert refused({**bundle(), name: changed}, name)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_fact_price_or_setting_under_a_new_manifest_is_caught_by_the_printed_fingerprint(
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from([*FACTS, *DECISIONS]))
    content = bundle()[name]
    at = data.draw(st.integers(0, len(content) - 1))
    changed = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
    files = {**bundle(), name: changed}
    files[MANIFEST] = canonical(manifest_of(files))
    assert refused(files, MANIFEST, fingerprint_of(bundle()))


def test_a_changed_bundle_is_named_from_a_folder_and_from_a_zip(tmp_path: Path) -> None:
    files = {**bundle(), "users.jsonl": bundle()["users.jsonl"].replace(b"Nora", b"Nara")}
    folder = written(files, tmp_path / "b")
    packed = tmp_path / "b.zip"
    packed.write_bytes(zipped(files))
    for place in (folder, packed):
        with pytest.raises(BundleInvalid, match=r"users\.jsonl has been changed"):
            verify_bundle(place)


ELSEWHERE = {
    "east": {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1", "PYTHONUTF8": "0"},
    "west": {"TZ": "America/Los_Angeles", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "4242", "LANG": "tr_TR.UTF-8"},
}


@pytest.mark.parametrize("machine", ELSEWHERE)
def test_another_machine_s_zone_locale_seed_umask_and_folder_give_the_same_bytes(tmp_path: Path, machine: str) -> None:
    """All documents and bundles of four orgs are made again there, and a bundle that was carried there verifies."""
    place = written(bundle(), tmp_path / "carried over" / "bundle-é")
    for file in place.iterdir():
        file.chmod(0o444)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(elsewhere), "PYTHONPATH": str(ROOT), **ELSEWHERE[machine]}
    done = subprocess.run(
        [sys.executable, "-c", DIGEST, place],
        env=environment,
        cwd=elsewhere,
        umask=0o077,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == here()


@cache
def here() -> str:
    lines: list[str] = []
    for make in (orgs.everything, orgs.plain, orgs.pseudonymous, orgs.blind):
        judged = make()
        for name, content in sorted({**judged.documents, **judged.bundle}.items()):
            lines.append(f"{make.__name__} {name} {sha256(content).hexdigest()}")
    return "\n".join([*lines, fingerprint_of(bundle()), ""])


def test_a_bundle_carried_by_other_tools_verifies(tmp_path: Path) -> None:
    """Packed by Python's own archiver with other times, and unpacked again."""
    folder = written(bundle(), tmp_path / "one" / "bundle")
    packed = shutil.make_archive(str(tmp_path / "again"), "zip", folder.parent, "bundle")
    shutil.unpack_archive(packed, tmp_path / "two")
    assert verify_bundle(Path(packed)).fingerprint == verify_bundle(tmp_path / "two" / "bundle").fingerprint


def test_an_archive_with_a_file_twice_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "b.zip"
    packed.write_bytes(zipped(bundle()))
    with zipfile.ZipFile(packed, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the archiver, about just this
        archive.writestr("bundle/users.jsonl", bundle()["users.jsonl"])
    with pytest.raises(BundleInvalid):
        verify_bundle(packed)


def of_another_version(more: dict[str, bytes]) -> dict[str, bytes]:
    made = bundle()["figures.json"].replace(b'"isthmus 0.1.0"', b'"isthmus 9.0.1"')
    files = {**bundle(), "figures.json": made, **more}
    return {**files, MANIFEST: canonical(manifest_of(files))}


@pytest.mark.parametrize("changed", [{}, {"settings.json": b'{"of": "another form"}'}])
def test_a_bundle_of_another_version_is_told_apart_from_a_changed_one(changed: dict[str, bytes]) -> None:
    with pytest.raises(MadeByAnother, match=r"made by isthmus 9\.0\.1, and this is isthmus 0\.1\.0") as told:
        verify_files(of_another_version(changed))
    assert "could not be checked" in str(told.value)
    assert told.value.remedy.startswith("Verify it with isthmus 9.0.1.")


def test_the_fingerprint_can_be_recomputed_with_standard_tools() -> None:
    manifest = json.loads(bundle()[MANIFEST])
    said = json.dumps([manifest["format"], manifest["files"]], separators=(",", ":"), ensure_ascii=False) + "\n"
    assert sha256(said.encode()).hexdigest() == manifest["fingerprint"]


def written(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
