"""Judging what the keeper says of its key, its PKCE and its process, and what connections were granted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from isthmus.orgs.model import SCOPES, Connection, ConnectionState, Custody
from isthmus.trust.confinement import Attestation
from isthmus.trust.model import Outcome, Verdict

FILE_MODES: Final = frozenset({"0600", "0400", "600", "400"})
IMPLIED_SCOPES: Final = frozenset({"id", "refresh_token", "offline_access"})
"""Salesforce may name these although they were not asked for by name: two names of one scope, and the identity URL."""


def judge_key(custody: Custody) -> Outcome:
    """Kept if the key lies outside the data directory and only its owner can read it."""
    evidence = (
        f"Custody: {custody.key_mode}; key id {custody.key_id}.",
        f"Outside the data directory: {_yes(custody.key_file_outside_data_dir)}.",
        f"Mode {custody.key_file_mode}, owned by the keeper's own user: {_yes(custody.key_file_owner_is_keeper)}.",
    )
    if not custody.key_file_outside_data_dir:
        return Outcome(Verdict.WITHDRAWN, evidence, "Move the key file elsewhere and set ISTHMUS_KEY_FILE.")
    if custody.key_file_mode.removeprefix("0o") not in FILE_MODES or not custody.key_file_owner_is_keeper:
        return Outcome(Verdict.WITHDRAWN, evidence, "Give the key file to the keeper's user with mode 0600.")
    return Outcome(Verdict.KEPT, evidence)


def judge_pkce(custody: Custody) -> Outcome:
    """Kept if the keeper sends S256 each time; whether the app insists on it is reported beside it."""
    evidence = (
        f"Method of every authorization: {custody.pkce_method}.",
        f"Enforcement by the org's app: {custody.pkce_enforcement.replace('_', ' ')}.",
    )
    if custody.pkce_method != "S256":
        return Outcome(Verdict.WITHDRAWN, evidence, "This keeper is not the one of this version: reinstall Isthmus.")
    return Outcome(Verdict.KEPT, evidence)


def judge_process(custody: Custody, attestations: Sequence[Attestation]) -> Outcome:
    """Kept if keeper and latest mover are undumpable with a core limit of zero."""
    last = attestations[0] if attestations else None
    evidence = (
        f"Keeper: dumpable {_yes(custody.dumpable)}, core limit {custody.core_limit} bytes.",
        f"Keeper's memory locked against swap: {_yes(custody.swap_locked)}.",
        "No mover has run here yet."
        if last is None
        else f"Latest mover: dumpable {_yes(bool(last.dumpable))}, core limit {last.core_limit} bytes, "
        f"{last.swap_kb} kB in swap.",
    )
    loose = custody.dumpable or custody.core_limit != 0 or (last is not None and (last.dumpable or last.core_limit))
    if loose:
        return Outcome(Verdict.WITHDRAWN, evidence, "Start Isthmus by isthmus up, which sets both; see its journal.")
    return Outcome(Verdict.KEPT, evidence)


def judge_scopes(connections: Sequence[Connection]) -> Outcome:
    """Kept if no connection in force was granted more than was asked for."""
    held = [c for c in connections if c.state is not ConnectionState.REVOKED]
    if not held:
        return Outcome(Verdict.NOT_YET_KNOWN, ("No org is connected.",), "Connect an org; then this is known.")
    wide = [c for c in held if set(c.scopes.split()) - set(SCOPES[c.purpose]) - IMPLIED_SCOPES]
    evidence = tuple(f"{c.alias}, {c.purpose}: {c.scopes}." for c in held)
    if wide:
        return Outcome(Verdict.WITHDRAWN, evidence, f"Revoke and connect again: {', '.join(c.alias for c in wide)}.")
    return Outcome(Verdict.KEPT, evidence)


def judge_revocation(connections: Sequence[Connection], running: int) -> Outcome:
    """Kept if no run uses a revoked connection; the evidence says which revocations Salesforce has confirmed.

    `running` counts unfinished runs on revoked connections.
    """
    revoked = [c for c in connections if c.state is ConnectionState.REVOKED]
    waiting = [c for c in revoked if c.revoke_confirmed_at is None]
    evidence = (
        f"{len(revoked)} connections revoked, {len(revoked) - len(waiting)} of them confirmed by Salesforce.",
        f"{running} unfinished runs on revoked connections.",
    )
    if running:
        return Outcome(Verdict.WITHDRAWN, evidence, "Restart the worker; the run must end within a minute.")
    if not revoked:
        return Outcome(Verdict.NOT_YET_KNOWN, ("No connection was revoked here yet.",), "Known after the first one.")
    if waiting:
        names = ", ".join(f"{c.alias} ({c.purpose})" for c in waiting)
        remedy = f"Not confirmed by Salesforce yet: {names}. You can revoke it there too: Setup, OAuth Usage."
        return Outcome(Verdict.NOT_YET_KNOWN, evidence, remedy)
    return Outcome(Verdict.KEPT, evidence)


def _yes(fact: bool) -> str:  # noqa: FBT001 a word for a fact
    return "yes" if fact else "no"
