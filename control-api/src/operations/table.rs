//! The operations, in the order of their names: name, method, status of success, errors beside the
//! six of every operation, those of the six that it lacks, what Tandem does, path and query.

use super::ErrorKind::*;
use super::Method::{Delete, Get, Post, Put};
use super::Operation;
use super::Support::{NotPlanned, Served, Withdrawn};

macro_rules! operations {
    ($($name:ident, $method:ident, $status:literal, [$($error:ident),*], [$($lack:ident),*],
        $support:ident, $target:literal;)*) => {
        /// Every operation of the service's model (apiVersion 2022-08-03), by name.
        pub const OPERATIONS: &[Operation] = &[$(Operation {
            name: stringify!($name),
            method: $method,
            target: $target,
            status: $status,
            errors: &[$($error),*],
            lacks: &[$($lack),*],
            support: $support,
        }),*];
    };
}

operations! {
    AssociatePhoneNumbersWithVoiceConnector, Post, 200, [AccessDenied, NotFound], [], Served, "/voice-connectors/{voiceConnectorId}?operation=associate-phone-numbers";
    AssociatePhoneNumbersWithVoiceConnectorGroup, Post, 200, [AccessDenied, NotFound], [], Served, "/voice-connector-groups/{voiceConnectorGroupId}?operation=associate-phone-numbers";
    BatchDeletePhoneNumber, Post, 200, [NotFound], [], Served, "/phone-numbers?operation=batch-delete";
    BatchUpdatePhoneNumber, Post, 200, [NotFound], [], Served, "/phone-numbers?operation=batch-update";
    CreatePhoneNumberOrder, Post, 201, [AccessDenied, ResourceLimitExceeded], [], Served, "/phone-number-orders";
    CreateProxySession, Post, 201, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/proxy-sessions";
    CreateSipMediaApplication, Post, 201, [AccessDenied, Conflict, ResourceLimitExceeded], [], Served, "/sip-media-applications";
    CreateSipMediaApplicationCall, Post, 201, [AccessDenied, ResourceLimitExceeded], [], Served, "/sip-media-applications/{sipMediaApplicationId}/calls";
    CreateSipRule, Post, 201, [AccessDenied, Conflict, ResourceLimitExceeded], [], Served, "/sip-rules";
    CreateVoiceConnector, Post, 201, [AccessDenied, ResourceLimitExceeded], [], Served, "/voice-connectors";
    CreateVoiceConnectorGroup, Post, 201, [AccessDenied, NotFound, ResourceLimitExceeded], [], Served, "/voice-connector-groups";
    CreateVoiceProfile, Post, 201, [AccessDenied, Conflict, Gone, NotFound, ResourceLimitExceeded], [], NotPlanned, "/voice-profiles";
    CreateVoiceProfileDomain, Post, 201, [AccessDenied, Conflict, ResourceLimitExceeded], [], NotPlanned, "/voice-profile-domains";
    DeletePhoneNumber, Delete, 204, [NotFound], [], Served, "/phone-numbers/{phoneNumberId}";
    DeleteProxySession, Delete, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/proxy-sessions/{proxySessionId}";
    DeleteSipMediaApplication, Delete, 204, [Conflict, NotFound], [], Served, "/sip-media-applications/{sipMediaApplicationId}";
    DeleteSipRule, Delete, 204, [Conflict, NotFound], [], Served, "/sip-rules/{sipRuleId}";
    DeleteVoiceConnector, Delete, 204, [Conflict, NotFound], [], Served, "/voice-connectors/{voiceConnectorId}";
    DeleteVoiceConnectorEmergencyCallingConfiguration, Delete, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/emergency-calling-configuration";
    DeleteVoiceConnectorExternalSystemsConfiguration, Delete, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/external-systems-configuration";
    DeleteVoiceConnectorGroup, Delete, 204, [Conflict, NotFound], [], Served, "/voice-connector-groups/{voiceConnectorGroupId}";
    DeleteVoiceConnectorOrigination, Delete, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/origination";
    DeleteVoiceConnectorProxy, Delete, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/programmable-numbers/proxy";
    DeleteVoiceConnectorStreamingConfiguration, Delete, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/streaming-configuration";
    DeleteVoiceConnectorTermination, Delete, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/termination";
    DeleteVoiceConnectorTerminationCredentials, Post, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/termination/credentials?operation=delete";
    DeleteVoiceProfile, Delete, 204, [AccessDenied, Conflict, NotFound], [], NotPlanned, "/voice-profiles/{VoiceProfileId}";
    DeleteVoiceProfileDomain, Delete, 204, [AccessDenied, Conflict, NotFound], [], NotPlanned, "/voice-profile-domains/{VoiceProfileDomainId}";
    DisassociatePhoneNumbersFromVoiceConnector, Post, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}?operation=disassociate-phone-numbers";
    DisassociatePhoneNumbersFromVoiceConnectorGroup, Post, 200, [NotFound], [], Served, "/voice-connector-groups/{voiceConnectorGroupId}?operation=disassociate-phone-numbers";
    GetGlobalSettings, Get, 200, [], [], Served, "/settings";
    GetPhoneNumber, Get, 200, [NotFound], [], Served, "/phone-numbers/{phoneNumberId}";
    GetPhoneNumberOrder, Get, 200, [NotFound], [], Served, "/phone-number-orders/{phoneNumberOrderId}";
    GetPhoneNumberSettings, Get, 200, [], [], Served, "/settings/phone-number";
    GetProxySession, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/proxy-sessions/{proxySessionId}";
    GetSipMediaApplication, Get, 200, [NotFound], [], Served, "/sip-media-applications/{sipMediaApplicationId}";
    GetSipMediaApplicationAlexaSkillConfiguration, Get, 200, [Gone, NotFound], [], Withdrawn, "/sip-media-applications/{sipMediaApplicationId}/alexa-skill-configuration";
    GetSipMediaApplicationLoggingConfiguration, Get, 200, [NotFound], [], Served, "/sip-media-applications/{sipMediaApplicationId}/logging-configuration";
    GetSipRule, Get, 200, [NotFound], [], Served, "/sip-rules/{sipRuleId}";
    GetSpeakerSearchTask, Get, 200, [AccessDenied, Conflict, NotFound], [], NotPlanned, "/voice-connectors/{VoiceConnectorId}/speaker-search-tasks/{SpeakerSearchTaskId}";
    GetVoiceConnector, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}";
    GetVoiceConnectorEmergencyCallingConfiguration, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/emergency-calling-configuration";
    GetVoiceConnectorExternalSystemsConfiguration, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/external-systems-configuration";
    GetVoiceConnectorGroup, Get, 200, [NotFound], [], Served, "/voice-connector-groups/{voiceConnectorGroupId}";
    GetVoiceConnectorLoggingConfiguration, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/logging-configuration";
    GetVoiceConnectorOrigination, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/origination";
    GetVoiceConnectorProxy, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/programmable-numbers/proxy";
    GetVoiceConnectorStreamingConfiguration, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/streaming-configuration";
    GetVoiceConnectorTermination, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/termination";
    GetVoiceConnectorTerminationHealth, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/termination/health";
    GetVoiceProfile, Get, 200, [AccessDenied, NotFound], [], NotPlanned, "/voice-profiles/{VoiceProfileId}";
    GetVoiceProfileDomain, Get, 200, [AccessDenied, NotFound], [], NotPlanned, "/voice-profile-domains/{VoiceProfileDomainId}";
    GetVoiceToneAnalysisTask, Get, 200, [AccessDenied, Conflict, NotFound], [], NotPlanned, "/voice-connectors/{VoiceConnectorId}/voice-tone-analysis-tasks/{VoiceToneAnalysisTaskId}";
    ListAvailableVoiceConnectorRegions, Get, 200, [], [], Served, "/voice-connector-regions";
    ListPhoneNumberOrders, Get, 200, [], [], Served, "/phone-number-orders";
    ListPhoneNumbers, Get, 200, [NotFound], [], Served, "/phone-numbers";
    ListProxySessions, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/proxy-sessions";
    ListSipMediaApplications, Get, 200, [], [], Served, "/sip-media-applications";
    ListSipRules, Get, 200, [NotFound], [], Served, "/sip-rules";
    ListSupportedPhoneNumberCountries, Get, 200, [AccessDenied], [], Served, "/phone-number-countries";
    ListTagsForResource, Get, 200, [NotFound], [ThrottledClient], Served, "/tags";
    ListVoiceConnectorGroups, Get, 200, [], [], Served, "/voice-connector-groups";
    ListVoiceConnectorTerminationCredentials, Get, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/termination/credentials";
    ListVoiceConnectors, Get, 200, [], [], Served, "/voice-connectors";
    ListVoiceProfileDomains, Get, 200, [NotFound], [], NotPlanned, "/voice-profile-domains";
    ListVoiceProfiles, Get, 200, [NotFound], [], NotPlanned, "/voice-profiles";
    PutSipMediaApplicationAlexaSkillConfiguration, Put, 200, [Gone, NotFound], [], Withdrawn, "/sip-media-applications/{sipMediaApplicationId}/alexa-skill-configuration";
    PutSipMediaApplicationLoggingConfiguration, Put, 200, [NotFound], [], Served, "/sip-media-applications/{sipMediaApplicationId}/logging-configuration";
    PutVoiceConnectorEmergencyCallingConfiguration, Put, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/emergency-calling-configuration";
    PutVoiceConnectorExternalSystemsConfiguration, Put, 200, [Conflict, NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/external-systems-configuration";
    PutVoiceConnectorLoggingConfiguration, Put, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/logging-configuration";
    PutVoiceConnectorOrigination, Put, 200, [AccessDenied, NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/origination";
    PutVoiceConnectorProxy, Put, 200, [AccessDenied, NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/programmable-numbers/proxy";
    PutVoiceConnectorStreamingConfiguration, Put, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/streaming-configuration";
    PutVoiceConnectorTermination, Put, 200, [AccessDenied, NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/termination";
    PutVoiceConnectorTerminationCredentials, Post, 204, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/termination/credentials?operation=put";
    RestorePhoneNumber, Post, 200, [NotFound, ResourceLimitExceeded], [], Served, "/phone-numbers/{phoneNumberId}?operation=restore";
    SearchAvailablePhoneNumbers, Get, 200, [AccessDenied], [], Served, "/search?type=phone-numbers";
    StartSpeakerSearchTask, Post, 201, [AccessDenied, Conflict, Gone, NotFound, ResourceLimitExceeded, UnprocessableEntity], [], NotPlanned, "/voice-connectors/{VoiceConnectorId}/speaker-search-tasks";
    StartVoiceToneAnalysisTask, Post, 201, [AccessDenied, Conflict, Gone, NotFound, ResourceLimitExceeded, UnprocessableEntity], [], NotPlanned, "/voice-connectors/{VoiceConnectorId}/voice-tone-analysis-tasks";
    StopSpeakerSearchTask, Post, 204, [AccessDenied, Conflict, NotFound, UnprocessableEntity], [], NotPlanned, "/voice-connectors/{VoiceConnectorId}/speaker-search-tasks/{SpeakerSearchTaskId}?operation=stop";
    StopVoiceToneAnalysisTask, Post, 204, [AccessDenied, Conflict, NotFound, UnprocessableEntity], [], NotPlanned, "/voice-connectors/{VoiceConnectorId}/voice-tone-analysis-tasks/{VoiceToneAnalysisTaskId}?operation=stop";
    TagResource, Post, 204, [NotFound, ResourceLimitExceeded], [ThrottledClient], Served, "/tags?operation=tag-resource";
    UntagResource, Post, 204, [NotFound], [ThrottledClient], Served, "/tags?operation=untag-resource";
    UpdateGlobalSettings, Put, 204, [], [], Served, "/settings";
    UpdatePhoneNumber, Post, 200, [Conflict, NotFound], [], Served, "/phone-numbers/{phoneNumberId}";
    UpdatePhoneNumberSettings, Put, 204, [], [], Served, "/settings/phone-number";
    UpdateProxySession, Post, 201, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}/proxy-sessions/{proxySessionId}";
    UpdateSipMediaApplication, Put, 200, [Conflict, NotFound], [], Served, "/sip-media-applications/{sipMediaApplicationId}";
    UpdateSipMediaApplicationCall, Post, 202, [NotFound, ResourceLimitExceeded], [], Served, "/sip-media-applications/{sipMediaApplicationId}/calls/{transactionId}";
    UpdateSipRule, Put, 202, [Conflict, NotFound, ResourceLimitExceeded], [], Served, "/sip-rules/{sipRuleId}";
    UpdateVoiceConnector, Put, 200, [NotFound], [], Served, "/voice-connectors/{voiceConnectorId}";
    UpdateVoiceConnectorGroup, Put, 202, [Conflict, NotFound], [], Served, "/voice-connector-groups/{voiceConnectorGroupId}";
    UpdateVoiceProfile, Put, 200, [AccessDenied, Conflict, Gone, NotFound], [], NotPlanned, "/voice-profiles/{VoiceProfileId}";
    UpdateVoiceProfileDomain, Put, 200, [AccessDenied, NotFound], [], NotPlanned, "/voice-profile-domains/{VoiceProfileDomainId}";
    ValidateE911Address, Post, 202, [AccessDenied, NotFound], [], Served, "/emergency-calling/address";
}
