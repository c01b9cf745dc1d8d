//! Every metric for CloudWatch, defined once: the set, the names and the units of Amazon Chime SDK
//! Voice Connectors.

/// How a metric behaves within a minute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloudWatchKind {
    /// How often something happened in the minute: one value; the statistic is Sum.
    Count,
    /// A level, looked at every second: the most at once within each. Maximum, Average, Minimum.
    Gauge,
    /// A value for each call's report that ended in the minute: percentiles, Average, Maximum.
    Distribution,
}

/// A unit as CloudWatch spells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloudWatchUnit {
    /// A number of things; AWS counts octets so too.
    Count,
    /// Microseconds.
    Microseconds,
    /// A score, with two decimals.
    None,
}

impl CloudWatchUnit {
    /// The word of the API.
    pub const fn name(self) -> &'static str {
        match self {
            CloudWatchUnit::Count => "Count",
            CloudWatchUnit::Microseconds => "Microseconds",
            CloudWatchUnit::None => "None",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CloudWatchDefinition {
    /// Which.
    pub metric: CloudWatchMetric,
    /// `MetricName`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: CloudWatchKind,
    /// What it is measured in.
    pub unit: CloudWatchUnit,
    /// What it tells, without a final stop.
    pub help: &'static str,
}

macro_rules! define {
    ($($name:ident, $kind:ident, $unit:ident, $help:literal;)*) => {
        /// A metric for CloudWatch.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum CloudWatchMetric { $(#[doc = $help] $name),* }

        /// Every metric for CloudWatch, in the order of [`CloudWatchMetric`].
        pub const CLOUDWATCH_METRICS: &[CloudWatchDefinition] = &[$(CloudWatchDefinition {
            metric: CloudWatchMetric::$name,
            name: stringify!($name),
            kind: CloudWatchKind::$kind,
            unit: CloudWatchUnit::$unit,
            help: $help,
        }),*];
    };
}

define! {
    SmaActiveCallCount, Gauge, Count, "Calls at once that SIP media applications steer, of both directions";
    VoiceConnectorActiveCallCount, Gauge, Count, "Calls at once, of both directions";
    InboundCallAttempts, Count, Count, "Inbound calls that passed the policing";
    InboundCallFailures, Count, Count, "Inbound calls that ended without an answer, other than by the caller giving up";
    InboundCallsAnswered, Count, Count, "Inbound calls that were answered";
    InboundCallsActive, Gauge, Count, "Inbound calls at once";
    OutboundCallAttempts, Count, Count, "Outbound calls that passed the policing";
    OutboundCallFailures, Count, Count, "Outbound calls that ended without an answer, other than by the caller giving up";
    OutboundCallsAnswered, Count, Count, "Outbound calls that were answered";
    OutboundCallsActive, Gauge, Count, "Outbound calls at once";
    Throttles, Count, Count, "Calls refused by the call rate or concurrent call limit";
    Sip1xxCodes, Count, Count, "SIP responses of the class 1xx, received and sent, on both legs";
    Sip2xxCodes, Count, Count, "SIP responses of the class 2xx, received and sent, on both legs";
    Sip3xxCodes, Count, Count, "SIP responses of the class 3xx, received and sent, on both legs";
    Sip4xxCodes, Count, Count, "SIP responses of the class 4xx, received and sent, on both legs";
    Sip5xxCodes, Count, Count, "SIP responses of the class 5xx, received and sent, on both legs";
    Sip6xxCodes, Count, Count, "SIP responses of the class 6xx, received and sent, on both legs";
    CustomerToVcRtpPackets, Count, Count, "RTP packets received from customers";
    CustomerToVcRtpBytes, Count, Count, "Octets of RTP, header and payload, received from customers";
    CustomerToVcRtcpPackets, Count, Count, "RTCP datagrams received from customers";
    CustomerToVcRtcpBytes, Count, Count, "Octets of RTCP received from customers";
    CustomerToVcPacketsLost, Distribution, Count, "RTP packets lost on the way from the customer: a value for each call, from its beginning on";
    CustomerToVcJitter, Distribution, Microseconds, "Interarrival jitter (RFC 3550) of what came from the customer";
    VcToCustomerRtpPackets, Count, Count, "RTP packets sent to customers";
    VcToCustomerRtpBytes, Count, Count, "Octets of RTP, header and payload, sent to customers";
    VcToCustomerRtcpPackets, Count, Count, "RTCP datagrams sent to customers";
    VcToCustomerRtcpBytes, Count, Count, "Octets of RTCP sent to customers";
    VcToCustomerPacketsLost, Distribution, Count, "RTP packets lost on the way to the customer, as its RTCP says: a value for each call, from its beginning on";
    VcToCustomerJitter, Distribution, Microseconds, "Interarrival jitter of what we sent to the customer, as its RTCP says";
    RemoteToVcRtpPackets, Count, Count, "RTP packets received from carriers";
    RemoteToVcRtpBytes, Count, Count, "Octets of RTP, header and payload, received from carriers";
    RemoteToVcRtcpPackets, Count, Count, "RTCP datagrams received from carriers";
    RemoteToVcRtcpBytes, Count, Count, "Octets of RTCP received from carriers";
    RemoteToVcPacketsLost, Distribution, Count, "RTP packets lost on the way from the carrier: a value for each call, from its beginning on";
    RemoteToVcJitter, Distribution, Microseconds, "Interarrival jitter (RFC 3550) of what came from the carrier";
    VcToRemoteRtpPackets, Count, Count, "RTP packets sent to carriers";
    VcToRemoteRtpBytes, Count, Count, "Octets of RTP, header and payload, sent to carriers";
    VcToRemoteRtcpPackets, Count, Count, "RTCP datagrams sent to carriers";
    VcToRemoteRtcpBytes, Count, Count, "Octets of RTCP sent to carriers";
    VcToRemotePacketsLost, Distribution, Count, "RTP packets lost on the way to the carrier, as its RTCP says: a value for each call, from its beginning on";
    VcToRemoteJitter, Distribution, Microseconds, "Interarrival jitter of what we sent to the carrier, as its RTCP says";
    RTTBetweenVcAndCustomer, Distribution, Microseconds, "Round trip between Tandem and the customer: the mean of an interval";
    RTTBetweenVcAndRemote, Distribution, Microseconds, "Round trip between Tandem and the carrier: the mean of an interval";
    MOSBetweenVcAndCustomer, Distribution, None, "Estimated mean opinion score of an interval between Tandem and the customer, 1.0 to 4.4";
    MOSBetweenVcAndRemote, Distribution, None, "Estimated mean opinion score of an interval between Tandem and the carrier, 1.0 to 4.4";
    RecordingsSaved, Count, Count, "Files of recordings that are whole, calls' or their parts";
    RecordingsFailed, Count, Count, "Recordings of which nothing could be written, or that were lost";
    RecordingsSavedBytes, Count, Count, "Octets of recordings that are whole";
}

/// What is counted and measured of one way that media takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathMetrics {
    pub(crate) packets: CloudWatchMetric,
    pub(crate) bytes: CloudWatchMetric,
    pub(crate) rtcp_packets: CloudWatchMetric,
    pub(crate) rtcp_bytes: CloudWatchMetric,
    pub(crate) lost: CloudWatchMetric,
    pub(crate) jitter: CloudWatchMetric,
}

macro_rules! path {
    ($constant:ident, $packets:ident, $bytes:ident, $rtcp_packets:ident, $rtcp_bytes:ident, $lost:ident, $jitter:ident) => {
        pub(crate) const $constant: PathMetrics = PathMetrics {
            packets: CloudWatchMetric::$packets,
            bytes: CloudWatchMetric::$bytes,
            rtcp_packets: CloudWatchMetric::$rtcp_packets,
            rtcp_bytes: CloudWatchMetric::$rtcp_bytes,
            lost: CloudWatchMetric::$lost,
            jitter: CloudWatchMetric::$jitter,
        };
    };
}

path!(
    FROM_CUSTOMER,
    CustomerToVcRtpPackets,
    CustomerToVcRtpBytes,
    CustomerToVcRtcpPackets,
    CustomerToVcRtcpBytes,
    CustomerToVcPacketsLost,
    CustomerToVcJitter
);
path!(
    TO_CUSTOMER,
    VcToCustomerRtpPackets,
    VcToCustomerRtpBytes,
    VcToCustomerRtcpPackets,
    VcToCustomerRtcpBytes,
    VcToCustomerPacketsLost,
    VcToCustomerJitter
);
path!(
    FROM_REMOTE,
    RemoteToVcRtpPackets,
    RemoteToVcRtpBytes,
    RemoteToVcRtcpPackets,
    RemoteToVcRtcpBytes,
    RemoteToVcPacketsLost,
    RemoteToVcJitter
);
path!(
    TO_REMOTE,
    VcToRemoteRtpPackets,
    VcToRemoteRtpBytes,
    VcToRemoteRtcpPackets,
    VcToRemoteRtcpBytes,
    VcToRemotePacketsLost,
    VcToRemoteJitter
);
