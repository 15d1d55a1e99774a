"""Objects that every real org has and orgsim has not: asking for one is answered with 501, not with a false 404."""

from __future__ import annotations

from typing import Final

from orgsim.errors import NotEmulated
from orgsim.schema.load import load_listed

_STANDARD: Final = """
AccountCleanInfo AccountContactRole AccountFeed AccountHistory AccountPartner AccountShare ActionLinkGroupTemplate
ActiveFeatureLicenseMetric ActivePermSetLicenseMetric ActiveProfileMetric AdditionalNumber AggregateResult
Announcement ApexClass ApexComponent ApexEmailNotification ApexLog ApexPage ApexTestQueueItem ApexTestResult ApexTrigger
AppDefinition AppMenuItem AppTabMember AssignmentRule AsyncApexJob AttachedContentDocument AuraDefinition
AuraDefinitionBundle AuthConfig AuthProvider AuthSession BackgroundOperation BrandTemplate BusinessHours CampaignFeed
CampaignHistory CampaignShare CaseComment CaseContactRole CaseFeed CaseHistory CaseShare CaseSolution CaseStatus
CaseTeamMember CaseTeamRole CategoryNode ClientBrowser CollaborationGroup CollaborationGroupMember ConnectedApplication
ContactCleanInfo ContactFeed ContactHistory ContactShare ContentAsset ContentDocument ContentDocumentLink ContentFolder
ContentVersion ContentWorkspace ContractContactRole ContractHistory ContractStatus CronJobDetail CronTrigger
CustomBrand CustomObjectUserLicenseMetrics CustomPermission CustomPermissionDependency Dashboard DashboardComponent
DataStatistics Document DocumentAttachmentMap Domain DomainSite DuplicateRecordItem DuplicateRecordSet DuplicateRule
EmailMessage EmailMessageRelation EmailServicesAddress EmailServicesFunction EmailTemplate EntityParticle
EntitySubscription EventBusSubscriber EventFeed EventLogFile EventRelation ExternalDataSource ExternalDataUserAuth
FeedAttachment FeedComment FeedItem FeedRevision FiscalYearSettings FlowDefinitionView FlowInterview FlowVersionView
Folder GrantedByLicense Holiday HashtagDefinition Idea InstalledMobileApp LeadCleanInfo LeadFeed LeadHistory LeadShare
LeadStatus ListView LoginGeo LoginIp MatchingRule MatchingRuleItem MutingPermissionSet Name NamedCredential Note
OauthToken OpportunityCompetitor OpportunityFeed OpportunityFieldHistory
OpportunityPartner OpportunityShare OpportunityStage OrderHistory OrderStatus OrgWideEmailAddress PackageLicense Partner
PartnerRole Period PermissionSetGroup PermissionSetGroupComponent PermissionSetTabSetting PicklistValueInfo
PlatformAction PlatformCachePartition ProcessDefinition ProcessInstance ProcessInstanceNode ProcessInstanceStep
ProcessInstanceWorkitem ProcessNode Publisher PushTopic RelationshipInfo Report SamlSsoConfig SearchLayout
ServiceSetupProvisioning SessionPermSetActivation SetupAuditTrail SetupEntityAccess Solution SolutionStatus
StaticResource StreamingChannel TaskFeed TaskPriority TaskStatus TenantUsageEntitlement ThirdPartyAccountLink
Topic TopicAssignment TransactionSecurityPolicy TwoFactorInfo TwoFactorMethodsInfo TwoFactorTempCode
UserFeed UserPackageLicense UserPermissionAccess UserPrioritizedRecord VerificationHistory VisualforceAccessMetrics
"""

_ABSENT: Final = frozenset(_STANDARD.lower().split()) | {entry.name.lower() for entry in load_listed()}


def refuse_absent(name: str) -> None:
    """Raise NotEmulated if a real org would have an object of this name; call it where orgsim has none."""
    if name.lower() in _ABSENT:
        what = f"the object {name}"
        raise NotEmulated(what)
