"""The tasks of a worker: thin, each hands its subject to a service. A job carries two ids and nothing else.

A task that fails because the installation itself is away (database, keeper) is tried again by the queue. Everything
that an org or a mover can do ends inside the service, which stores how it ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import procrastinate

from isthmus.audit.failures import AuditInterrupted
from isthmus.audit.perform import AuditApp, perform_audit
from isthmus.audit.store import AttemptLost
from isthmus.db.errors import DatabaseError
from isthmus.db.jobs import TaskName
from isthmus.journal import Journal
from isthmus.orgs.keeper_client import KeeperRefused, KeeperUnavailable
from isthmus.sync.activation import perform_activation
from isthmus.sync.app import SyncApp
from isthmus.sync.planning.schemas import SchemaUnread, perform_schema
from isthmus.sync.service import perform
from isthmus.sync.store import FenceLost
from isthmus.values import AuditId, ConnectionId, RunId, SyncId

TRIES_MAX: Final = 10
WAIT_FIRST_S: Final = 2


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """What the tasks work with."""

    sync: SyncApp
    audit: AuditApp
    journal: Journal


class InstallationAway(Exception):
    """Database, keeper or org did not answer, and another try goes on from here: the queue tries the job again."""


class Overtaken(InstallationAway):
    """Another attempt has begun. If the job is still ours, that one has none, and the queue tries ours again."""


def register(app: procrastinate.App, services: WorkerServices) -> None:
    """Give `app` every task that a worker knows."""
    work: dict[TaskName, Callable[[UUID], Awaitable[None]]] = {
        TaskName.RUN_SYNC: lambda subject: perform(RunId(subject), services.sync),
        TaskName.RUN_AUDIT: lambda subject: perform_audit(AuditId(subject), services.audit),
        TaskName.READ_SCHEMA: lambda subject: perform_schema(ConnectionId(subject), services.sync),
        TaskName.ACTIVATE_SYNC: lambda subject: perform_activation(SyncId(subject), services.sync),
        TaskName.LOOK: lambda subject: _look(subject, services.sync),
    }
    retry = procrastinate.RetryStrategy(
        max_attempts=TRIES_MAX, exponential_wait=WAIT_FIRST_S, retry_exceptions=[InstallationAway]
    )
    for name, do in work.items():
        app.task(name=name.value, queue="default", retry=retry)(_task(do, services.journal))


async def _look(subject: UUID, app: SyncApp) -> None:
    from isthmus.sync.inspecting.look import perform_look  # noqa: PLC0415 - loads numpy: 15 MB that few workers need

    await perform_look(subject, app)


def _task(do: Callable[[UUID], Awaitable[None]], journal: Journal) -> Callable[[str, str], Awaitable[None]]:
    async def task(tenant_id: str, subject_id: str) -> None:
        # The tenant comes from the keeper's ticket for the subject; the job's own word for it is not believed.
        del tenant_id
        try:
            await do(UUID(subject_id))
        except KeeperRefused:
            return  # not to be done any more
        except (FenceLost, AttemptLost):
            # Mostly the job was handed on, and the queue does not mind. But a worker that wakes up late can overtake
            # the one that its job was handed to: then the run or audit has no job, unless this one takes it up again.
            message = "another attempt has begun"
            raise Overtaken(message) from None
        except (DatabaseError, KeeperUnavailable, SchemaUnread, AuditInterrupted):
            message = "the installation or an org did not answer; the job goes on later"
            raise InstallationAway(message) from None
        except Exception as error:  # noqa: BLE001 - the worker's edge: where it came from is written, what it held is not
            journal.unexpected(error)
            message = "the task made a mistake; see the journal"
            raise TaskFailed(message) from None

    return task


class TaskFailed(Exception):
    """A task of ours has a fault. The queue keeps the job as failed; the journal has the place."""
