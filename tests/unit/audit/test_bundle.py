"""The bundle recomputes to the same bytes anywhere, and any changed byte is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from isthmus.audit.evidence.bundle import MANIFEST, BundleInvalid, canonical, fingerprint_of, manifest_of, zipped
from isthmus.audit.evidence.verify import verify_bundle, verify_files
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import Judged, judge
from isthmus.values import Secret
from tests.unit.audit.world import example


@pytest.fixture(scope="module")
def judged() -> Judged:
    options = AuditOptions(prices=(CustomerPrice("CpqPsl", None, "USD"),))
    return judge(example(12).snapshot(), options, "acme")


def write(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_bundle_verifies_from_folder_and_zip(judged: Judged, tmp_path: Path) -> None:
    folder = write(judged.bundle, tmp_path / "bundle")
    packed = tmp_path / "bundle.zip"
    packed.write_bytes(zipped(judged.bundle))
    first, second = verify_bundle(folder), verify_bundle(packed)
    assert first.report == second.report == judged.report
    assert first.figures > 300
    assert zipped(judged.bundle) == packed.read_bytes()


@pytest.mark.parametrize("name", sorted(judge(example(5).snapshot(), AuditOptions(), "x").bundle))
def test_any_changed_byte_is_refused_naming_the_file(judged: Judged, name: str) -> None:
    content = judged.bundle[name]
    for position in {0, len(content) // 3, len(content) // 2, len(content) - 1}:
        changed = bytearray(content)
        changed[position] ^= 1
        with pytest.raises(BundleInvalid, match=name.replace(".", r"\.")):
            verify_files({**judged.bundle, name: bytes(changed)})


@pytest.mark.parametrize("name", ["users.jsonl", "prices.json", MANIFEST])
def test_a_missing_file_is_named(judged: Judged, name: str) -> None:
    with pytest.raises(BundleInvalid, match=f"{name} is missing"):
        verify_files({k: v for k, v in judged.bundle.items() if k != name})


def test_a_file_that_does_not_belong_is_named(judged: Judged) -> None:
    with pytest.raises(BundleInvalid, match=r"extra\.txt does not belong"):
        verify_files({**judged.bundle, "extra.txt": b""})


@pytest.mark.parametrize(
    ("name", "old", "new", "where"),
    [
        ("figures.json", b'"seats_unused":5', b'"seats_unused":9', "seats_unused"),
        ("licenses.jsonl", b'"total":32', b'"total":99', "seats_purchased"),
        ("settings.json", b'"inactive_days":90', b'"inactive_days":60', "threshold_days"),
        ("prices.json", b'"amount":"175"', b'"amount":"975"', "assumptions"),
    ],
)
def test_a_bundle_with_new_hashes_over_changed_facts_is_refused_naming_the_figure(
    judged: Judged, name: str, old: bytes, new: bytes, where: str
) -> None:
    assert old in judged.bundle[name]
    files = {**judged.bundle, name: judged.bundle[name].replace(old, new, 1)}
    files[MANIFEST] = canonical(manifest_of(files))
    with pytest.raises(BundleInvalid, match=f"figures.json: {where}"):
        verify_files(files)


def test_a_bundle_rebuilt_as_a_whole_differs_from_the_printed_fingerprint(judged: Judged) -> None:
    other = judge(example(13).snapshot(), AuditOptions(), "acme").bundle
    verify_files(other)
    with pytest.raises(BundleInvalid, match="not the bundle that the report was made from"):
        verify_files(other, fingerprint_of(judged.bundle))


def test_the_manifest_s_hashes_are_those_of_standard_tools(judged: Judged) -> None:
    manifest = json.loads(judged.bundle[MANIFEST])
    for entry in manifest["files"]:
        assert entry["sha256"] == sha256(judged.bundle[entry["name"]]).hexdigest()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_another_time_zone_hash_seed_and_locale_give_the_same_bytes(judged: Judged, tmp_path: Path, zone: str) -> None:
    folder = write(judged.bundle, tmp_path / "bundle")
    code = (
        "import sys; from pathlib import Path; from isthmus.audit.evidence.verify import verify_bundle;"
        "print(verify_bundle(Path(sys.argv[1])).fingerprint)"
    )
    environment = {**os.environ, "TZ": zone, "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", code, folder], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == fingerprint_of(judged.bundle)


def test_the_same_snapshot_gives_the_same_documents(judged: Judged) -> None:
    again = judge(example(12).snapshot(), AuditOptions(prices=(CustomerPrice("CpqPsl", None, "USD"),)), "acme")
    assert again.bundle == judged.bundle
    assert again.documents == judged.documents


def test_pseudonyms_hide_every_name_and_change_no_figure(judged: Judged) -> None:
    key = Secret(b"k" * 32)
    hidden = judge(example(12).snapshot(), AuditOptions(pseudonym_key=key), "acme")
    everything = b"".join([*hidden.bundle.values(), hidden.documents["findings.csv"], hidden.documents["report.json"]])
    for word in (b"Nora", b"nora", b"Ivan", b"acme.example"):
        assert word not in everything
    assert hidden.report.pseudonymous
    assert hidden.report.seats_unused == judged.report.seats_unused
    assert verify_files(hidden.bundle)
    same = judge(example(12).snapshot(), AuditOptions(pseudonym_key=Secret(b"k" * 32)), "acme")
    other = judge(example(12).snapshot(), AuditOptions(pseudonym_key=Secret(b"j" * 32)), "acme")
    assert same.bundle == hidden.bundle
    assert other.bundle["users.jsonl"] != hidden.bundle["users.jsonl"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"{}"])
def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "x.zip"
    place.write_bytes(content)
    with pytest.raises(BundleInvalid):
        verify_bundle(place)
    with pytest.raises(BundleInvalid):
        verify_bundle(tmp_path / "nowhere")
