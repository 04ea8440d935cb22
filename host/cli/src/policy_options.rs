//! The policy options of the command line: files, and single rules.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use sandbox_net::policy::{
    Document, DocumentError, DocumentFault, MAX_LENGTH, Policy, TunnelGrant,
};
use sandbox_net::{Sandbox, SandboxBuilder};
use sandbox_net_broker::BrokerBuilder;

use crate::{Failure, input};

/// The policy that a command uses.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct PolicyOptions {
    /// Read the policy from this file; with several files, a request must pass each of them
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// Allow '[METHODS] [SCHEME://]HOST[:PORT][/PATH] [to ADDRESSES]', in addition to the first policy
    /// file; HOST is a name, '*.domain', an address, a network or 'any'
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// Deny what this rule matches, even if another rule allows it
    #[arg(long, value_name = "RULE")]
    pub(crate) deny: Vec<String>,
    /// Ask before allowing what this rule matches
    #[arg(long, value_name = "RULE")]
    pub(crate) ask: Vec<String>,
    /// Let the program choose TLS settings for the hosts of a rule: 'SETTING[,SETTING...] RULE'; the
    /// settings are unverified, unverified_name, own_roots and client_certificates
    #[arg(long, value_name = "GRANT")]
    pub(crate) tls: Vec<String>,
    /// Let the program send fields that override method, path or host to the hosts of a rule:
    /// 'NAME[,NAME...] RULE', such as 'x-http-method-override https://api.example.com'; without a
    /// grant they are denied where a rule for the host names a method or a path
    #[arg(long, value_name = "GRANT")]
    pub(crate) field: Vec<String>,
}

/// The tunnels of native programs. Components have none, so `run` has no such option.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct TunnelOptions {
    /// Let native programs send bytes that the policy does not see to 'HOST:PORT [to ADDRESSES]', in
    /// addition to 'tunnel' of the first policy file; nothing else is tunnelled
    #[arg(long, value_name = "GRANT")]
    pub(crate) tunnel: Vec<TunnelGrant>,
}

impl TunnelOptions {
    /// Gives the tunnels to a broker.
    pub(crate) fn apply_to_broker(self, broker: BrokerBuilder) -> BrokerBuilder {
        let grants = self.tunnel.iter();
        grants.fold(broker, |broker, grant| broker.tunnel(grant.as_str()))
    }
}

/// A policy and where its parts come from.
pub(crate) struct Composed {
    pub(crate) policy: Policy,
    /// In the order of [`Step::author`](sandbox_net::policy::Step).
    pub(crate) authors: Vec<String>,
}

impl PolicyOptions {
    /// Whether there is no policy at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.policy.is_empty()
            && self.allow.is_empty()
            && self.deny.is_empty()
            && self.ask.is_empty()
            && self.tls.is_empty()
            && self.field.is_empty()
    }

    /// Reads the files and combines everything.
    pub(crate) fn compose(self) -> Result<Composed, Failure> {
        let authors = self.policy.iter().map(|file| input::name(file)).collect();
        Ok(Composed {
            policy: self.apply(Sandbox::builder())?.effective_policy()?,
            authors,
        })
    }

    /// Does that for native programs, which may have tunnels.
    pub(crate) fn compose_with(self, options: TunnelOptions) -> Result<Composed, Failure> {
        let composed = self.compose()?;
        let policy = composed.policy.with_tunnels(options.tunnel);
        policy.check()?;
        Ok(Composed { policy, ..composed })
    }

    /// Gives the policy to a sandbox.
    pub(crate) fn apply(self, mut sandbox: SandboxBuilder) -> Result<SandboxBuilder, Failure> {
        let mut documents = self.policy.iter().map(|file| read_option(file));
        if let Some(first) = documents.next() {
            sandbox = sandbox.policy(first?);
        }
        for document in documents {
            sandbox = sandbox.intersect(document?.into());
        }
        for rule in self.allow {
            sandbox = sandbox.allow(rule);
        }
        for rule in self.deny {
            sandbox = sandbox.deny(rule);
        }
        for rule in self.ask {
            sandbox = sandbox.ask(rule);
        }
        for grant in self.tls {
            sandbox = sandbox.tls_grant(grant);
        }
        for grant in self.field {
            sandbox = sandbox.field_grant(grant);
        }
        Ok(sandbox)
    }

    /// Gives the policy to a broker, which follows the files.
    pub(crate) fn apply_to_broker(
        self,
        mut broker: BrokerBuilder,
    ) -> Result<BrokerBuilder, Failure> {
        let mut files = self.policy.iter();
        broker = match files.next() {
            Some(file) if file == Path::new("-") => broker.policy(read_option(file)?),
            Some(file) => broker.policy_file(file),
            None => broker,
        };
        for file in files {
            broker = match file == Path::new("-") {
                true => broker.intersect(read_option(file)?.into()),
                false => broker.intersect_file(file),
            };
        }
        for rule in self.allow {
            broker = broker.allow(rule);
        }
        for rule in self.deny {
            broker = broker.deny(rule);
        }
        for rule in self.ask {
            broker = broker.ask(rule);
        }
        for grant in self.tls {
            broker = broker.tls_grant(grant);
        }
        for grant in self.field {
            broker = broker.field_grant(grant);
        }
        Ok(broker)
    }
}

/// Reads the file of `--policy`. If the file cannot be opened or read, the message names the option.
fn read_option(file: &Path) -> Result<Document, Failure> {
    read(file).map_err(|error| match error.downcast_ref::<io::Error>() {
        Some(_) => anyhow!("--policy {error:#}"),
        None => error,
    })
}

/// Reads a policy file, or stdin.
///
/// # Errors
///
/// The file cannot be read, or is not a policy. The message is one line and begins with the file.
pub(crate) fn read(file: &Path) -> Result<Document, Failure> {
    document(file).with_context(|| input::name(file))
}

fn document(file: &Path) -> Result<Document, Failure> {
    Ok(Document::parse(&text(file)?)?)
}

/// The text of a policy file.
///
/// # Errors
///
/// The file cannot be read, or is too long. The message does not name the file.
pub(crate) fn text(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // One byte more shows that a file is too long, without reading an endless one to its end.
    let mut reader = input::open(file)?.take(MAX_LENGTH as u64 + 1);
    reader.read_to_end(&mut bytes)?;
    if bytes.len() > MAX_LENGTH {
        let (line, fault) = (None, DocumentFault::TooLong);
        return Err(DocumentError { line, fault }.into());
    }
    // The error's own text names the first wrong byte, which helps nobody.
    String::from_utf8(bytes).map_err(|_| anyhow!("not a text in UTF-8"))
}
