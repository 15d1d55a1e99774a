"""Dialling: names are resolved once, each address judged, that address dialled."""

from __future__ import annotations

import pytest

from isthmus.egress.dial import PinnedDialer
from isthmus.egress.errors import DialRefused, Unreachable
from isthmus.values import OrgHost
from tests.support.plain_server import plain_server

ORG = OrgHost("https", "acme.my.salesforce.com", 443)


class Resolver:
    """Answers each question with the next list of addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _name: str, _port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "10.0.0.1", "127.0.0.1", "::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "fd00::1"]
)
@pytest.mark.parametrize("loopback", [False, True])
async def test_a_name_that_leads_inside_is_refused(address, loopback):
    with pytest.raises(DialRefused, match="address"):
        await PinnedDialer(loopback=loopback, resolve=Resolver([address])).dial(ORG)


async def test_one_bad_address_among_good_ones_spoils_the_name():
    with pytest.raises(DialRefused):
        await PinnedDialer(loopback=False, resolve=Resolver(["8.8.8.8", "10.0.0.1"])).dial(ORG)


async def test_a_name_is_resolved_once_and_keeps_its_address():
    async with plain_server(b"") as server:
        host = OrgHost("http", "localhost", server.port)
        resolver = Resolver(["127.0.0.1"], ["10.0.0.1"])
        dialer = PinnedDialer(loopback=True, resolve=resolver)
        for _ in range(3):
            (await dialer.dial(host)).close()
    assert resolver.asked == 1


async def test_the_next_address_is_tried_when_one_does_not_answer():
    async with plain_server(b"") as server:
        host = OrgHost("http", "localhost", server.port)
        sock = await PinnedDialer(loopback=True, resolve=Resolver(["::1", "127.0.0.1"])).dial(host)
        assert sock.getpeername()[0] == "127.0.0.1"
        assert sock.getblocking() is False
        sock.close()


async def test_a_name_that_does_not_exist_is_unreachable():
    async def fail(_name: str, _port: int) -> list[str]:
        raise OSError

    with pytest.raises(Unreachable):
        await PinnedDialer(loopback=False, resolve=fail).dial(ORG)
    with pytest.raises(Unreachable):
        await PinnedDialer(loopback=False, resolve=Resolver([])).dial(ORG)


@pytest.mark.parametrize(
    "host",
    [
        OrgHost("https", "evil.example", 443),
        OrgHost("https", "8.8.8.8", 443),
        OrgHost("http", "acme.my.salesforce.com", 80),
    ],
)
async def test_a_host_that_is_not_salesforces_is_not_even_resolved(host):
    resolver = Resolver(["8.8.8.8"])
    with pytest.raises(DialRefused, match="host"):
        await PinnedDialer(loopback=True, resolve=resolver).dial(host)
    assert resolver.asked == 0
