"""Sending a notice by one channel. What a server answers is reduced to: sent, try again, or give up."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from isthmus.clock import Clock
from isthmus.egress.errors import DialRefused, EgressError, TlsRefused
from isthmus.egress.outside import MAIL_LATER, MAIL_OK, Envelope, OutsideDialer, post_json, send_mail
from isthmus.notices.channels import Channel, ChannelKind, Channels
from isthmus.notices.forms import SIGNATURE_HEADER, body_of, mail_of, signature
from isthmus.notices.model import Notice

_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Sent(StrEnum):
    """What became of one attempt."""

    OK = "sent"
    LATER = "the server is not to be reached or is busy; it is tried again"
    REFUSED = "the server refuses it"
    PRIVATE = "the address lies in a private network, which the channel does not allow"
    UNPROVEN = "the server could not prove that it is the host"


@dataclass(frozen=True, slots=True)
class Sender:
    """What it takes to send."""

    channels: Channels
    dialer: OutsideDialer
    tls: ssl.SSLContext
    clock: Clock

    async def send(self, channel: Channel, notice: Notice) -> Sent:
        """Send `notice` by `channel`, once. Never raises for what a server does."""
        try:
            if channel.kind is ChannelKind.MAIL:
                return await self._mail(channel, notice)
            return await self._hook(channel, notice)
        except DialRefused:
            return Sent.PRIVATE
        except TlsRefused:
            return Sent.UNPROVEN
        except EgressError:
            return Sent.LATER

    async def _mail(self, channel: Channel, notice: Notice) -> Sent:
        if self.channels.server is None:
            return Sent.REFUSED
        message = mail_of(notice, self.channels.sender, channel.recipients, self.clock.now())
        envelope = Envelope(self.channels.sender, channel.recipients, message)
        answer = await send_mail(self.channels.server, envelope, self.dialer, self.tls)
        return {MAIL_OK: Sent.OK, MAIL_LATER: Sent.LATER}.get(answer, Sent.REFUSED)

    async def _hook(self, channel: Channel, notice: Notice) -> Sent:
        if channel.hook is None:
            return Sent.REFUSED
        body = body_of(notice, channel.kind)
        headers = {} if channel.secret is None else {SIGNATURE_HEADER: signature(body, channel.secret)}
        status = await post_json(channel.hook, body, headers, self.dialer, self.tls)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Sent.OK
        return Sent.LATER if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR else Sent.REFUSED
