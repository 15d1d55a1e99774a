"""A mover as a real process: what goes in, what comes out, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from pathlib import Path

import msgspec
import psutil
import pytest

from isthmus.egress.dial import PinnedDialer
from isthmus.salesforce.describe import CallsMessage, MissingMessage, SchemaJob, SchemaMessage, joined
from isthmus.salesforce.lease import LeaseRevoked
from isthmus.sandbox.packets import packet_pair
from isthmus.sandbox.report import ExitKind, MoverFailure
from isthmus.sandbox.spawn import MoverRefused, mover_command, spawn
from tests.support.orgsim import start_orgsim

sys.path.insert(0, str(Path(__file__).parent))
from movers import LIMITS, child_command, job_of, running, side_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a mover is confined on Linux only")


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_mover_reports_and_ends_without_a_trace():
    descriptors = open_descriptors()
    async with running(child_command(), job_of("hello")) as mover:
        pid = mover.pid
        assert [message async for message in mover.messages()] == [b"hello"]
        ended = await mover.exit()
    assert (ended.kind, ended.failure, ended.output_bytes) == (ExitKind.DONE, MoverFailure.NONE, 0)
    assert ended.cpu_s > 0
    assert ended.memory_max_kb > 0
    assert not psutil.pid_exists(pid)
    assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []
    assert open_descriptors() == descriptors


async def test_an_exception_leaves_as_a_code_and_never_as_text():
    async with running(child_command(), job_of("fail")) as mover:
        assert [message async for message in mover.messages()] == []
        ended = await mover.exit()
    assert (ended.kind, ended.failure) == (ExitKind.FAILED, MoverFailure.UNEXPECTED)
    assert ended.output_bytes == 0


async def test_what_a_mover_prints_is_counted_and_thrown_away(capfd):
    async with running(child_command(), job_of("chatter")) as mover:
        ended = await mover.exit()
    assert ended.output_bytes == 1234
    assert capfd.readouterr() == ("", "")


async def test_a_mover_stops_when_asked():
    async with running(child_command(), job_of("wait")) as mover:
        assert await anext(mover.messages()) == b"waiting"
        await mover.stop()
        ended = await mover.exit()
    assert (ended.kind, ended.failure) == (ExitKind.STOPPED, MoverFailure.STOPPED)


async def test_a_mover_that_does_not_listen_is_killed():
    async with running(child_command(), job_of("spin")) as mover:
        assert await anext(mover.messages()) == b"spinning"
        await mover.stop()
        ended = await mover.exit()
    assert (ended.kind, ended.signal) == (ExitKind.STOPPED, signal.SIGKILL)


async def test_a_killed_mover_is_seen_to_have_died():
    async with running(child_command(), job_of("wait")) as mover:
        messages = mover.messages()
        assert await anext(messages) == b"waiting"
        os.kill(mover.pid, signal.SIGKILL)
        assert [message async for message in messages] == []
        ended = await mover.exit()
    assert (ended.kind, ended.signal) == (ExitKind.DIED, signal.SIGKILL)


async def test_leaving_the_block_kills_a_mover_that_still_runs():
    async with running(child_command(), job_of("wait")) as mover:
        pid = mover.pid
    assert not psutil.pid_exists(pid)


async def test_an_error_of_the_parent_comes_out_as_itself():
    with pytest.raises(ZeroDivisionError):
        async with running(child_command(), job_of("wait")):
            raise ZeroDivisionError


PARENT = """
import asyncio, os, sys
sys.path[:0] = [{root!r}, {here!r}]
from movers import child_command, running, job_of
async def main():
    async with running(child_command(), job_of("wait")) as mover:
        await anext(mover.messages())
        print(mover.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_mover_dies_with_its_parent():
    here = Path(__file__).parent
    code = PARENT.format(root=str(here.parents[2]), here=str(here))
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    mover = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, [mover], timeout=60)
    assert (len(gone), alive) == (1, [])


async def test_a_job_of_several_packets_arrives_whole():
    job = msgspec.json.encode(SchemaJob([], []))
    padded = job[:-1] + b" " * 500_000 + b"}"
    async with running(mover_command(loopback=True, ca_file=None), padded) as mover:
        assert (await mover.exit()).kind is ExitKind.DONE


@pytest.mark.parametrize("job", [b"", b"{", b"{}", b'{"kind":"steal"}', b'{"kind":"schema"}', b"\xff\x00"])
async def test_a_job_that_makes_no_sense_is_refused(job):
    with pytest.raises(MoverRefused, match="does not understand") as refused:
        async with running(mover_command(loopback=True, ca_file=None), job):
            pass
    assert refused.value.failure is MoverFailure.BAD_JOB


async def test_a_program_that_is_no_mover_is_refused():
    with pytest.raises(MoverRefused, match="before it had begun"):
        async with running(("/bin/true",), b"{}"):
            pass


async def test_a_mover_reaches_only_the_orgs_that_its_parent_dials():
    side = side_of("http://127.0.0.1:9", "token")

    async def refuse(_index: int):
        raise IndexError

    async with running(child_command(), job_of("versions", [side]), [side], dial=refuse) as mover:
        ended = await mover.exit()
    assert (ended.kind, ended.failure) == (ExitKind.FAILED, MoverFailure.DIAL_REFUSED)


async def test_a_schema_job_describes_what_the_user_sees():
    with start_orgsim(name="a") as org:
        side = side_of(org.instance_url, org.access_token)
        job = SchemaJob([side.endpoint], [["Account", "Opportunity", "Nothing__c"]])
        async with running(mover_command(loopback=True, ca_file=None), msgspec.json.encode(job), [side]) as mover:
            decoder = msgspec.json.Decoder(SchemaMessage | MissingMessage | CallsMessage)
            messages = [decoder.decode(message) async for message in mover.messages()]
            assert (await mover.exit()).kind is ExitKind.DONE
    described = {message.describe.name for message in messages if isinstance(message, SchemaMessage)}
    assert described == {"Account", "Opportunity"}
    account = joined([m for m in messages if isinstance(m, SchemaMessage) and m.describe.name == "Account"])
    assert account is not None
    name = account.field("name")
    assert name is not None
    assert (name.type, name.length, name.nillable) == ("string", 255, False)
    assert [m.object for m in messages if isinstance(m, MissingMessage)] == ["Nothing__c"]
    assert messages[-1] == CallsMessage([3])


ACCOUNTS = [
    {"Name": 'Zoë, "quoted" & co', "Description": "two\nlines"},
    {"Name": "東京", "Description": None},
    {"Name": "plain", "Description": "=1+1"},
]


@pytest.mark.parametrize("secure", [False, True])
async def test_records_pass_from_org_to_org_through_a_locked_down_mover(tmp_path, secure):
    tls = tmp_path / "tls" if secure else None
    with start_orgsim(name="a", tls=tls) as source, start_orgsim(name="b", tls=tls) as target:
        ids = source.add_rows("Account", ACCOUNTS)
        target.control("POST", "/fields", TRACKING_FIELD)
        sides = [side_of(org.instance_url, org.access_token) for org in (source, target)]
        command = child_command(ca_file=tls / "ca.pem" if tls else None)
        async with running(command, job_of("relay", sides), sides) as mover:
            messages = [message async for message in mover.messages()]
            ended = await mover.exit()
        assert (ended.kind, messages) == (ExitKind.DONE, [b"3 0"])
        arrived = {row["SwiftPort_Source_Id__c"]: (row["Name"], row["Description"]) for row in target.rows("Account")}
    assert arrived == {id_: (row["Name"], row["Description"]) for id_, row in zip(ids, ACCOUNTS, strict=True)}


TRACKING_FIELD = {
    "FullName": "Account.SwiftPort_Source_Id__c",
    "Metadata": {"label": "Source", "type": "Text", "length": 18, "externalId": True, "unique": True},
    "granted": True,
}


async def test_a_server_without_a_known_authority_gets_nothing(tmp_path):
    with start_orgsim(name="a", tls=tmp_path / "tls") as org:
        side = side_of(org.instance_url, org.access_token)
        async with running(child_command(), job_of("versions", [side]), [side]) as mover:
            ended = await mover.exit()
        assert (ended.kind, ended.failure) == (ExitKind.FAILED, MoverFailure.TLS_REFUSED)
        assert org.transcript() == []


async def test_a_token_for_another_host_is_never_sent():
    with start_orgsim(name="a") as org:
        side = side_of(org.instance_url, org.access_token)
        elsewhere = side_of("https://other.my.salesforce.com", org.access_token)
        swapped = type(side)(elsewhere.host, side.token, side.endpoint)

        async def dial(_index: int):
            return await PinnedDialer(loopback=True).dial(side.host)

        async with running(child_command(), job_of("versions", [side]), [swapped], dial=dial) as mover:
            ended = await mover.exit()
        assert (ended.kind, ended.failure) == (ExitKind.FAILED, MoverFailure.UNREADABLE)
        assert org.transcript() == []


async def test_a_revocation_that_the_keeper_pushes_stops_work_in_flight():
    side = side_of("http://127.0.0.1:9", "token")
    ours, theirs = packet_pair()
    with ours:
        async with spawn(
            child_command(), job_of("wait"), dial=None, lease_socket=theirs, limits=LIMITS, allow_no_sandbox=False
        ) as mover:
            assert await anext(mover.messages()) == b"waiting"
            await asyncio.get_running_loop().sock_sendall(
                ours, msgspec.json.encode(LeaseRevoked(side.endpoint.connection))
            )
            ended = await mover.exit()
    assert (ended.kind, ended.failure) == (ExitKind.FAILED, MoverFailure.LEASE_REVOKED)


async def test_a_connection_without_a_lease_does_nothing():
    with start_orgsim(name="a") as org:
        side = side_of(org.instance_url, org.access_token)
        stranger = type(side)(
            side.host, side.token, type(side.endpoint)(uuid.uuid4(), side.host.origin, side.endpoint.purpose, "62.0")
        )
        async with running(child_command(), job_of("versions", [stranger]), [side]) as mover:
            ended = await mover.exit()
        assert (ended.kind, ended.failure) == (ExitKind.FAILED, MoverFailure.LEASE_NOT_RUNNING)
        assert org.transcript() == []
