//! The limits that can stop a guest.

use std::io;

/// A limit of this host that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// The size of a response head.
    #[error("the response head is larger than the limit: raise 'response_head' in [budgets]")]
    ResponseHeadSize,
    /// The number of connections that are open at once.
    #[error("too many connections are open at once: raise 'connections' in [budgets]")]
    Connections,
    /// The size of a request head.
    #[error("the request head is larger than the limit")]
    RequestHeadSize,
    /// The number of requests.
    #[error(
        "the sandbox has made as many requests as its budget has: raise 'requests' in [budgets]"
    )]
    Requests,
    /// The number of requests within a second.
    #[error(
        "the sandbox makes more requests in a second than its budget has: raise 'requests_per_second' in [budgets]"
    )]
    RequestRate,
    /// All bytes that go out.
    #[error("the sandbox has sent as many bytes as its budget has: raise 'bytes_up' in [budgets]")]
    BytesUp,
    /// All bytes that come in.
    #[error(
        "the sandbox has received as many bytes as its budget has: raise 'bytes_down' in [budgets]"
    )]
    BytesDown,
    /// The number of hosts that were connected to or looked up.
    #[error(
        "the sandbox has connected to as many hosts as its budget has: raise 'hosts' in [budgets]"
    )]
    Hosts,
    /// The time since the first use of the network.
    #[error(
        "the sandbox has used the network for as long as its budget has: raise 'seconds' in [budgets]"
    )]
    Time,
    /// The memory of the host that is held on behalf of the guest.
    #[error(
        "the host holds as much memory for the sandbox as its budget has: raise 'host_memory' in [budgets]"
    )]
    HostMemory,
    /// The memory of the host that is held on behalf of all guests of the process together. No policy
    /// changes it.
    #[error(
        "the host holds as much memory for all its sandboxes together as it may: try again when others are done"
    )]
    TotalHostMemory,
    /// The number of names that were looked up.
    #[error(
        "the sandbox has looked up as many names as its budget has: raise 'lookups' in [budgets]"
    )]
    Lookups,
    /// The number of connections that begin within a second.
    #[error(
        "the sandbox begins more connections in a second than its budget has: raise 'connections_per_second' in [budgets]"
    )]
    ConnectionRate,
    /// The number of lookups that are under way at once. The host sets it, and no policy changes it.
    #[error("too many names are being looked up at once: wait until some of the lookups are over")]
    LookupsAtOnce,
    /// The number of attempts that were denied.
    #[error("the sandbox was denied as often as its budget has: raise 'denials' in [budgets]")]
    Denials,
}

impl Limit {
    /// Whether the same attempt may succeed later: the limit is on a rate, or on what is held at once.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::Connections
                | Self::RequestRate
                | Self::ConnectionRate
                | Self::HostMemory
                | Self::TotalHostMemory
                | Self::LookupsAtOnce
        )
    }

    /// Returns the name used in the log. The interface has the same, except that `lookups-at-once`
    /// is `connections` there, and `total-host-memory` is `host-memory`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResponseHeadSize => "response-head-size",
            Self::Connections => "connections",
            Self::RequestHeadSize => "request-head-size",
            Self::Requests => "requests",
            Self::RequestRate => "request-rate",
            Self::BytesUp => "bytes-up",
            Self::BytesDown => "bytes-down",
            Self::Hosts => "hosts",
            Self::Time => "time",
            Self::HostMemory => "host-memory",
            Self::TotalHostMemory => "total-host-memory",
            Self::Lookups => "lookups",
            Self::ConnectionRate => "connection-rate",
            Self::LookupsAtOnce => "lookups-at-once",
            Self::Denials => "denials",
        }
    }
}

/// The limit in an error of a metered connection.
pub(crate) fn limit_of(error: &io::Error) -> Option<Limit> {
    error.get_ref()?.downcast_ref::<Limit>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_policy::Budgets;

    #[test]
    fn each_limit_says_which_key_raises_it() {
        use Limit::*;
        for limit in [
            ResponseHeadSize,
            Connections,
            Requests,
            RequestRate,
            BytesUp,
            BytesDown,
            Hosts,
            Time,
            HostMemory,
            Lookups,
            ConnectionRate,
            Denials,
        ] {
            let key = Budgets::default().of_limit(limit.as_str()).unwrap().0;
            let text = limit.to_string();
            assert!(
                text.ends_with(&format!(": raise '{key}' in [budgets]")),
                "{text}"
            );
        }
        for fixed in [RequestHeadSize, LookupsAtOnce, TotalHostMemory] {
            assert_eq!(Budgets::default().of_limit(fixed.as_str()), None);
            assert!(!fixed.to_string().contains("[budgets]"), "{fixed}");
        }
    }
}
