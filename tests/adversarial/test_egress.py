"""What an attacker around the product could try to lead its requests elsewhere, each with a control that works."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from isthmus.clock import SystemClock
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.errors import RequestDenied, TlsRefused, Unreachable
from isthmus.egress.policy import Call, Hole, Method, Route, RouteName
from isthmus.egress.tls import NoRoots, tls_context
from isthmus.egress.transport import Channel
from isthmus.salesforce import routes
from isthmus.salesforce.lease import FixedLeases
from isthmus.salesforce.query import FieldPath, pages, soql_select
from isthmus.salesforce.routes import ROUTES
from isthmus.salesforce.session import Session
from isthmus.values import ApiName, OrgHost, Purpose, Secret
from tests.support.plain_server import PlainServer, http, plain_server

VERSIONS = Call(routes.VERSIONS)


class Authority:
    """A certificate authority of the test, and servers that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        certificate = (
            self._builder(self.name, self.key.public_key(), timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key, ends_in: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + ends_in)
        )

    def server(self, *, name: str = "127.0.0.1", ends_in: timedelta = timedelta(days=1)) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
        certificate = (
            self._builder(x509.Name([]), key.public_key(), ends_in)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        pem = self.folder / "server.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def channel_to(
    server: PlainServer, tls: ssl.SSLContext | None = None, table: Mapping[RouteName, Route] = ROUTES
) -> AsyncIterator[Channel]:
    host = OrgHost("http" if tls is None else "https", "127.0.0.1", server.port)
    dialer = PinnedDialer(loopback=True)
    channel = Channel(host, Purpose.SYNC, table, lambda: dialer.dial(host), tls, loopback=True)
    try:
        yield channel
    finally:
        await channel.close()


async def test_a_server_that_proves_its_name_is_served(authority):
    trusted = tls_context(authority.ca_file)
    async with plain_server(http(200, b"[]"), tls=authority.server()) as server, channel_to(server, trusted) as channel:
        assert (await channel.send(VERSIONS)).body == b"[]"


@pytest.mark.parametrize("fault", ["unknown authority", "another name", "expired", "old protocol"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_server_that_cannot_prove_its_name_gets_nothing(authority, tmp_path, fault):
    context = authority.server(
        name="login.salesforce.com" if fault == "another name" else "127.0.0.1",
        ends_in=timedelta(days=-1) if fault == "expired" else timedelta(days=1),
    )
    if fault == "old protocol":
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    trusted = tls_context(None if fault == "unknown authority" else authority.ca_file)
    async with plain_server(http(200, b"[]"), tls=context) as server, channel_to(server, trusted) as channel:
        # A server that speaks old protocols only may hang up instead of saying why.
        with pytest.raises((TlsRefused, Unreachable) if fault == "old protocol" else TlsRefused):
            await channel.send(VERSIONS)
    assert server.requests == []


async def test_the_environment_names_no_authority(authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(authority.folder))
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 1, "the control: others would follow it"
    trusted = tls_context(None)
    async with plain_server(http(200, b"[]"), tls=authority.server()) as server, channel_to(server, trusted) as channel:
        with pytest.raises(TlsRefused):
            await channel.send(VERSIONS)


def test_a_file_without_authorities_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(NoRoots, match="ISTHMUS_CA_FILE"):
        tls_context(tmp_path / "ca.pem")


async def test_the_environment_names_no_proxy_and_no_password(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    async with plain_server(http(200, b"proxied")) as proxy, plain_server(http(200, b"[]")) as server:
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        async with channel_to(server) as channel:
            assert (await channel.send(VERSIONS)).body == b"[]"
    assert proxy.requests == []
    assert b"authorization" not in server.requests[0].lower()


async def test_an_org_that_redirects_elsewhere_is_not_followed_and_no_token_moves():
    async with plain_server(http(200)) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere.port}/steal"
        async with plain_server(http(307, b"", location)) as server, channel_to(server) as channel:
            session = Session(channel, FixedLeases(Secret("tok"), channel.host), "62.0", SystemClock())
            with pytest.raises(Exception, match="limits"):
                await session.limits()
        assert elsewhere.requests == []
        # A redirect is how an org under maintenance answers: it is asked again, itself, for the same and a few times.
        assert 1 <= len(server.requests) <= 5
        assert {request.split(b" HTTP/")[0] for request in server.requests} == {b"GET /services/data/v62.0/limits"}


async def test_an_org_that_names_another_address_for_the_next_page_is_not_followed():
    page = b'{"totalSize":2,"done":false,"nextRecordsUrl":"http://127.0.0.1:1/evil/01g000000000001-1","records":[{"Id":"x"}]}'
    last = b'{"totalSize":2,"done":true,"records":[{"Id":"y"}]}'
    async with plain_server(http(200, page), http(200, last)) as server, channel_to(server) as channel:
        session = Session(channel, FixedLeases(Secret("tok"), channel.host), "62.0", SystemClock())
        soql = soql_select(ApiName.parse("Account"), [FieldPath.of("Id")])
        assert sum([len(batch) async for batch in pages(session, soql)]) == 2
    assert server.requests[1].startswith(b"GET /services/data/v62.0/query/01g000000000001-1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "locator", ["01g/../../limits", "01g000000000001-1?x=1", "01g000000000001-1#", "..", "%2e%2e", "a b", ""]
)
async def test_a_locator_that_is_none_ends_the_reading(locator):
    page = b'{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/%s","records":[{"Id":"x"}]}'
    async with plain_server(http(200, page % locator.encode())) as server, channel_to(server) as channel:
        session = Session(channel, FixedLeases(Secret("tok"), channel.host), "62.0", SystemClock())
        with pytest.raises(RequestDenied):
            async for _ in pages(session, soql_select(ApiName.parse("Account"), [FieldPath.of("Id")])):
                pass
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "text", ["Account\r\nX-Evil: 1", "Account HTTP/1.1\r\n", "Account%0d%0a", "a/../b", "a//b", "a;b", "A?x", "A#x"]
)
async def test_no_header_and_no_path_can_be_smuggled_into_a_hole(text):
    async with plain_server(http(200, b"{}")) as server, channel_to(server) as channel:
        with pytest.raises(RequestDenied):
            await channel.send(Call(routes.DESCRIBE, {"version": "62.0", "object": text}))
        table = {
            RouteName("r"): Route(
                RouteName("r"), Method.GET, "/ok/{o}", frozenset({Purpose.SYNC}), {"o": Hole.API_NAME}
            )
        }
        async with channel_to(server, table=table) as control:
            await control.send(Call(RouteName("r"), {"o": "Account"}))
    assert [request.split(b" ")[1] for request in server.requests] == [b"/ok/Account"]


async def test_an_answer_full_of_values_leaves_none_in_an_error():
    body = b'[{"errorCode":"canary-value","message":"canary-value 001000000000001"}]'
    async with plain_server(http(400, body, "X-Canary: canary-value")) as server, channel_to(server) as channel:
        session = Session(channel, FixedLeases(Secret("canary-token"), channel.host), "62.0", SystemClock())
        with pytest.raises(Exception, match="limits: OTHER") as caught:
            await session.limits()
    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in f"{error!r} {error} {getattr(error, '__dict__', {})}"
        error = error.__cause__
    await asyncio.sleep(0)
