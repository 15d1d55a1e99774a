# ruff: noqa: RUF001 look-alikes are the point
"""Which hosts and addresses we talk to: a corpus of look-alikes, and the accepted set exactly as listed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from isthmus.egress.hosts import (
    AddressDenial,
    AddressDenied,
    HostDenial,
    HostDenied,
    Permitted,
    parse_login_host,
    permit_address,
)
from isthmus.values import OrgHost

ACCEPTED = {
    "login.salesforce.com": "login.salesforce.com",
    "https://login.salesforce.com": "login.salesforce.com",
    "https://test.salesforce.com/": "test.salesforce.com",
    " acme.my.salesforce.com ": "acme.my.salesforce.com",
    "HTTPS://Acme.My.Salesforce.Com": "acme.my.salesforce.com",
    "https://acme.my.salesforce.com:443": "acme.my.salesforce.com",
    "a.my.salesforce.com": "a.my.salesforce.com",
    "acme--uat.sandbox.my.salesforce.com": "acme--uat.sandbox.my.salesforce.com",
    "acme-dev-ed.develop.my.salesforce.com": "acme-dev-ed.develop.my.salesforce.com",
    "acme.scratch.my.salesforce.com": "acme.scratch.my.salesforce.com",
    "playful-bear-1.trailblaze.my.salesforce.com": "playful-bear-1.trailblaze.my.salesforce.com",
}

EVIL_NAMES = """
my.salesforce.com .my.salesforce.com acme.my.salesforce.com.evil.tld evil-my.salesforce.com acmemy.salesforce.com
acme.my.salesforce.com.  acme..my.salesforce.com -acme.my.salesforce.com acme-.my.salesforce.com a.b.my.salesforce.com
acme.my.salesforce.co acme.my.salesforce.com.au salesforce.com www.salesforce.com na1.salesforce.com
acme.lightning.force.com acme.my.site.com acme.visualforce.com acme--c.visualforce.com acme.my.salesforce-sites.com
acme.file.force.com acme.documentforce.com acme.my.salesforce-setup.com acme.my.salesforce-experience.com
login.salesforce.com.evil.tld evil.tld/login.salesforce.com evil.tld?login.salesforce.com evil.tld#login.salesforce.com
login.salesforce.com@evil.tld https://login.salesforce.com@evil.tld https://evil.tld\\@login.salesforce.com
https://login.salesforce.com\\@evil.tld https://user:pass@login.salesforce.com https://login.salesforce.com/path
https://login.salesforce.com/?x https://login.salesforce.com/#x https://login.salesforce.com// //login.salesforce.com
http://login.salesforce.com ftp://login.salesforce.com javascript://login.salesforce.com https:login.salesforce.com
https:/login.salesforce.com https:///login.salesforce.com https://https://login.salesforce.com
https://login.salesforce.com:80 https://login.salesforce.com:8443 https://login.salesforce.com:0443
https://login.salesforce.com:443:443 https://login.salesforce.com: https://login.salesforce.com:-1 login%2esalesforce.com
login.salesforce%2ecom login。salesforce。com login.salesforce.com\u200b lоgin.salesforce.com ⅼogin.salesforce.com
xn--lgin-jua.salesforce.com acmé.my.salesforce.com xn--acm-dma.my.salesforce.com.evil.tld login_salesforce.com
acme_x.my.salesforce.com ACME.MY.SALESFORCE.COM.EVIL.TLD acme.sandbox.sandbox.my.salesforce.com
acme.other.my.salesforce.com 8.8.8.8 https://8.8.8.8 https://[::ffff:8.8.8.8] https://[2001:4860:4860::8888]
https://0x08080808 https://134744072 https://010.010.010.010 https://8.8.2056 [::1] https://[::1] 169.254.169.254
metadata.google.internal 0.0.0.0 0 127.1 127.0.0.1 localhost localhost.evil.tld http://127.0.0.1 http://localhost:8080
https://2130706433 https://0177.0.0.1 127.0.0.2 127.0.0.1.nip.io ::1 fe80::1%eth0
""".split()


@pytest.mark.parametrize(("text", "name"), ACCEPTED.items())
def test_salesforces_own_hosts_are_accepted(text, name):
    assert parse_login_host(text, allow_loopback_http=False) == OrgHost("https", name, 443)


@pytest.mark.parametrize("text", EVIL_NAMES)
@pytest.mark.parametrize("wrapped", ["{}", "https://{}"])
def test_look_alikes_are_refused(text, wrapped):
    assert isinstance(parse_login_host(wrapped.format(text), allow_loopback_http=False), HostDenied)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "a b.my.salesforce.com",
        "acme.my.salesforce.com\n",
        "\tacme.my.salesforce.com",
        "x" * 300,
        "acme.my.salesforce.com\x00",
    ],
)
def test_what_is_no_host_is_refused(text):
    assert parse_login_host(text, allow_loopback_http=False) == HostDenied(HostDenial.SHAPE)


def test_a_label_may_not_be_longer_than_dns_allows():
    assert isinstance(parse_login_host("a" * 63 + ".my.salesforce.com", allow_loopback_http=False), OrgHost)
    assert isinstance(parse_login_host("a" * 64 + ".my.salesforce.com", allow_loopback_http=False), HostDenied)


@pytest.mark.parametrize("text", ["http://127.0.0.1:8080", "https://127.0.0.1:8443", "http://localhost:9"])
def test_loopback_needs_the_setting(text):
    assert parse_login_host(text, allow_loopback_http=False) == HostDenied(HostDenial.LOOPBACK)
    assert isinstance(parse_login_host(text, allow_loopback_http=True), OrgHost)


@pytest.mark.parametrize(
    "text", ["http://127.0.0.2:80", "http://acme.my.salesforce.com", "http://10.0.0.1", "http://127.0.0.1.evil.tld"]
)
def test_the_setting_opens_nothing_but_loopback(text):
    assert isinstance(parse_login_host(text, allow_loopback_http=True), HostDenied)


REFUSED_ADDRESSES = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.2 127.255.255.255 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::2 ::ffff:8.8.8.8 ::ffff:127.0.0.1 ::8.8.8.8
64:ff9b::808:808 64:ff9b:1::1 2002:808:808::1 2001::1 2001:db8::1 2001:10::1 3fff::1 5f00::1 fc00::1 fd12::1 fe80::1
fe80::1%1 fec0::1 ff02::1 100::1
""".split()


@pytest.mark.parametrize("text", REFUSED_ADDRESSES)
@pytest.mark.parametrize("loopback", [False, True])
def test_an_address_that_is_not_public_is_never_dialled(text, loopback):
    assert isinstance(permit_address(ip_address(text), loopback=loopback), AddressDenied)


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "13.108.0.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1", "2a00:1450::1"]
)
def test_a_public_address_may_be_dialled(text):
    assert permit_address(ip_address(text), loopback=False) == Permitted(ip_address(text))


@pytest.mark.parametrize("text", ["127.0.0.1", "::1"])
def test_the_loopback_address_needs_the_setting(text):
    assert permit_address(ip_address(text), loopback=False) == AddressDenied(AddressDenial.LOOPBACK)
    assert permit_address(ip_address(text), loopback=True) == Permitted(ip_address(text))
