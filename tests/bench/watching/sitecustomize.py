"""Found by Python at its start where this folder is on its path: watches how long a worker's event loop stands still.

A thread asks the loop twenty times a second to answer. What takes longer than `STALL_S` is written down with how much
CPU the loop's own thread used meanwhile (on a busy machine, time alone says nothing) and where in Isthmus it was.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType

ASK_EVERY_S = 0.05
STALL_S = 0.1


def _watch(place: str) -> None:
    main = threading.main_thread()
    assert main.ident is not None
    clock = time.pthread_getcpuclockid(main.ident)
    loop = None
    while loop is None:
        time.sleep(0.5)
        loops = [o for o in gc.get_objects() if isinstance(o, asyncio.AbstractEventLoop) and o.is_running()]
        loop = loops[0] if loops else None
    while not loop.is_closed():
        answered = threading.Event()
        asked_s, asked_cpu_s = time.monotonic(), time.clock_gettime(clock)
        try:
            loop.call_soon_threadsafe(answered.set)
        except RuntimeError:
            return
        seen: dict[str, int] = {}
        while not answered.wait(ASK_EVERY_S):
            where = _where(sys._current_frames().get(main.ident))
            seen[where] = seen.get(where, 0) + 1
        lasted_s = time.monotonic() - asked_s
        if lasted_s > STALL_S:
            cpu_s = time.clock_gettime(clock) - asked_cpu_s
            with Path(place).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"s": round(lasted_s, 3), "cpu_s": round(cpu_s, 3), "where": seen}) + "\n")
        time.sleep(ASK_EVERY_S)


def _where(frame: FrameType | None) -> str:
    """Return the innermost places in Isthmus, or where it stands otherwise."""
    stack = traceback.extract_stack(frame) if frame is not None else []
    ours = [f"{e.filename.rpartition('isthmus/')[2]}:{e.lineno} {e.name}" for e in stack if "/isthmus/" in e.filename]
    last = f"{stack[-1].filename.rpartition('/')[2]}:{stack[-1].name}" if stack else ""
    return " < ".join([last, *reversed(ours[-3:])])


if sys.orig_argv[-1] == "isthmus.worker" and "WATCH_TO" in os.environ:
    threading.Thread(target=_watch, args=(os.environ["WATCH_TO"],), daemon=True).start()
