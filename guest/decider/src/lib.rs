//! Decides by the policy that was baked into it (`sandbox_net_policy::baked`): the component behind
//! `sandbox:net/policy`, for whoever composes one.

mod bindings;

use sandbox_net_policy::{self as policy, DenyReason, Endpoint, Origin, Scheme, TlsOverrides};

use bindings::exports::sandbox::net::policy as wit;
use bindings::exports::sandbox::net::types as told;

struct Decider;

bindings::export!(Decider);

impl wit::Guest for Decider {
    fn decide(question: wit::Question) -> Result<(), told::Denial> {
        let policy = sandbox_net_place::policy();
        let decided = match question {
            wit::Question::Resolve(host) => {
                let host = policy::Host::parse(&host).map_err(|e| malformed(&e))?;
                policy.answer_lookup(host).map(drop)
            }
            wit::Question::Connect(to) => policy.check_connect(endpoint(&to)?).map(drop),
            wit::Question::StartTls(to) => {
                let to = endpoint(&to)?;
                policy
                    .check_tls(&to, None, TlsOverrides::default())
                    .map(drop)
            }
            wit::Question::Send(request) => {
                let origin = Origin {
                    scheme: match request.scheme {
                        wit::Scheme::Http => Scheme::Http,
                        wit::Scheme::Https => Scheme::Https,
                    },
                    endpoint: endpoint(&request.to)?,
                };
                let (method, path) = (&request.method, &request.path);
                policy::syntax::check_head(method, path, &request.fields)
                    .map_err(|e| malformed(&e))?;
                policy
                    .check_request(&origin, method, path, &request.fields)
                    .map(drop)
            }
        };
        decided.map_err(denial)
    }
}

fn endpoint(to: &wit::Endpoint) -> Result<Endpoint, told::Denial> {
    Endpoint::new(&to.host, to.port).map_err(|error| malformed(&error))
}

fn malformed(error: &dyn std::fmt::Display) -> told::Denial {
    told::Denial {
        reason: told::DenyReason::Malformed,
        rule: policy::DEFAULT_DENY.to_owned(),
        message: error.to_string(),
    }
}

fn denial(denial: policy::Denial) -> told::Denial {
    told::Denial {
        reason: match denial.reason {
            DenyReason::NoRule => told::DenyReason::NoRule,
            DenyReason::Address => told::DenyReason::Address,
            DenyReason::HostMismatch => told::DenyReason::HostMismatch,
            DenyReason::TlsOptions => told::DenyReason::TlsOptions,
            DenyReason::Method => told::DenyReason::Method,
            DenyReason::Field => told::DenyReason::Field,
            DenyReason::DenyRule => told::DenyReason::DenyRule,
            DenyReason::Hook => told::DenyReason::Hook,
            DenyReason::Secret => told::DenyReason::Secret,
            DenyReason::Audit => told::DenyReason::Audit,
            DenyReason::Malformed => told::DenyReason::Malformed,
        },
        rule: denial.rule,
        message: denial.message,
    }
}
