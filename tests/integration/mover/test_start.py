"""What a mover loads: each module that it does not need costs every run, and a file without bytecode costs it twice."""

from __future__ import annotations

import subprocess

from isthmus.sandbox.spawn import MOVER_ENVIRONMENT, mover_command

LOOK = """
import sys
from isthmus.egress.tls import tls_context
from isthmus.egress.warm import warm
from isthmus.sync.flow import pump
from aiohttp import connector
warm(tls_context(None)); pump.warm()
print(connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"], tls_context(None).cert_store_stats()["x509_ca"] > 0)
print(*sorted({"site", "numpy.ma", "sqlite3", "psycopg"} & set(sys.modules)))
"""


def test_a_mover_loads_neither_masked_arrays_nor_certificates_that_nothing_uses():
    *command, begin = mover_command(loopback=False, ca_file=None)
    begin = begin.replace(
        "from isthmus.worker.mover import main; main()", f"import isthmus.worker.mover; exec({LOOK!r})"
    )
    done = subprocess.run([*command, begin], env=MOVER_ENVIRONMENT, cwd="/", capture_output=True, text=True, check=True)
    roots, others = done.stdout.splitlines()
    assert roots == "0 True"
    assert others == ""
