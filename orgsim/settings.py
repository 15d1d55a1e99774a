"""Switches: everything the emulator had to assume, and the sizes an operator may want to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

OLDEST_VERSION = 31
NEWEST_VERSION = 67


@dataclass(slots=True)
class OrgSettings:
    """One org's behaviour. Each switch for an assumed fact is named in the fact files under its own name."""

    # Sizes and limits
    version_oldest: int = OLDEST_VERSION
    version_newest: int = NEWEST_VERSION
    api_requests_per_day: int = 100_000
    query_page_rows: int = 2000
    query_page_rows_min: int = 200
    query_page_rows_max: int = 2000
    aggregate_groups_max: int = 2000
    collection_rows_max: int = 200
    retrieve_rows_max: int = 2000
    composite_calls_max: int = 25
    composite_queries_max: int = 5
    composite_graph_nodes_max: int = 500
    composite_graphs_max: int = 75
    tree_records_max: int = 200
    uri_bytes_max: int = 16_384
    open_cursors_max: int = 0  # 0: no limit, as since API 56.0
    updated_window_days: int = 30
    deleted_window_days: int = 15
    storage_rows_max: int = 0  # 0: no limit

    # What an administrator may have set up (off in a new org)
    sharing: dict[str, str] = field(default_factory=dict[str, str])  # {"Account": "Private"}, see store/sharing.py
    object_permissions_enforced: bool = False
    parent_locks: Literal["off", "on"] = "off"

    # Assumed facts of SOQL
    descending_nulls_last: bool = True
    not_equal_finds_null: bool = True
    polymorphic_attributes_type: Literal["Name", "actual"] = "Name"
    empty_child_query: Literal["null", "empty"] = "null"

    # Assumed facts of SOSL
    search_sidebar_fields: Literal["name", "all"] = "name"
    search_picklists: bool = False
    search_reserved_characters: Literal["refuse", "split"] = "refuse"

    # Assumed facts of writes
    repeated_external_id_fails: Literal["both", "second"] = "both"
    mixed_dml_refused: bool = True
    missing_key_code: str = "MISSING_ARGUMENT"
    missing_parent_key_code: str = "INVALID_FIELD"
    unknown_parent_code: str = "INVALID_CROSS_REFERENCE_KEY"
    licences_need_view_setup: bool = True
    bulk_unsupported_query_code: str = "API_ERROR"
    lookup_of_deleted_row: Literal["refuse", "accept"] = "refuse"
    deleting_clears_lookups: bool = True
    undelete_moves_stamp: bool = True
    hidden_row_code: str = "INSUFFICIENT_ACCESS_OR_READONLY"
    no_object_permission_code: str = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    duplicate_field_permission_code: str = "DUPLICATE_VALUE"

    # Switches of other parts (OAuth, Bulk, Tooling); kept here so that one object describes the org
    authorization_code_lifetime_s: int = 900
    access_token_lifetime_s: int = 7200
    id_token_lifetime_s: int = 120
    revoked_family_on_reuse: bool = True
    bulk_early_results_status: int = 400
    bulk_query_page_rows: int = 50_000
    external_ids_per_object_max: int = 25
    multi_currency: bool = False
    person_accounts: bool = False
    extra: dict[str, str] = field(default_factory=dict[str, str])
