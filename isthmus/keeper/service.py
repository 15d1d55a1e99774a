"""What the keeper does for each question, and for whom: portal and cli on one socket, worker on the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from isthmus.config import Settings
from isthmus.db.address import Role
from isthmus.db.database import Database
from isthmus.db.errors import DatabaseError
from isthmus.db.ticket import NO_CONNECTION, NOBODY, Claims, Ticket, TicketRefused, sign_ticket, verify_ticket
from isthmus.keeper.channels import LeaseChannels, TooManyChannels
from isthmus.keeper.hardening import core_limit, dumpable
from isthmus.keeper.subjects import Subject, find_subject, subject_of
from isthmus.orgs import connecting, revoking, store
from isthmus.orgs import keeper_wire as wire
from isthmus.orgs.custodian import Custodian
from isthmus.orgs.model import AuthorizationWanted, ConnectingFailed, RunKind
from isthmus.values import (
    Alias,
    ConnectionId,
    InvalidValue,
    MemberId,
    OrgHost,
    OrgId,
    Purpose,
    Secret,
    TenantId,
    UserText,
)
from isthmus.vault.keys import key_file_facts
from isthmus.vault.sealed import SealBroken

PORTAL_TICKET_LIFETIME: Final = timedelta(seconds=60)
OPERATOR_TICKET_LIFETIME: Final = timedelta(minutes=10)
RUN_TICKET_LIFETIME: Final = timedelta(minutes=5)
CODE_LENGTH_MAX: Final = 4_096
CLIENT_ID_LENGTH_MAX: Final = 512
PORTAL_ONLY: Final = frozenset({Role.PORTAL.value})
WORKER_ONLY: Final = frozenset({Role.WORKER.value})

Reply: TypeAlias = tuple[wire.Answer, socket.socket | None]


@dataclass(frozen=True, slots=True)
class _Owner:
    tenant_id: TenantId
    member_id: MemberId


@dataclass(frozen=True, slots=True)
class _SessionOwner:
    tenant_id: TenantId
    member_id: MemberId
    expires_at: datetime


class Keeper:
    """Answers questions. Holds the vault, signs tickets, gives leases."""

    def __init__(
        self, custodian: Custodian, settings: Settings, tasks: asyncio.TaskGroup, *, swap_locked: bool
    ) -> None:
        """Background work (channels, revocations) runs as tasks of `tasks`."""
        self._custodian = custodian
        self._settings = settings
        self._tasks = tasks
        self._swap_locked = swap_locked
        self._channels = LeaseChannels(custodian, tasks)

    async def resume_revocations(self) -> None:
        """Go on with revocations that Salesforce had not confirmed when the keeper last stopped."""
        async with self._custodian.database.system() as tx:
            pending = await store.revocations_pending(tx)
        for found in pending:
            self._tell_salesforce(found.tenant_id, found.connection_id)

    def close(self) -> None:
        """End every lease channel."""
        self._channels.close()

    async def answer(self, request: wire.Request, *, from_worker: bool) -> Reply:  # noqa: PLR0911 one line per refusal
        """Answer one question. Never raises for a question that cannot be granted: that is an answer too."""
        try:
            if from_worker:
                return await self._for_worker(request)
            return await self._for_portal(request), None
        except ConnectingFailed as failed:
            return wire.Failed(failed.code, str(failed)), None
        except (TicketRefused, TooManyChannels) as refused:
            return wire.Failed("refused", str(refused)), None
        except InvalidValue as invalid:
            return wire.Failed("failed", str(invalid)), None
        except SealBroken:
            return wire.Failed("failed", "a stored secret does not open. Connect the org again."), None
        except DatabaseError:
            return wire.Failed("unavailable", "the keeper's database does not answer"), None

    async def _for_portal(self, request: wire.Request) -> wire.Answer:  # noqa: PLR0911 one line per question
        match request:
            case wire.SessionTicket():
                return await self._session_ticket(request)
            case wire.OperatorTicket():
                return await self._operator_ticket(request)
            case wire.Begin():
                begun = await connecting.begin(self._custodian, self._claims(request.ticket), _wanted(request))
                return wire.Begun(begun.authorize_url, begun.browser_binding.reveal_text())
            case wire.Finish():
                return await self._finish(request)
            case wire.Revoke():
                return await self._revoke(request)
            case wire.AskCustody():
                return await self._custody()
            case wire.RunTicket() | wire.OpenLeases():
                return wire.Failed("refused", "this socket does not serve workers")

    async def _for_worker(self, request: wire.Request) -> Reply:
        match request:
            case wire.RunTicket():
                return await self._run_ticket(request), None
            case wire.OpenLeases():
                return await self._open_leases(request)
            case wire.AskCustody():
                return await self._custody(), None
            case _:
                return wire.Failed("refused", "this socket serves workers only"), None

    async def _session_ticket(self, request: wire.SessionTicket) -> wire.Answer:
        session = Secret(request.session)
        async with self._custodian.database.system() as tx:
            owners = await tx.call("accounts.session_owner", row=_SessionOwner, arguments={"session": session})
        if not owners:
            return wire.Failed("no_session", "the session is over. Sign in again.")
        owner = _Owner(owners[0].tenant_id, owners[0].member_id)
        return self._ticket(Role.PORTAL, owner, PORTAL_TICKET_LIFETIME)

    async def _operator_ticket(self, request: wire.OperatorTicket) -> wire.Answer:
        wanted = None if request.tenant is None else UserText(request.tenant)
        async with self._custodian.database.system() as tx:
            owners = await tx.call("accounts.operator_of", row=_Owner, arguments={"wanted": wanted})
        if not owners:
            return wire.Failed("no_tenant", "no such tenant, or there are several and none was named")
        return self._ticket(Role.PORTAL, owners[0], OPERATOR_TICKET_LIFETIME)

    async def _run_ticket(self, request: wire.RunTicket) -> wire.Answer:
        if request.run_kind not in {kind.value for kind in RunKind}:
            return wire.Failed("refused", "there is no such kind of run")
        subject = await subject_of(self._custodian.database, RunKind(request.run_kind), request.subject)
        if subject is None:
            return wire.Failed("refused", "nothing of that kind and id is to be worked on")
        return self._ticket(Role.WORKER, _Owner(subject.tenant_id, NOBODY), RUN_TICKET_LIFETIME)

    async def _finish(self, request: wire.Finish) -> wire.Answer:
        claims = self._claims(request.ticket)
        code = request.code if request.code and len(request.code) <= CODE_LENGTH_MAX else None
        binding = request.browser_binding
        connection = await connecting.finish(
            self._custodian,
            claims,
            state=Secret(request.state),
            code=None if code is None else Secret(code),
            error=request.error,
            binding=None if binding is None else Secret(binding),
        )
        return wire.Connected(connection)

    async def _revoke(self, request: wire.Revoke) -> wire.Answer:
        claims = self._claims(request.ticket)
        connection = ConnectionId(request.connection)
        await revoking.revoke_here(self._custodian, claims.tenant, connection)
        self._channels.push_revoked(connection)
        self._tell_salesforce(claims.tenant, connection)
        return wire.Done()

    async def _open_leases(self, request: wire.OpenLeases) -> Reply:
        claims = verify_ticket(
            self._custodian.ticket_key, Ticket(request.ticket), roles=WORKER_ONLY, now=self._custodian.clock.now()
        )
        subject = await find_subject(self._custodian.database, request.subject)
        wanted = frozenset(request.connections)
        if subject is None or subject.tenant_id != claims.tenant or not wanted <= set(subject.connections):
            return wire.Failed("refused", "what is worked on does not use these connections"), None

        async def is_running() -> bool:
            return await _still(self._custodian.database, subject, request.subject)

        run = request.subject if subject.kind is RunKind.SYNC else None
        return wire.Done(), self._channels.open(claims.tenant, wanted, is_running, run=run)

    async def _custody(self) -> wire.Answer:
        settings = self._settings
        facts = key_file_facts(settings.key_file)
        async with self._custodian.database.system() as tx:
            sealed = await store.credentials_sealed(tx)
        return wire.CustodyTold(
            key_mode=self._custodian.vault.keys.mode,
            key_id=self._custodian.vault.keys.key_id,
            key_file_mode=facts.mode_octal,
            key_file_outside_data_dir=not settings.key_file.resolve().is_relative_to(settings.home.resolve()),
            key_file_owner_is_keeper=facts.owner_is_us,
            dumpable=dumpable(),
            core_limit=core_limit(),
            swap_locked=self._swap_locked,
            pkce_method="S256",
            pkce_enforcement="sent with every request; whether the app enforces it is unproven",
            connections_sealed=len(sealed),
            open_lease_channels=len(self._channels),
        )

    def _ticket(self, role: Role, owner: _Owner, lifetime: timedelta) -> wire.TicketGiven:
        expires_at = self._custodian.clock.now() + lifetime
        claims = Claims(role.value, owner.tenant_id, owner.member_id, NO_CONNECTION, expires_at)
        return wire.TicketGiven(sign_ticket(self._custodian.ticket_key, claims).text)

    def _claims(self, text: str) -> Claims:
        now = self._custodian.clock.now()
        return verify_ticket(self._custodian.ticket_key, Ticket(text), roles=PORTAL_ONLY, now=now)

    def _tell_salesforce(self, tenant: TenantId, connection: ConnectionId) -> None:
        self._tasks.create_task(self._until_confirmed(tenant, connection))

    async def _until_confirmed(self, tenant: TenantId, connection: ConnectionId) -> None:
        with contextlib.suppress(DatabaseError):  # taken up again at the next start
            await revoking.revoke_there(self._custodian, tenant, connection)


async def _still(database: Database, subject: Subject, subject_id: UUID) -> bool:
    now = await subject_of(database, subject.kind, subject_id)
    return now is not None and now.tenant_id == subject.tenant_id


def _wanted(request: wire.Begin) -> AuthorizationWanted:
    if request.purpose not in {purpose.value for purpose in Purpose}:
        message = "a connection is for audit or for sync"
        raise InvalidValue(message)
    client_id = request.client_id.strip()
    printable = client_id.isascii() and client_id.isprintable() and " " not in client_id
    if not 0 < len(client_id) <= CLIENT_ID_LENGTH_MAX or not printable:
        message = "the consumer key has printable characters without blanks, 512 at most"
        raise InvalidValue(message)
    return AuthorizationWanted(
        alias=Alias.parse(request.alias),
        purpose=Purpose(request.purpose),
        login_host=OrgHost(request.login_scheme, request.login_name, request.login_port),
        client_id=UserText(client_id),
        client_secret=None if not request.client_secret else Secret(request.client_secret),
        org=None if request.org is None else OrgId(request.org),
    )
