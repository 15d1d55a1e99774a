"""The mover's side of dialling: it asks its parent for a connection and is handed the socket."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from isthmus.egress.connector import Connect
from isthmus.egress.errors import DialRefused, Unreachable
from isthmus.sandbox.packets import DIAL_OK, DIAL_REFUSED, DIAL_REPLY, DIAL_REQUEST

ANSWER_S: Final = 60.0
"""How long the parent may take: it resolves and may try several addresses."""
_DESCRIPTORS_MAX: Final = 1


class HandedDialer:
    """Asks for connections over the dial socket; many requests may be under way."""

    def __init__(self, dial_socket: socket.socket) -> None:
        """Take over the socket (non-blocking); needs the running loop."""
        self._socket = dial_socket
        self._waiting: dict[int, asyncio.Future[socket.socket]] = {}
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(dial_socket.fileno(), self._take)

    def connect_to(self, endpoint: int) -> Connect:
        """Return what a channel to the job's endpoint of that index connects with."""

        async def connect() -> socket.socket:
            return await self._dial(endpoint)

        return connect

    def close(self) -> None:
        """Stop listening; requests under way fail."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        self._fail_all()

    async def _dial(self, endpoint: int) -> socket.socket:
        self._number += 1
        number = self._number
        answer: asyncio.Future[socket.socket] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            self._socket.send(DIAL_REQUEST.pack(number, endpoint))
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except (OSError, TimeoutError):
            message = "the parent did not dial"
            raise Unreachable(message) from None
        finally:
            self._waiting.pop(number, None)

    def _take(self) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._socket, DIAL_REPLY.size, _DESCRIPTORS_MAX)
        except BlockingIOError:
            return
        except OSError:
            packet, descriptors = b"", []
        if len(packet) != DIAL_REPLY.size:
            self.close()
            return
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        number, outcome = DIAL_REPLY.unpack(packet)
        answer = self._waiting.get(number)
        if answer is None or answer.done():
            for sock in sockets:
                sock.close()
            return
        if outcome == DIAL_OK and sockets:
            waiting = False
            sockets[0].setblocking(waiting)
            answer.set_result(sockets[0])
        elif outcome == DIAL_REFUSED:
            answer.set_exception(DialRefused("the host or its address is not permitted"))
        else:
            answer.set_exception(Unreachable("the host does not answer"))

    def _fail_all(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unreachable("the parent is gone"))
