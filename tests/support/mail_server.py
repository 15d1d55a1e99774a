"""A small mail server for tests: enough of SMTP to be talked to by a real client, with STARTTLS and planted answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

MAIL_BYTES_MAX = 32 * 1024 * 1024


@dataclass
class MailServer:
    """What a server has received, and how it is to behave."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    tls_at_once: bool = False
    rcpt_answer: str = "250 ok"
    data_answer: str = "250 queued"
    mails: list[EmailMessage] = field(default_factory=list[EmailMessage])
    recipients: list[str] = field(default_factory=list[str])
    encrypted: list[bool] = field(default_factory=list[bool])
    commands: list[str] = field(default_factory=list[str])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = self.tls_at_once
        writer.write(b"220 test ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(" ")[0].upper()
            self.commands.append(verb)
            match verb:
                case "EHLO":
                    offers = ["test", "AUTH PLAIN"] + (["STARTTLS"] if self.tls and not secure else [])
                    answer = "\r\n".join(f"250{'-' if n < len(offers) - 1 else ' '}{o}" for n, o in enumerate(offers))
                case "STARTTLS" if self.tls is not None:
                    writer.write(b"220 go on\r\n")
                    await writer.drain()
                    await writer.start_tls(self.tls)
                    secure = True
                    continue
                case "AUTH":
                    answer = "235 welcome"
                case "RCPT":
                    self.recipients.append(line.partition("<")[2].rstrip(">"))
                    answer = self.rcpt_answer
                case "DATA":
                    writer.write(b"354 go on\r\n")
                    raw = await reader.readuntil(b"\r\n.\r\n")
                    if self.data_answer.startswith("250"):
                        mail = message_from_bytes(raw.removesuffix(b".\r\n"), policy=policy.default)
                        assert isinstance(mail, EmailMessage)
                        self.mails.append(mail)
                        self.encrypted.append(secure)
                    answer = self.data_answer
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    await writer.drain()
                    return
                case _:
                    answer = "250 ok"
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()


@asynccontextmanager
async def mail_server(**behaviour: object) -> AsyncGenerator[MailServer]:
    """Serve on a free port of this machine."""
    server = MailServer(**behaviour)  # pyright: ignore[reportArgumentType] - names and types of the fields
    tls = server.tls if server.tls_at_once else None
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, limit=MAIL_BYTES_MAX)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server
