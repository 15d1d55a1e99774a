"""The promises, in words that can be proven wrong.

What would be untrue is not said: no "read-only scope", no "never touches a server", no "cannot be decrypted".
"""

from __future__ import annotations

from typing import Final

from isthmus.trust.model import Promise

NO_RECORD_STORED: Final = Promise(
    "no-record-stored",
    "Nothing of a record is stored",
    "No value, record id, or hash of either is stored by a sync. Counts, codes and times are. Record values exist only "
    "in the memory of a process that has no disk and no database and talks to the two orgs of its run; rows that a "
    "member asks to see are sealed there, and opened in that member's own browser or command.",
    "Results leave that process as fixed-size frames of integers, and the worker's database role may write no column "
    "of a sync table that can hold free text or bytes. A plain string is no storable value for our database layer.",
    "Read the catalogue: every column of the sync tables that the worker's role may write, by its type's width.",
    "Records pass through the memory of this machine. An audit is another matter: it stores names, e-mail addresses "
    "and login times of users, under row-level security. Integers carry bits too; counts are data.",
)
CONFINEMENT: Final = Promise(
    "confinement",
    "The process that holds records is locked in",
    "Before its first record, each mover is locked down by the kernel and probes that the locks hold: it cannot open a "
    "file, make a socket, start a process or be traced. It can use only the connections that it was handed.",
    "Landlock, a seccomp filter, resource limits of zero for files and core dumps, no new privileges.",
    "Read the reports of the latest movers, which each mover makes after locking itself in.",
    "A kernel without Landlock or seccomp, which older Linux and macOS lack; bugs of the kernel itself.",
)
ROW_SECURITY: Final = Promise(
    "row-security",
    "Row-level security on every table",
    "Row-level security is forced on every table, the job queue included, and checked at every start and now. A "
    "transaction shows a tenant's rows only with a ticket that the keeper has signed for that tenant.",
    "ENABLE and FORCE ROW LEVEL SECURITY, a policy for each verb that is granted, owners that cannot log in, a ticket "
    "verified by HMAC inside the policies.",
    "Run the catalogue gate against the live database, as the role that serves you.",
    "The database superuser, the table owner, a backup role and bugs of PostgreSQL go around it. The worker claims the "
    "jobs of every tenant: of the queue, and of what is due, it sees ids and times without a ticket.",
)
SEALED_TOKENS: Final = Promise(
    "sealed-tokens",
    "Tokens are sealed with AES-256-GCM",
    "Tokens are stored as AES-256-GCM envelopes only, bound to tenant, connection, purpose and generation, so that an "
    "envelope that is moved or put back opens nowhere.",
    "Only the keeper seals and opens. The columns accept nothing but envelopes, and no other role may read them.",
    "Read the catalogue: the type of each credential column, and which roles may select them.",
    "Whoever has both the database and the key can open them; so can the root user of this host when the key is a "
    "file. Python cannot promise to wipe every copy from its memory.",
)
KEY_CUSTODY: Final = Promise(
    "key-custody",
    "The key is kept apart from the data",
    "The key that seals tokens is kept outside the data directory and outside the database, readable by its owner "
    "alone. Without it Isthmus does not start.",
    "The keeper alone opens the key; the settings refuse a place inside the data directory.",
    "Ask the keeper where its key comes from, and how the file is protected.",
    "A key file on the same host is the weakest custody there is: it protects backups and stolen disks of the "
    "database, not against the root user of this host.",
)
PKCE: Final = Promise(
    "pkce",
    "PKCE on every authorization",
    "Every login at Salesforce carries a PKCE challenge (S256) and a state of 256 bits that is bound to this tenant, "
    "member and browser, good once and for ten minutes.",
    "One function builds the authorization address and takes no parameter that could change it.",
    "Ask the keeper which method it uses, and whether enforcement by the app was proven.",
    "Whether Salesforce insists on it is a setting of the org's External Client App: require PKCE there.",
)
SCOPES: Final = Promise(
    "scopes",
    "Scopes are what was asked for, no more",
    "An audit asks for api, refresh_token, offline_access and openid, a sync for api and refresh_token. A grant that "
    "is wider is given back and refused.",
    "The keeper compares what was granted with what was asked for before it keeps anything.",
    "Compare the granted scopes of each connection with that list.",
    "Salesforce has no read-only scope: api permits whatever the user may do. Give the integration user little.",
)
AUDIT_READS: Final = Promise(
    "audit-reads",
    "An audit can only read, and only what is listed",
    "Over an audit connection only the requests listed below can be sent: constant queries on the licence objects with "
    "holes for instants and ids, their describes, and limits. None of them writes.",
    "A request is built from a table of routes and checked holes, never from an address or a query that is handed in.",
    "Plant a query of our own, an upsert and an export on an audit connection and see each refused; look at every "
    "route that an audit can reach.",
    "What the integration user may do in the org is the org's business: a stolen token could do that elsewhere.",
)
EGRESS: Final = Promise(
    "egress",
    "Only listed requests, only to Salesforce",
    "Isthmus sends requests of a finite list, to the hosts of the connected orgs and of their login, at addresses that "
    "were checked to be public. It follows no redirect, obeys no proxy setting of its environment and keeps no cookie.",
    "The process with the records cannot open connections; the worker dials for it after judging host and address.",
    "Plant foreign hosts, private addresses and odd spellings and see each refused.",
    "The list is enforced inside Isthmus. A firewall of yours around it is a second fence worth having. Notices go to "
    "the channels that the operator's own file names: they are listed here, and they are no hosts of Salesforce.",
)
REVOCATION: Final = Promise(
    "revocation",
    "Revocation stops work in flight",
    "After you press revoke, nothing further is sent with that connection; leases end within 60 seconds at the latest. "
    "Salesforce is told until it confirms.",
    "One transaction marks the connection, raises its epoch and withdraws its leases; only then is Salesforce told.",
    "Look at every revoked connection: is its revocation confirmed by Salesforce, and does any run still use it?",
    "A request that is already on the wire completes.",
)
DATABASE_VERSION: Final = Promise(
    "database-version",
    "The database is patched",
    "PostgreSQL is at or above the minor version without known holes in row-level security.",
    "The gate at start refuses anything older.",
    "Ask the server for its version.",
    "Holes that nobody has found or published yet.",
)
NO_CRASH_DUMP: Final = Promise(
    "no-crash-dump",
    "No core file of the processes that hold secrets",
    "The keeper and the movers write no core files and cannot be traced by other processes of the same user.",
    "They mark themselves undumpable and set their core limit to zero.",
    "Ask the keeper for its own settings, and read the latest mover's report.",
    "Swap, hibernation and snapshots of a virtual machine are the host's business; encrypt swap or switch it off.",
)
