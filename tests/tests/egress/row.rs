//! One attack in a table: what denies it, and the control in which it works.

use sandbox_net::policy::DenyReason;
use sandbox_net_tests::Trials;

use crate::runner;

/// A scripted name: each answer lists the addresses for one query, separated by spaces, or is
/// `alias NAME`; the last one repeats.
pub type Name = (&'static str, &'static [&'static str]);

/// One attack. Texts may hold placeholders, which [`World::fill`](crate::world::World::fill)
/// explains.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The attack, as a sentence.
    pub name: &'static str,
    /// A sub-command of `programs/attack.py` with its texts.
    pub attack: &'static [&'static str],
    /// The rules under which it is denied, besides the good server's.
    pub rules: &'static [&'static str],
    /// What the DNS server answers.
    pub names: &'static [Name],
    /// The names that may be queried.
    pub asked: &'static [&'static str],
    /// The host by which the good server is allowed.
    pub good: &'static str,
    /// The guest's environment.
    pub env: &'static [(&'static str, &'static str)],
    /// What the guest gets.
    pub refusal: Refusal,
    /// What a server would see.
    pub trace: Trace,
    /// How it works without the denial.
    pub control: Control,
}

/// What the guest gets for its attack.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// `PermissionError` with this reason, and a decision that is recorded with it.
    Denied(DenyReason),
    /// This exception with the reason in its text, and a decision that is recorded with it.
    DeniedAs(&'static str, DenyReason),
    /// `EINVAL` with the host's text: nothing is decided on malformed input.
    Invalid,
    /// `OSError` with the text of the stand-ins: the host is never asked.
    NotCarried,
    /// Python's own exception of this type: the host is never asked.
    Raised(&'static str),
    /// A response: something was sent, but not the attack.
    Harmless,
}

/// What shows on a server that an attack has worked.
#[derive(Clone, Copy, Debug)]
pub enum Trace {
    /// A connection to a forbidden server.
    Connection,
    /// A request head with these bytes, in Latin-1, on the raw server.
    Head(&'static str),
    /// A request for this target on the good server.
    Request(&'static str),
    /// A request for this target on one of the TLS servers.
    Secure(&'static str),
    /// A query for a name that ends like this.
    Question(&'static str),
}

/// A run that leaves the trace.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    /// The attack, or its target in plain spelling.
    pub attack: Option<&'static [&'static str]>,
    /// What the DNS server answers, if that differs.
    pub names: Option<&'static [Name]>,
    /// The rules that allow it; `None` runs it on the machine's own Python.
    pub rules: Option<&'static [&'static str]>,
}

impl Row {
    /// A row that attacks a forbidden server's address and matches no rule; natively it works.
    pub const fn new(name: &'static str, attack: &'static [&'static str]) -> Self {
        Self {
            name,
            attack,
            rules: &[],
            names: &[],
            asked: &[],
            good: "127.0.0.1",
            env: &[],
            refusal: Refusal::Denied(DenyReason::NoRule),
            trace: Trace::Connection,
            control: Control {
                attack: None,
                names: None,
                rules: None,
            },
        }
    }

    /// Denied although these rules exist.
    pub const fn under(mut self, rules: &'static [&'static str]) -> Self {
        self.rules = rules;
        self
    }

    /// Denied although rules allow the attacked port of another host, another port of the attacked
    /// host, and the good server as `localhost`.
    pub const fn beside_others(mut self) -> Self {
        self.good = "localhost";
        self.rules = &["elsewhere.test:{port}", "127.0.0.1:1", "[::1]:1"];
        self
    }

    /// With these names.
    pub const fn resolving(mut self, names: &'static [Name]) -> Self {
        self.names = names;
        self
    }

    /// The DNS server may be asked for these names.
    pub const fn asking(mut self, names: &'static [&'static str]) -> Self {
        self.asked = names;
        self
    }

    /// With these variables in the guest's environment.
    pub const fn with_env(mut self, env: &'static [(&'static str, &'static str)]) -> Self {
        self.env = env;
        self
    }

    /// Denied for this reason.
    pub const fn denied(mut self, reason: DenyReason) -> Self {
        self.refusal = Refusal::Denied(reason);
        self
    }

    /// Refused with this outcome.
    pub const fn refused(mut self, refusal: Refusal) -> Self {
        self.refusal = refusal;
        self
    }

    /// Would leave this trace.
    pub const fn seen(mut self, trace: Trace) -> Self {
        self.trace = trace;
        self
    }

    /// Works under these rules.
    pub const fn but_under(mut self, rules: &'static [&'static str]) -> Self {
        self.control.rules = Some(rules);
        self
    }

    /// Works unchanged on the machine's own Python.
    pub const fn natively(mut self) -> Self {
        self.control.attack = None;
        self.control.rules = None;
        self
    }

    /// Works in this form: natively, unless rules are given.
    pub const fn but_as(mut self, attack: &'static [&'static str]) -> Self {
        self.control.attack = Some(attack);
        self
    }

    /// Works with these names.
    pub const fn but_resolving(mut self, names: &'static [Name]) -> Self {
        self.control.names = Some(names);
        self
    }
}

/// Adds a test for each row.
pub fn add_rows(trials: &mut Trials, group: &str, rows: &'static [Row]) {
    for row in rows {
        trials.row(group, row.name, || runner::check(row));
    }
}
