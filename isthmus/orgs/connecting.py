"""Connecting an org: the web-server flow with PKCE, carried out in the keeper.

1. `begin`: state, verifier and browser binding are drawn; state and binding are kept as hashes, the verifier sealed.
2. The browser goes to Salesforce and comes back.
3. `finish`: the question is taken out of the table by state, browser and member, once.
4. The code is exchanged; what was granted is compared with what was asked for.
5. Who answered is asked of the org itself, and bound: a renewal must come from the same org and user.
6. Everything is sealed and stored in one transaction. If anything fails after 4, the new grant is given back.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from isthmus.db.errors import Conflict
from isthmus.db.storable import SalesforceId, SalesforceUsername, ScopeList
from isthmus.db.ticket import Claims
from isthmus.egress.errors import EgressError
from isthmus.egress.hosts import judge_host
from isthmus.orgs import store
from isthmus.orgs.custodian import Custodian, digest, host_of, open_credential, seal_credential
from isthmus.orgs.model import (
    SCOPES,
    AliasTaken,
    AppNotAllowed,
    AuthorizationBegun,
    AuthorizationWanted,
    ConnectionState,
    ConsentDenied,
    GrantRefused,
    HostNotAllowed,
    OrgUnreachable,
    OtherOrg,
    ScopesTooWide,
    StateUnknown,
)
from isthmus.salesforce import login
from isthmus.salesforce.login import App, Grant, UserInfo
from isthmus.values import ConnectionId, InvalidValue, OrgHost, OrgId, Purpose, Secret, UserText
from isthmus.vault.sealed import Part, Place

AUTHORIZE_PATH: Final = "/services/oauth2/authorize"
REQUEST_LIFETIME: Final = timedelta(minutes=10)
REFRESH_NAMES: Final = frozenset({"refresh_token", "offline_access"})
IMPLIED_SCOPES: Final = frozenset({"id"})
"""Salesforce may name the identity URL's own scope without having been asked."""
DENIED: Final = frozenset({"access_denied", "access-denied"})
BLOCKED: Final = frozenset({"OAUTH_APP_BLOCKED", "OAUTH_APP_ACCESS_DENIED"})


async def begin(custodian: Custodian, claims: Claims, wanted: AuthorizationWanted) -> AuthorizationBegun:
    """Return where to send the browser and what its cookie must hold. Raises `HostNotAllowed`."""
    denial = judge_host(wanted.login_host, loopback=custodian.loopback)
    if denial is not None:
        message = f"the login host is refused: {denial.value}"
        raise HostNotAllowed(message)
    state, binding, verifier = custodian.new_token(), custodian.new_token(), custodian.new_token()
    request = custodian.new_uuid()
    place = Place(claims.tenant, request, wanted.purpose, 0)
    data_key = await custodian.vault.new_data_key(place)
    secret = wanted.client_secret
    async with custodian.database.tenant(custodian.own_ticket(claims.tenant, member=claims.member)) as tx:
        await store.add_request(
            tx,
            request=request,
            state_hash=digest(state),
            binding_hash=digest(binding),
            alias=wanted.alias,
            purpose=wanted.purpose,
            login=wanted.login_host,
            client_id=wanted.client_id,
            org=wanted.org,
            wrapped_key=data_key.wrapped,
            verifier=data_key.seal(verifier, Part.VERIFIER),
            client_secret=None if secret is None else data_key.seal(secret, Part.CLIENT_SECRET),
            expires_at=custodian.clock.now() + REQUEST_LIFETIME,
        )
    url = authorize_url(
        wanted.login_host,
        wanted.client_id,
        wanted.purpose,
        redirect_uri=custodian.redirect_uri,
        state=state,
        verifier=verifier,
    )
    return AuthorizationBegun(url, binding)


def authorize_url(
    host: OrgHost, client_id: str, purpose: Purpose, *, redirect_uri: str, state: Secret, verifier: Secret
) -> str:
    """The only builder of this URL: S256 always, the scopes of the purpose exactly, nothing that a caller can add."""
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.reveal()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(SCOPES[purpose]),
        "state": state.reveal_text(),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{host.origin}{AUTHORIZE_PATH}?{urlencode(query)}"


async def finish(
    custodian: Custodian,
    claims: Claims,
    *,
    state: Secret,
    code: Secret | None,
    error: str | None,
    binding: Secret | None,
) -> ConnectionId:
    """Exchange the code and keep the grant. Raises a kind of `ConnectingFailed`; an old connection stays as it was."""
    request = None
    if binding is not None:
        async with custodian.database.tenant(custodian.own_ticket(claims.tenant, member=claims.member)) as tx:
            request = await store.take_request(tx, digest(state), digest(binding), custodian.clock.now())
    if request is None:
        message = "this answer belongs to no question of this browser, or came too late. Start connecting again."
        raise StateUnknown(message)
    if error is not None or code is None:
        raise _refusal(error)
    data_key = await custodian.vault.data_key(request.wrapped_key, Place(claims.tenant, request.id, request.purpose, 0))
    secret = None if request.client_secret is None else data_key.open(request.client_secret, Part.CLIENT_SECRET)
    app = App(request.client_id, secret)
    granted = await _exchange(custodian, request, app, code, data_key.open(request.verifier, Part.VERIFIER))
    try:
        return await _keep(custodian, claims, request, app, granted)
    except BaseException:
        await _give_back(custodian, host_of(request.login_origin), granted.refresh_token or granted.access_token)
        raise


async def _exchange(custodian: Custodian, request: store.RequestRow, app: App, code: Secret, verifier: Secret) -> Grant:
    try:
        async with custodian.open_login(host_of(request.login_origin)) as channel:
            return await login.exchange_code(
                channel, app, code, verifier, custodian.redirect_uri, loopback=custodian.loopback
            )
    except login.GrantRefused as refused:
        message = (
            f"Salesforce did not accept the login ({refused.refusal.value}). Check the app's consumer key and secret, "
            f"its callback URL {custodian.redirect_uri}, and start connecting again."
        )
        raise GrantRefused(message) from None
    except (login.LoginUnavailable, EgressError):
        raise _unreachable() from None


async def _keep(
    custodian: Custodian, claims: Claims, request: store.RequestRow, app: App, granted: Grant
) -> ConnectionId:
    scopes = _checked_scopes(request.purpose, granted)
    refresh_token = granted.refresh_token
    if refresh_token is None:
        message = "Salesforce granted no refresh token. Allow the scope refresh_token in the app, and connect again."
        raise GrantRefused(message)
    if judge_host(granted.instance, loopback=custodian.loopback) is not None:
        message = "Salesforce named an instance that is not one of its hosts; nothing was kept."
        raise HostNotAllowed(message)
    who = await _who(custodian, granted)
    org_id, user_id, username = _identity(granted, who)
    base = claims.tenant, claims.member
    async with custodian.database.tenant(custodian.own_ticket(base[0], member=base[1])) as tx:
        org = await _bound_org(tx, custodian, request, org_id)
        known = await store.connection_of(tx, org, request.purpose)
    connection = ConnectionId(known.id if known else custodian.new_uuid())
    ticket = custodian.own_ticket(claims.tenant, member=claims.member, connection=connection)
    try:
        async with custodian.database.tenant(ticket) as tx:
            await store.lock_credential(tx, connection)
            before = await store.grant(tx, connection)
            if before is not None and before.state is not ConnectionState.REVOKED:
                _refuse_other_user(before, user_id)
            await store.save_org(tx, org, request.alias, org_id, granted.instance)
            await store.save_connection(
                tx,
                connection=connection,
                org=org,
                purpose=request.purpose,
                login=host_of(request.login_origin),
                client_id=UserText(request.client_id),
                user=user_id,
                username=username,
                scopes=scopes,
            )
            generation = 1 + (before.generation or 0 if before else 0)
            place = Place(claims.tenant, connection, request.purpose, generation)
            sealed = await seal_credential(custodian, place, refresh_token, granted.access_token, app.client_secret)
            await store.save_credential(tx, connection, sealed)
            await store.end_attempt(tx)
    except Conflict:
        message = "this org was connected by somebody else at the same moment. Look at the list of orgs."
        raise AliasTaken(message) from None
    await _retire(custodian, claims, before, refresh_token)
    return connection


def _checked_scopes(purpose: Purpose, granted: Grant) -> ScopeList:
    """Return what was granted, or raise `ScopesTooWide`."""
    asked = frozenset(SCOPES[purpose])
    if asked & REFRESH_NAMES:
        asked |= REFRESH_NAMES
    if granted.scopes - asked - IMPLIED_SCOPES:
        message = (
            "Salesforce granted more than was asked for, so the grant was given back. "
            f"Limit the app's OAuth scopes to: {', '.join(SCOPES[purpose])}."
        )
        raise ScopesTooWide(message)
    try:
        return ScopeList.of(granted.scopes)
    except InvalidValue:
        message = "Salesforce named scopes in a form that cannot be checked; the grant was given back."
        raise ScopesTooWide(message) from None


async def _who(custodian: Custodian, granted: Grant) -> UserInfo:
    try:
        async with custodian.open_login(granted.instance) as channel:
            return await login.userinfo(channel, granted.access_token)
    except login.GrantRefused:
        message = "the org does not say who logged in; the grant was given back. Check the app's policies."
        raise GrantRefused(message) from None
    except (login.LoginUnavailable, EgressError):
        raise _unreachable() from None


def _identity(granted: Grant, who: UserInfo) -> tuple[SalesforceId, SalesforceId, SalesforceUsername]:
    """Return org, user and name, if the token's identity and the org's own answer agree."""
    try:
        org, user = SalesforceId.parse(granted.org_id), SalesforceId.parse(granted.user_id)
        told = SalesforceId.parse(who.org_id), SalesforceId.parse(who.user_id)
        username = SalesforceUsername.parse(who.username)
    except InvalidValue:
        message = "the org's answer about who logged in cannot be read; the grant was given back."
        raise GrantRefused(message) from None
    if (org, user) != told:
        message = "the login and the org disagree about who logged in; the grant was given back."
        raise OtherOrg(message)
    return org, user, username


async def _bound_org(
    tx: store.TenantTx, custodian: Custodian, request: store.RequestRow, answered: SalesforceId
) -> OrgId:
    """Return the id of the org that this grant belongs to, or raise `OtherOrg`, `AliasTaken`."""
    if request.org_id is not None:
        known = await store.org_named(tx, request.org_id)
        if known is None or known.salesforce_org_id != answered:
            message = "the login was made in another org than the one to renew; the grant was given back."
            raise OtherOrg(message)
        return known.id
    for known in await store.orgs_like(tx, request.alias, answered):
        if known.salesforce_org_id != answered:
            message = f"the alias {request.alias} stands for another org. Log in there, or choose another alias."
            raise OtherOrg(message)
        if known.alias != request.alias:
            message = f"this org is connected already, as {known.alias}. Use that alias."
            raise AliasTaken(message)
        return known.id
    return OrgId(custodian.new_uuid())


def _refuse_other_user(before: store.GrantRow, user: SalesforceId) -> None:
    if before.salesforce_user_id != user:
        message = (
            "the login was made as another user than the connection belongs to; the grant was given back. "
            "Log in as that user, or revoke the connection first."
        )
        raise OtherOrg(message)


async def _retire(custodian: Custodian, claims: Claims, before: store.GrantRow | None, kept: Secret) -> None:
    """Give the replaced grant back, if there is one and Salesforce did not hand out the same token again."""
    if before is None or before.generation is None:
        return
    old = await open_credential(custodian, claims.tenant, before)
    if old is not None and old.refresh_token.reveal() != kept.reveal():
        await _give_back(custodian, host_of(before.login_origin), old.refresh_token)


async def _give_back(custodian: Custodian, host: OrgHost, token: Secret) -> None:
    """Revoke a grant that is not kept. If Salesforce does not answer, the token is forgotten all the same."""
    try:
        async with custodian.open_login(host) as channel:
            await login.revoke(channel, token)
    except (login.LoginUnavailable, login.GrantRefused, EgressError):
        return


def _refusal(error: str | None) -> ConsentDenied | AppNotAllowed | GrantRefused:
    if error in DENIED:
        return ConsentDenied("the person at Salesforce denied the access. Nothing was connected.")
    if error in BLOCKED:
        return AppNotAllowed(
            "Salesforce blocks this app for this user. In the org: Setup > Connected Apps OAuth Usage > Install, "
            "or give the user the permission Approve Uninstalled Connected Apps; then connect again."
        )
    return GrantRefused("Salesforce sent the browser back without a login. Check the app's settings, connect again.")


def _unreachable() -> OrgUnreachable:
    return OrgUnreachable("Salesforce did not answer. Nothing was connected; try again in a few minutes.")
