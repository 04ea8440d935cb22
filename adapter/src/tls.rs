//! The commands for a connection's TLS.

use alloc::vec::Vec;

use crate::arena::Arena;
use crate::bindings::types::{
    ChainChecks, ClientCertificate, ErrorCode, TlsInfo, TlsOptions, TlsVersions, Verification,
};
use crate::errors::{Failure, Fault};
use crate::frame::{Fields, Header};
use crate::handles::Handles;
use crate::reply::{Answer, Payload};
use crate::utf8;

/// The bit of a `start-tls` that trusts the host's roots; those below it choose the verification.
const HOST_ROOTS: u32 = 4;
/// The bits that choose the versions: one version, or all.
const VERSIONS: u32 = 8 | 16;
/// The bits of the checks that are added or omitted.
const STRICT: u32 = 32;
const PARTIAL: u32 = 64;

/// 3: begins a TLS handshake.
pub(crate) fn start_tls(
    header: Header,
    mut payload: Fields<'_>,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    let verification = match header.arg & !(HOST_ROOTS | VERSIONS | STRICT | PARTIAL) {
        0 => Verification::None,
        1 => Verification::Full,
        2 => Verification::NameUnchecked,
        _ => return Err(Fault::Frame.into()),
    };
    let name = payload.u16()?;
    let name = utf8::parse(payload.bytes(name.into())?)?;
    let lists = Lists::parse(payload)?;
    lists.reserve(arena)?;
    let (alpn, roots) = (lists.protocols()?, lists.roots.slices()?);
    let certificates = lists.certificates.slices()?;
    let versions = match header.arg & VERSIONS {
        0 => TlsVersions::All,
        8 => TlsVersions::V12,
        16 => TlsVersions::V13,
        _ => return Err(Fault::Frame.into()),
    };
    let options = TlsOptions {
        versions,
        verification,
        host_roots: header.arg & HOST_ROOTS != 0,
        roots: &roots,
        client_certificate: lists.key.map(|key| ClientCertificate {
            certificates: &certificates,
            key,
        }),
        alpn: &alpn,
        checks: checks(header.arg),
    };
    handles.connection(header.id)?.start_tls(name, options)?;
    Ok(Answer::done())
}

fn checks(arg: u32) -> ChainChecks {
    match (arg & STRICT != 0, arg & PARTIAL != 0) {
        (false, false) => ChainChecks::Usual,
        (true, false) => ChainChecks::Strict,
        (false, true) => ChainChecks::Partial,
        (true, true) => ChainChecks::StrictPartial,
    }
}

/// What follows the server's name: every list is complete, and nothing follows them.
struct Lists<'a> {
    protocols: Fields<'a>,
    roots: Ders<'a>,
    certificates: Ders<'a>,
    key: Option<&'a [u8]>,
}

impl<'a> Lists<'a> {
    fn parse(mut payload: Fields<'a>) -> Result<Lists<'a>, Fault> {
        let size = payload.u16()?;
        let protocols = Fields(payload.bytes(size.into())?);
        let roots = Ders::parse(&mut payload)?;
        let certificates = Ders::parse(&mut payload)?;
        let key = Some(der(&mut payload)?).filter(|key| !key.is_empty());
        payload.end()?;
        if key.is_some() != (certificates.count > 0) {
            return Err(Fault::Frame);
        }
        Ok(Lists {
            protocols,
            roots,
            certificates,
            key,
        })
    }

    /// No list of protocols has more names than half its bytes.
    fn most_protocols(&self) -> usize {
        self.protocols.0.len() / 2
    }

    /// Reserves memory for the slices of all the lists, and for a copy of them in the host's
    /// layout. Both at once, because the copies are made when all the slices exist.
    fn reserve(&self, arena: &Arena) -> Result<(), Fault> {
        let most = self.most_protocols() + self.roots.count + self.certificates.count;
        arena.reserve(most * 2 * size_of::<&[u8]>())
    }

    fn protocols(&self) -> Result<Vec<&'a [u8]>, Fault> {
        let mut names = Vec::with_capacity(self.most_protocols());
        let mut rest = self.protocols;
        while !rest.0.is_empty() {
            let size = rest.u8()?;
            let name = rest.bytes(size.into())?;
            if name.is_empty() {
                return Err(Fault::Frame);
            }
            names.push(name);
        }
        Ok(names)
    }
}

/// A list of certificates.
struct Ders<'a> {
    count: usize,
    list: Fields<'a>,
}

impl<'a> Ders<'a> {
    /// Takes a list, and checks that all of it is there.
    fn parse(payload: &mut Fields<'a>) -> Result<Ders<'a>, Fault> {
        let count = usize::from(payload.u16()?);
        let list = *payload;
        for _ in 0..count {
            der(payload)?;
        }
        Ok(Ders { count, list })
    }

    fn slices(&self) -> Result<Vec<&'a [u8]>, Fault> {
        let mut slices = Vec::with_capacity(self.count);
        let mut rest = self.list;
        for _ in 0..self.count {
            slices.push(der(&mut rest)?);
        }
        Ok(slices)
    }
}

/// One object in DER.
fn der<'a>(rest: &mut Fields<'a>) -> Result<&'a [u8], Fault> {
    let size = rest.u32()?;
    rest.bytes(size as usize)
}

/// 4: returns the result of the TLS handshake.
pub(crate) fn tls_info(
    header: Header,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    header.no_arg()?;
    let info = handles.connection(header.id)?.tls();
    arena.intact()?;
    let info = info.ok_or(ErrorCode::Closed)?;
    Ok(encode(&info, arena)?)
}

fn encode(info: &TlsInfo, arena: &Arena) -> Result<Answer, Fault> {
    let certificates = info.certificates.iter().map(|der| 4 + der.len());
    let cipher = info.cipher.as_deref().unwrap_or_default();
    let size = 6 + cipher.len() + info.alpn.len() + certificates.sum::<usize>();
    let mut payload = Payload::new(size, arena)?;
    payload.short(info.version.unwrap_or_default().into())?;
    payload.tiny(cipher.len())?;
    payload.put(cipher.as_bytes());
    payload.tiny(info.alpn.len())?;
    payload.put(&info.alpn);
    payload.short(info.certificates.len())?;
    for der in &info.certificates {
        payload.long(der.len())?;
        payload.put(der);
    }
    Ok(payload.answer())
}
