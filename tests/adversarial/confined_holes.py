"""A mover whose job is to try every way out of `holes.py` after the real lockdown."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import holes

from isthmus.salesforce.world import MoverWorld
from isthmus.worker.mover import Job, main


def load(packed: bytes) -> Job:
    folder = Path(packed.decode())
    attempts = holes.holes(folder, folder / "victim")

    async def work(world: MoverWorld) -> None:
        found = {name: holes.is_open(attempt) for name, attempt in attempts.items()}
        await world.report.send(json.dumps(found).encode())

    return Job([], work, lambda: None)


if __name__ == "__main__":
    main(load)
