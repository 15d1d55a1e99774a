"""The mover's lockdown: every known way out is tried from inside, with the same attempts unconfined as the control."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from isthmus.sandbox.libc import syscall_numbers
from isthmus.sandbox.packets import packet_pair
from isthmus.sandbox.report import ExitKind, MoverFailure, Probe, SandboxReport
from isthmus.sandbox.seccomp import ALLOWED, compile_filter
from isthmus.sandbox.spawn import MoverLimits, MoverRefused, mover_command, spawn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the lockdown exists on Linux only")

HERE = Path(__file__).parent
PYTHON = (sys.executable, "-I", "-B", "-X", "utf8")

sys.path.insert(0, str(HERE))
import holes  # noqa: E402

HOLE_NAMES = list(holes.holes(Path(), Path()))
# What an ordinary container may refuse by itself, so that no control is possible there.
HOST_MAY_REFUSE = {
    "store a key",
    "set up io_uring",
    "make a user namespace",
    "trace",
    "write into a process",
    "set an attribute",
    "make an unnamed file",
    "pass a descriptor on",
    "signal the parent",
}


async def nobody_dials(_endpoint: int) -> object:
    raise IndexError


async def run(command: tuple[str, ...], job: bytes, *, allow_no_sandbox: bool = False):
    ours, theirs = packet_pair()
    with ours:
        async with spawn(
            command,
            job,
            dial=nobody_dials,
            lease_socket=theirs,
            limits=MoverLimits(),
            allow_no_sandbox=allow_no_sandbox,
        ) as mover:
            messages = [message async for message in mover.messages()]
            return mover.sandbox, messages, await mover.exit()


@pytest.fixture(scope="module")
def unconfined(tmp_path_factory) -> dict[str, bool]:
    folder = tmp_path_factory.mktemp("control")
    printed = subprocess.run(
        [sys.executable, HERE / "holes.py", folder], check=True, capture_output=True, text=True, timeout=60
    )
    return json.loads(printed.stdout)


@pytest.fixture(scope="module")
def confined(tmp_path_factory) -> dict[str, bool]:
    folder = tmp_path_factory.mktemp("confined")
    (folder / "victim").write_text("victim")
    _, messages, ended = asyncio.run(run((*PYTHON, str(HERE / "confined_holes.py")), str(folder).encode()))
    assert ended.kind is ExitKind.DONE
    assert [path.name for path in folder.iterdir()] == ["victim"]
    return json.loads(messages[0])


@pytest.mark.parametrize("name", HOLE_NAMES)
def test_a_locked_down_mover_cannot(name, confined, unconfined):
    assert confined[name] is False
    if name not in HOST_MAY_REFUSE:
        assert unconfined[name] is True, "the control failed: this attempt proves nothing"


async def test_the_mover_reports_its_confinement_before_it_works(tmp_path):
    (tmp_path / "victim").write_text("victim")
    report, _, _ = await run((*PYTHON, str(HERE / "confined_holes.py")), str(tmp_path).encode())
    assert report.confined
    assert not report.withdrawn
    assert report.landlock_abi >= 1
    assert (report.seccomp_mode, report.no_new_privs, report.dumpable) == (2, 1, 0)
    assert (report.core_limit, report.file_size_limit, report.processes_limit) == (0, 0, 0)
    assert report.threads == 1
    # 0 to 2, three sockets of ours, epoll, the loop's own pair and our own status file: nothing else is open.
    assert report.descriptors == 10
    assert report.tried == report.refused == (1 << len(Probe)) - 1


async def test_without_landlock_no_mover_runs():
    command = (*PYTHON, str(HERE / "blocked_landlock.py"), *mover_command(loopback=True, ca_file=None))
    with pytest.raises(MoverRefused, match="ISTHMUS_ALLOW_NO_SANDBOX") as refused:
        await run(command, b'{"kind":"schema","endpoints":[],"objects":[]}')
    assert refused.value.failure is MoverFailure.SANDBOX_REFUSED


async def test_without_landlock_an_explicit_setting_withdraws_the_promise():
    command = (*PYTHON, str(HERE / "blocked_landlock.py"), *mover_command(loopback=True, ca_file=None))
    report, _, ended = await run(command, b'{"kind":"schema","endpoints":[],"objects":[]}', allow_no_sandbox=True)
    assert report.withdrawn
    assert report.landlock_abi == report.tried == report.refused == 0
    assert ended.kind is ExitKind.DONE


PROBE_WITH_FAULT = """
import sys
from isthmus.sandbox.libc import Libc, PR_SET_NO_NEW_PRIVS
from isthmus.sandbox.landlock import landlock_abi, restrict_self
from isthmus.sandbox.probe import probe, process_counts
import msgspec
libc, counts = Libc(), process_counts()
libc.prctl(PR_SET_NO_NEW_PRIVS, 1)
if sys.argv[1] == "landlock only":
    restrict_self(libc, landlock_abi(libc))
sys.stdout.buffer.write(msgspec.json.encode(probe(libc, landlock_abi(libc), counts, memory_locked=False)))
"""


def probe_with_fault(fault: str) -> SandboxReport:
    printed = subprocess.run([*PYTHON, "-c", PROBE_WITH_FAULT, fault], check=True, capture_output=True, timeout=60)
    return msgspec.json.decode(printed.stdout, type=SandboxReport)


def test_the_probe_sees_that_seccomp_is_missing():
    report = probe_with_fault("landlock only")
    assert not report.confined
    assert report.refused & 1 << Probe.OPEN_READ
    for hole in (Probe.SOCKET, Probe.FORK, Probe.MEMFD, Probe.SENDMSG, Probe.KILL, Probe.VM_WRITE):
        assert not report.refused & 1 << hole


def test_the_probe_sees_that_everything_is_missing():
    report = probe_with_fault("nothing")
    assert not report.confined
    assert not report.refused & 1 << Probe.OPEN_READ
    assert not report.refused & 1 << Probe.IMPORT


@pytest.mark.parametrize(
    "name", "openat open socket connect bind sendmsg fork clone execve ptrace memfd_create shmget kill".split()
)
def test_no_dangerous_call_is_on_the_list(name):
    assert name not in ALLOWED


def test_the_filter_names_only_calls_that_it_knows():
    assert set(ALLOWED) - set(syscall_numbers()) == set()
    assert len(compile_filter("x86_64")) % 8 == 0
