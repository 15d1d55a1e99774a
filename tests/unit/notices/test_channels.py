"""The operator's file of channels, and the forms of a notice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from isthmus.notices.channels import ChannelKind, ChannelsRefused, load_channels, read_channels
from isthmus.notices.forms import body_of, mail_of, signature
from isthmus.notices.model import Attachment, Notice
from isthmus.values import Secret

FILE = """
version: 1
smtp: smtps://isthmus:hush-hush@mail.acme.com
from: isthmus@acme.com
channels:
  ops: {mail: [ops@acme.com, lead@acme.com], digest: daily, zone: Europe/Berlin}
  chat: {slack: "https://hooks.slack.com/services/T0/B0/hush-hush"}
  office: {teams: "https://acme.webhook.office.com/hush-hush", events: [failure]}
  pager: {webhook: "https://alerts.acme.com/hush-hush", secret: hush-hush, tenant: Acme}
"""
NOTICE = Notice(
    subject="A & <B> failed\r\nBcc: evil@example.com",
    text="3 rows failed.\nREQUIRED_FIELD_MISSING: *3*",
    link="https://isthmus.acme.com/runs/1",
    key="k1",
    event="failure",
    facts={"rows_failed": 3},
)


def test_channels_are_read_with_their_defaults() -> None:
    channels = read_channels(FILE)
    by_name = {channel.name: channel for channel in channels.channels}
    assert [c.kind.value for c in channels.channels] == ["mail", "slack", "teams", "webhook"]
    assert by_name["ops"].digest == "daily"
    assert by_name["chat"].events == {"failure", "recovery", "anomaly", "digest", "audit"}
    assert by_name["office"].digest is None
    assert by_name["pager"].serves("1", "Acme")
    assert not by_name["pager"].serves("1", "Other")
    assert by_name["ops"].serves("1", "Other")
    assert len({c.key for c in channels.channels}) == 4
    assert all(0 <= c.key < 2**63 for c in channels.channels)


def test_nothing_of_the_file_that_is_secret_shows() -> None:
    assert "hush" not in repr(read_channels(FILE))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("https://hooks.slack.com", "http://hooks.slack.com"), "Channel chat: only https"),
        (("https://alerts.acme.com", "http://127.0.0.1:9"), "Channel pager: only https"),
        (("https://alerts.acme.com", "https://localhost"), "this machine needs `private: yes`"),
        (("https://alerts.acme.com/", "https://u:p@alerts.acme.com/"), "not an address of the form"),
        (("https://alerts.acme.com/", "https://alerts.acme.com /"), "not an address of the form"),
        (("ops@acme.com,", '"ops@acme.com\\r\\nBcc: x@y.z",'), "list of mail addresses"),
        (("from: isthmus@acme.com", ""), "`from` is not a mail address"),
        (("smtp: smtps://isthmus:hush-hush@mail.acme.com", ""), "no mail server"),
        (("smtps://isthmus:hush-hush@", "http://"), "mail server cannot be used"),
        (("digest: daily", "digest: hourly"), "digest"),
        (("Europe/Berlin", "Europe/Atlantis"), "zone"),
        (("office: {", 'office: {slack: "https://x.y/z", '), "exactly one"),
        (("version: 1", "version: 2"), "version"),
        (("secret:", "sceret:"), "sceret"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_without_its_secrets(change: tuple[str, str], says: str) -> None:
    with pytest.raises(ChannelsRefused) as refused:
        read_channels(FILE.replace(*change))
    assert says in str(refused.value)
    assert "hush" not in str(refused.value)


def test_documents_with_names_go_only_where_a_channel_s_own_audit_section_says_so() -> None:
    wish = "events: [audit], audit: "
    given = {
        "": ((), None, False, True),
        f", {wish}{{}}": (("pdf",), None, False, True),
        f", {wish}{{attach: []}}": ((), None, False, True),
        f", {wish}{{attach: [pdf, xlsx], monthly: yes, manual: yes}}": (("pdf", "xlsx"), 1, True, True),
        f", {wish}{{monthly: 28, results: no}}": (("pdf",), 28, False, False),
    }
    for more, expected in given.items():
        text = (
            f"version: 1\nsmtp: smtps://m.acme.com\nfrom: i@acme.com\nchannels: {{o: {{mail: [o@acme.com]{more}}}}}\n"
        )
        (channel,) = read_channels(text).channels
        found = channel.audit
        assert (found.attach, found.monthly, found.manual, found.results) == expected, more


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("mail: [ops@acme.com], events: [failure], audit: {monthly: yes}", "Add audit to its events"),
        ('slack: "https://hooks.slack.com/x", audit: {attach: [pdf]}', "only a mail can carry documents"),
        ("mail: [ops@acme.com], audit: {monthly: 29}", "monthly"),
        ("mail: [ops@acme.com], audit: {attach: [csv]}", "attach"),
        ("mail: [ops@acme.com], audit: {orgs: ['Prod Org']}", "orgs"),
        ("mail: [ops@acme.com], audit: {weekly: yes}", "weekly"),
    ],
)
def test_an_audit_section_that_cannot_be_kept_is_refused(change: str, says: str) -> None:
    with pytest.raises(ChannelsRefused) as refused:
        read_channels(f"version: 1\nsmtp: smtps://m.acme.com\nfrom: i@acme.com\nchannels: {{o: {{{change}}}}}\n")
    assert says in str(refused.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notices.yaml"
    assert load_channels(file).channels == ()
    file.write_text(FILE)
    file.chmod(0o640)
    with pytest.raises(ChannelsRefused, match="chmod 600"):
        load_channels(file)
    file.chmod(0o600)
    assert len(load_channels(file).channels) == 4


def test_a_mail_has_one_subject_line_and_its_attachments() -> None:
    notice = Notice(NOTICE.subject, "text", "<p>text</p>", (Attachment("a.pdf", "application/pdf", b"%PDF"),), key="1")
    now = datetime(2026, 6, 10, tzinfo=UTC)
    mail = message_from_bytes(mail_of(notice, "i@acme.com", ("ops@acme.com",), now), policy=policy.default)
    assert mail["Subject"] == "A & <B> failed Bcc: evil@example.com"
    assert mail["Bcc"] is None
    assert [part.get_content_type() for part in mail.walk()][-1] == "application/pdf"
    again = message_from_bytes(mail_of(notice, "i@acme.com", ("ops@acme.com",), now), policy=policy.default)
    assert mail["Message-ID"] == again["Message-ID"]


def test_a_name_is_no_markup_in_chats() -> None:
    slack = json.loads(body_of(NOTICE, ChannelKind.SLACK))["text"]
    assert slack.startswith("*A &amp; &lt;B&gt; failed")
    assert slack.endswith("<https://isthmus.acme.com/runs/1|Open in Isthmus>")
    card = json.loads(body_of(NOTICE, ChannelKind.TEAMS))["attachments"][0]["content"]
    assert card["body"][0]["text"].startswith(r"A & \<B\> failed")
    assert card["body"][2]["text"] == r"REQUIRED\_FIELD\_MISSING: \*3\*"
    assert card["actions"][0]["url"] == NOTICE.link


def test_a_webhook_is_a_document_and_can_be_signed() -> None:
    body = body_of(NOTICE, ChannelKind.WEBHOOK)
    document = json.loads(body)
    assert (document["event"], document["rows_failed"], document["key"]) == ("failure", 3, "k1")
    assert signature(b"x", Secret("k")) == "sha256=c38edc8815c8489f64738978f44008f8596345545f0baa68ef6fcf5c53e57189"
    assert signature(b"x", Secret("k")) != signature(b"y", Secret("k"))
