"""The lease channel from both ends, over a real socket pair."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import msgspec
import pytest

from isthmus.clock import SystemClock
from isthmus.egress.hosts import parse_login_host
from isthmus.salesforce.errors import LeaseLost
from isthmus.salesforce.lease import (
    FromKeeper,
    FromMover,
    Lease,
    LeaseBook,
    LeaseGranted,
    LeaseRefused,
    LeaseRequest,
    LeaseRevoked,
    MaskKeyGranted,
    MaskKeyRequest,
    answer_fixed,
)
from isthmus.sandbox.packets import packet_pair
from isthmus.values import OrgHost, Secret

ORG = "https://acme.my.salesforce.com"


class Keeper:
    """Answers what a test tells it to, and counts."""

    def __init__(self, sock) -> None:
        self.sock = sock
        self.requests: list[LeaseRequest] = []

    async def take(self) -> LeaseRequest:
        packet = await asyncio.get_running_loop().sock_recv(self.sock, 4096)
        self.requests.append(msgspec.json.decode(packet, type=LeaseRequest))
        return self.requests[-1]

    async def give(self, message: FromKeeper) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, msgspec.json.encode(message))


@asynccontextmanager
async def channel() -> AsyncIterator[tuple[Keeper, LeaseBook, asyncio.Task[None]]]:
    ours, theirs = packet_pair()
    with ours, theirs:
        book = LeaseBook(theirs, SystemClock(), loopback=False)
        running = asyncio.create_task(book.run())
        yield Keeper(ours), book, running
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def granted(connection: UUID, token: str = "t", url: str = ORG, life_s: int = 60) -> LeaseGranted:
    return LeaseGranted(connection, token, url, life_s)


async def test_a_lease_is_asked_for_once_while_it_is_fresh():
    connection = uuid4()
    async with channel() as (keeper, book, _):
        leases = book.leases_of(connection)
        asking = [asyncio.create_task(leases.current()) for _ in range(5)]
        assert await keeper.take() == LeaseRequest(connection, stale=False)
        await keeper.give(granted(connection))
        found = await asyncio.gather(*asking)
        assert {lease.token.reveal() for lease in found} == {b"t"}
        assert found[0].instance.origin == ORG
        assert len(keeper.requests) == 1


async def test_many_who_saw_the_same_token_refused_cause_one_renewal():
    connection = uuid4()
    async with channel() as (keeper, book, _):
        leases = book.leases_of(connection)
        first = asyncio.create_task(leases.current())
        await keeper.take()
        await keeper.give(granted(connection))
        await first
        renewing = [asyncio.create_task(leases.renew()) for _ in range(4)]
        assert await keeper.take() == LeaseRequest(connection, stale=True)
        await keeper.give(granted(connection, "second"))
        assert {lease.token.reveal() for lease in await asyncio.gather(*renewing)} == {b"second"}
        assert len(keeper.requests) == 2


@pytest.mark.parametrize("reason", ["revoked", "needs_reauth", "not_running", "unavailable"])
async def test_a_refusal_has_its_reason(reason):
    connection = uuid4()
    async with channel() as (keeper, book, _):
        asking = asyncio.create_task(book.leases_of(connection).current())
        await keeper.take()
        await keeper.give(LeaseRefused(connection, reason))
        with pytest.raises(LeaseLost, match=reason):
            await asking


async def test_a_token_for_a_host_that_is_not_salesforces_is_dropped():
    connection = uuid4()
    async with channel() as (keeper, book, _):
        asking = asyncio.create_task(book.leases_of(connection).current())
        await keeper.take()
        await keeper.give(granted(connection, url="https://evil.example"))
        with pytest.raises(LeaseLost):
            await asking


async def test_a_pushed_revocation_ends_everything():
    async with channel() as (keeper, _, running):
        await keeper.give(LeaseRevoked(uuid4()))
        with pytest.raises(ExceptionGroup) as ended:
            await running
        assert [str(each) for each in ended.value.exceptions] == ["revoked"]


async def test_a_keeper_that_goes_away_ends_everything():
    async with channel() as (keeper, _, running):
        keeper.sock.close()
        with pytest.raises(ExceptionGroup) as ended:
            await running
        assert [str(each) for each in ended.value.exceptions] == ["ended"]


async def test_a_lease_is_renewed_at_half_time_without_being_asked_for():
    connection = uuid4()
    async with channel() as (keeper, book, running):
        asking = asyncio.create_task(book.leases_of(connection).current())
        await keeper.take()
        await keeper.give(granted(connection, life_s=1))
        await asking
        assert await keeper.take() == LeaseRequest(connection, stale=False)
        await keeper.give(LeaseRefused(connection, "revoked"))
        with pytest.raises(ExceptionGroup) as ended:
            await running
        assert [str(each) for each in ended.value.exceptions] == ["revoked"]


async def test_a_command_lines_token_is_given_once_and_never_renewed():
    connection = uuid4()
    host = parse_login_host(ORG, allow_loopback_http=False)
    assert isinstance(host, OrgHost)
    async with channel() as (keeper, book, _):
        answering = asyncio.create_task(answer_fixed(keeper.sock, {connection: Lease(Secret("cli"), host)}))
        leases = book.leases_of(connection)
        assert (await leases.current()).token.reveal() == b"cli"
        with pytest.raises(LeaseLost, match="needs_reauth"):
            await leases.renew()
        with pytest.raises(LeaseLost, match="not_running"):
            await book.leases_of(uuid4()).current()
        answering.cancel()


async def test_the_key_of_pseudonyms_comes_beside_the_leases():
    connection = uuid4()
    async with channel() as (keeper, book, _):
        asking = asyncio.create_task(book.mask_key(connection))
        loop = asyncio.get_running_loop()
        packet = await loop.sock_recv(keeper.sock, 4096)
        assert msgspec.json.decode(packet, type=FromMover) == MaskKeyRequest(connection)
        await keeper.give(MaskKeyGranted(connection, b"key".hex()))
        assert (await asking).reveal() == b"key"
        leasing = asyncio.create_task(book.leases_of(connection).current())
        await keeper.take()
        await keeper.give(granted(connection))
        assert (await leasing).token.reveal() == b"t"


@pytest.mark.parametrize("key", [Secret(b"of a copy"), None])
async def test_a_command_lines_key_is_handed_on_and_without_one_none_is_made_up(key):
    connection = uuid4()
    host = parse_login_host(ORG, allow_loopback_http=False)
    assert isinstance(host, OrgHost)
    async with channel() as (keeper, book, _):
        answering = asyncio.create_task(answer_fixed(keeper.sock, {connection: Lease(Secret("cli"), host)}, key))
        if key is None:
            with pytest.raises(LeaseLost, match="unavailable"):
                await book.mask_key(connection)
        else:
            assert (await book.mask_key(connection)).reveal() == key.reveal()
        answering.cancel()


def test_a_granted_key_shows_nothing():
    assert repr(MaskKeyGranted(uuid4(), "secret")) == "<MaskKeyGranted>"


def test_a_granted_lease_shows_nothing():
    assert repr(granted(uuid4(), "secret")) == "<LeaseGranted>"
