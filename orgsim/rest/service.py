"""What is not about rows: versions, the version root, limits, counts, recent items."""

from __future__ import annotations

from typing import Final

from orgsim.errors import ApiError
from orgsim.router import Call
from orgsim.soql.bind import as_value
from orgsim.store.derive import is_person_name, person_name
from orgsim.store.results import Row
from orgsim.wire import Response, json_response

_SEASONS: Final = ("Spring", "Summer", "Winter")
_FIRST_SPRING: Final = 66  # Spring '26
_SPRING_YEAR: Final = 26
_RESOURCES: Final = ("tooling", "sobjects", "query", "queryAll", "composite", "jobs", "limits", "recent", "search")
_RECENT_DEFAULT: Final = 200
_FIXED_LIMITS: Final = {
    "AnalyticsExternalDataSizeMB": 40_960,
    "ConcurrentAsyncGetReportInstances": 200,
    "ConcurrentEinsteinDataInsightsStoryCreation": 5,
    "ConcurrentEinsteinDiscoveryStoryCreation": 2,
    "ConcurrentSyncReportRuns": 20,
    "DailyAnalyticsDataflowJobExecutions": 60,
    "DailyAnalyticsUploadedFilesSizeMB": 51_200,
    "DailyAsyncApexExecutions": 250_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DailyDurableGenericStreamingApiEvents": 10_000,
    "DailyDurableStreamingApiEvents": 10_000,
    "DailyEinsteinDataInsightsStoryCreation": 1000,
    "DailyEinsteinDiscoveryPredictAPICalls": 50_000,
    "DailyEinsteinDiscoveryPredictionsByCDC": 500_000,
    "DailyEinsteinDiscoveryStoryCreation": 100,
    "DailyFunctionsApiCallLimit": 50_000,
    "DailyGenericStreamingApiEvents": 10_000,
    "DailyStandardVolumePlatformEvents": 10_000,
    "DailyStreamingApiEvents": 10_000,
    "DailyWorkflowEmails": 1000,
    "DurableStreamingApiConcurrentClients": 20,
    "FileStorageMB": 1024,
    "HourlyAsyncReportRuns": 1200,
    "HourlyDashboardRefreshes": 200,
    "HourlyDashboardResults": 5000,
    "HourlyDashboardStatuses": 999_999_999,
    "HourlyLongTermIdMapping": 100_000,
    "HourlyManagedContentPublicRequests": 50_000,
    "HourlyODataCallout": 1000,
    "HourlyPublishedPlatformEvents": 50_000,
    "HourlyPublishedStandardVolumePlatformEvents": 1000,
    "HourlyShortTermIdMapping": 100_000,
    "HourlySyncReportRuns": 500,
    "HourlyTimeBasedWorkflow": 1000,
    "MassEmail": 5000,
    "MonthlyEinsteinDiscoveryStoryCreation": 500,
    "MonthlyPlatformEventsUsageEntitlement": 0,
    "Package2VersionCreates": 6,
    "Package2VersionCreatesWithoutValidation": 500,
    "PrivateConnectOutboundCalloutHourlyLimitMB": 0,
    "SingleEmail": 5000,
    "StreamingApiConcurrentClients": 20,
}
_BULK_BATCHES_SINCE: Final = 49
_BULK_BATCHES_BEFORE: Final = "DailyBulkApiRequests"
_SETS_MAX: Final = 1500
_OWN_SETS_MAX: Final = 1000
_STORAGE_MB: Final = 1024
_ROWS_PER_MB: Final = 512


def release_label(version: int) -> str:
    """Return the release that brought a version: 62 is Winter '25."""
    steps = version - _FIRST_SPRING
    season = steps % 3
    year = _SPRING_YEAR + steps // 3 + (season == _SEASONS.index("Winter"))
    return f"{_SEASONS[season]} '{year:02d}"


def versions(call: Call) -> Response:
    """Answer GET /services/data: every version, oldest first."""
    settings = call.org.settings
    return json_response(
        [
            {"label": release_label(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in range(settings.version_oldest, settings.version_newest + 1)
        ]
    )


def version_root(call: Call) -> Response:
    """Answer GET /services/data/vNN.0."""
    base = f"/services/data/v{call.version}"
    answer: dict[str, object] = {name: f"{base}/{name}" for name in _RESOURCES}
    answer["identity"] = f"{call.org.instance_url}/id/{call.org.id18}/{call.user_id}"
    return json_response(answer)


def limits(call: Call) -> Response:
    """Answer GET /limits; needs View Setup and Configuration."""
    if not call.org.privileges(call.user_id).view_setup:
        raise ApiError(403, "FORBIDDEN", "You do not have the permission to view the limits of this organization.")
    usage = call.org.usage
    names: dict[str, object] = {
        "DailyApiRequests": {
            "Max": usage.requests_per_day,
            "Remaining": max(0, usage.requests_per_day - usage.used),
        }
    }
    rows = sum(table.count() for table in call.org.tables.values())
    names["DataStorageMB"] = {"Max": _STORAGE_MB, "Remaining": max(0, _STORAGE_MB - rows // _ROWS_PER_MB)}
    names |= {name: {"Max": most, "Remaining": most} for name, most in _FIXED_LIMITS.items()}
    names["PermissionSets"] = _permission_sets(call)
    names |= {
        name: {"Max": most, "Remaining": max(0, most - usage.bulk_used[name])}
        for name, most in usage.bulk_limits.items()
    }
    if call.version_number < _BULK_BATCHES_SINCE:
        names[_BULK_BATCHES_BEFORE] = names["DailyBulkApiBatches"]
    return json_response(dict(sorted(names.items())))


def _permission_sets(call: Call) -> dict[str, object]:
    made = sum(not row.get("IsOwnedByProfile") for row in call.org.tables["permissionset"].scan())
    own = {"Max": _OWN_SETS_MAX, "Remaining": max(0, _OWN_SETS_MAX - made)}
    return {"Max": _SETS_MAX, "Remaining": max(0, _SETS_MAX - made), "CreateCustom": own}


def record_count(call: Call) -> Response:
    """Answer GET /limits/recordCount; objects without rows are left out."""
    wanted = call.request.param("sObjects")
    names = [name.strip() for name in wanted.split(",")] if wanted else list(call.org.objects)
    counts: list[dict[str, object]] = []
    for name in names:
        definition = call.org.visible_object(name, call.user_id)
        if definition is not None and (count := call.org.tables[name.lower()].count()):
            counts.append({"count": count, "name": definition.name})
    return json_response({"sObjects": counts})


def recent(call: Call) -> Response:
    """Answer GET /recent: what this user viewed last."""
    limit = call.request.param("limit") or str(_RECENT_DEFAULT)
    if not limit.isdigit():
        raise ApiError(400, "ILLEGAL_QUERY_PARAMETER_VALUE", "limit must be a number")
    return json_response(recent_items(call, None)[: int(limit)])


def recent_items(call: Call, object_name: str | None) -> list[dict[str, object]]:
    """Return the user's viewed rows, newest first, of one object or of all."""
    items: list[dict[str, object]] = []
    for user_id, row_id in reversed(call.org.views):
        definition = call.org.object_of_id(row_id)
        if user_id != call.user_id or definition is None or object_name not in {None, definition.name}:
            continue
        row = call.org.tables[definition.name.lower()].get(row_id)
        if row is None or row.get("IsDeleted"):
            continue
        url = f"/services/data/v{call.version}/sobjects/{definition.name}/{row_id}"
        items.append({"attributes": {"type": definition.name, "url": url}, "Id": row_id, "Name": row_name(call, row)})
    return items


def row_name(call: Call, row: Row) -> object:
    """Return what a row is called."""
    definition = call.org.object_of_id(str(row["Id"]))
    for field in () if definition is None else definition.fields:
        if is_person_name(field):
            return person_name(row)
        if field.name_field:
            return as_value(row.get(field.name))
    return None
