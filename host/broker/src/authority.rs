//! The certificate authority of a run: it certifies the broker as each host, for this run only.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
    SanType, SerialNumber,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::NoServerSessionStorage;
use sandbox_net_policy::Host;

use crate::constraints::Names;

/// How far clocks may differ.
const BACKDATED: Duration = Duration::from_secs(3600);

/// How many hosts' certificates are kept. Others are made again.
const KEPT: usize = 256;

/// The only protocol that the broker speaks with clients.
const HTTP11: &[u8] = b"http/1.1";

/// The authority of a run. Its keys are in memory only.
pub(crate) struct RunAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The key of all hosts' certificates.
    key: KeyPair,
    valid: (SystemTime, SystemTime),
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    configs: HashMap<Host, Arc<ServerConfig>>,
    /// The oldest first.
    order: VecDeque<Host>,
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot use a certificate: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the system has no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl std::fmt::Debug for RunAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunAuthority")
            .field("valid", &self.valid)
            .finish_non_exhaustive()
    }
}

impl RunAuthority {
    /// Makes an authority that is valid for so long, and only for these names, if they are given.
    pub(crate) fn new(valid: Duration, names: Option<&Names>) -> Result<Self, AuthorityError> {
        let now = SystemTime::now();
        let valid = (now - BACKDATED, now + valid);
        let mut params = CertificateParams::new([])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = names.map(constraints);
        let serial = serial()?;
        let tail: String = serial[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // A store that has the authorities of several runs tells them apart by their names.
        let name = format!("sandbox-net, this run only ({tail})");
        dress(&mut params, &name, &serial, valid);
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
            key: KeyPair::generate()?,
            valid,
            kept: Mutex::default(),
        })
    }

    /// The authority's certificate as PEM.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Whether its certificates are valid now.
    pub(crate) fn is_valid(&self) -> bool {
        let now = SystemTime::now();
        self.valid.0 <= now && now < self.valid.1
    }

    /// The settings of TLS with clients that connect to this host.
    pub(crate) fn server(&self, host: &Host) -> Result<Arc<ServerConfig>, AuthorityError> {
        if let Some(config) = self.kept().configs.get(host) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make(host)?);
        let mut kept = self.kept();
        if kept
            .configs
            .insert(host.clone(), Arc::clone(&config))
            .is_none()
        {
            kept.order.push_back(host.clone());
        }
        if kept.order.len() > KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.configs.remove(&oldest);
        }
        Ok(config)
    }

    fn make(&self, host: &Host) -> Result<ServerConfig, AuthorityError> {
        let mut params = CertificateParams::new([])?;
        params.subject_alt_names = vec![match host {
            Host::Ip(address) => SanType::IpAddress(*address),
            Host::Name(name) => SanType::DnsName(name.as_str().try_into()?),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        // OpenSSL holds a common name that looks like a host to the constraints of DNS names, and an
        // address looks like one.
        let name: String = format!("host {host}").chars().take(64).collect();
        dress(&mut params, &name, &serial()?, self.valid);
        let certificate = params.signed_by(&self.key, &self.issuer)?;
        let key = PrivateKeyDer::try_from(self.key.serialize_der());
        let key = key.map_err(|what| rustls::Error::General(what.to_owned()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![HTTP11.to_vec()];
        // Every session is a new one, so none outlives what it was decided for.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A random serial number (RFC 5280 section 4.1.2.2).
fn serial() -> Result<[u8; 16], getrandom::Error> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    // Positive, and of the full length.
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn dress(
    params: &mut CertificateParams,
    name: &str,
    serial: &[u8],
    (from, to): (SystemTime, SystemTime),
) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.not_before = from.into();
    params.not_after = to.into();
}

/// The constraints that permit these names and no others. A kind of name without any is excluded
/// altogether: constraints do not concern a kind that they do not mention.
fn constraints(names: &Names) -> NameConstraints {
    let subnet = |(address, prefix): &(IpAddr, u8)| {
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, *prefix))
    };
    let domains = names.domains.iter().cloned().map(GeneralSubtree::DnsName);
    let permitted = domains.chain(names.networks.iter().map(subnet)).collect();
    let mut excluded = Vec::new();
    if names.domains.is_empty() {
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    let everything: [(IpAddr, u8); 2] = [([0; 4].into(), 0), ([0; 16].into(), 0)];
    for every in &everything {
        let is_kind = |(address, _): &(IpAddr, u8)| address.is_ipv4() == every.0.is_ipv4();
        if !names.networks.iter().any(is_kind) {
            excluded.push(subnet(every));
        }
    }
    NameConstraints {
        permitted_subtrees: permitted,
        excluded_subtrees: excluded,
    }
}

#[cfg(test)]
mod tests;
