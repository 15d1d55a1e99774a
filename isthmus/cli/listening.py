"""Whether the portal can listen where it is meant to, asked before anything is started."""

from __future__ import annotations

import errno
import socket

from isthmus.cli.refusal import refuse


def refuse_port_in_use(bind: str, port: int, another: str, elsewhere: str) -> None:
    """Stop with exit status 2 if nothing can listen there.

    `another` is the command line that takes another port, `elsewhere` what to do where the address does not serve.
    """
    try:
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bind, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            refuse(
                f"Port {port} on {bind} is in use by another program.",
                f"Stop that program, or choose another port: {another}",
            )
        refuse(f"The portal cannot listen on {bind}:{port}.", elsewhere)
