//! How servers read a path, written separately from the policy's own readings.

use sandbox_net_policy::{Host, Origin};

use crate::policies::PUBLIC_PATH;

/// How a server reads paths.
#[derive(Debug, Clone, Copy)]
struct Server {
    /// How often it decodes.
    decodings: u32,
    /// Whether it also normalises between two decodings.
    is_eager: bool,
    /// Whether it reads `\` as `/`.
    has_backslashes: bool,
    merges_slashes: bool,
    /// Whether it removes `;` and the rest of each segment.
    cuts_parameters: bool,
    /// Whether it cuts at an encoded `?` or `#`.
    cuts_query: bool,
}

impl Server {
    fn all() -> impl Iterator<Item = Self> {
        (0..128_u32).map(|bits| Self {
            decodings: bits & 3,
            is_eager: bits & 4 != 0,
            has_backslashes: bits & 8 != 0,
            merges_slashes: bits & 16 != 0,
            cuts_parameters: bits & 32 != 0,
            cuts_query: bits & 64 != 0,
        })
    }

    /// The path that the server answers.
    fn serve(self, path: &[u8]) -> Vec<u8> {
        let mut path = path.to_vec();
        for _ in 0..self.decodings {
            if self.is_eager {
                path = self.normalise(&path);
            }
            path = decode(&path);
        }
        self.normalise(&path)
    }

    fn normalise(self, path: &[u8]) -> Vec<u8> {
        let is_end = |b: &u8| self.cuts_query && matches!(b, b'?' | b'#');
        let mut path = path.split(is_end).next().unwrap_or_default().to_vec();
        if self.has_backslashes {
            path.iter_mut()
                .filter(|b| **b == b'\\')
                .for_each(|b| *b = b'/');
        }
        let mut segments: Vec<&[u8]> = Vec::new();
        let mut is_directory = true;
        for segment in path.split(|b| *b == b'/').skip(1) {
            let segment = match self.cuts_parameters {
                true => segment.split(|b| *b == b';').next().unwrap_or_default(),
                false => segment,
            };
            is_directory = matches!(segment, b"" | b"." | b"..");
            match segment {
                b"" if self.merges_slashes => {}
                b"." => {}
                b".." => drop(segments.pop()),
                _ => segments.push(segment),
            }
        }
        let mut out: Vec<u8> = segments
            .iter()
            .flat_map(|s| [b"/", *s])
            .flatten()
            .copied()
            .collect();
        if is_directory && !out.ends_with(b"/") {
            out.push(b'/');
        }
        out
    }
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, after @ ..] = rest {
        let value = match (first, after) {
            (b'%', [high, low, ..]) => hexadecimal(*high).zip(hexadecimal(*low)),
            _ => None,
        };
        out.push(value.map_or(*first, |(high, low)| high << 4 | low));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    out
}

fn hexadecimal(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Checks that no server reads a path that `rule` of the main policy allows as one that the rule does
/// not match, or that a rule denies.
pub(crate) fn check(origin: &Origin, path: &[u8], rule: &str) {
    let Host::Name(name) = &origin.endpoint.host else {
        return;
    };
    let is_denied_below = name.as_str() == "repo.test";
    if rule != PUBLIC_PATH && !is_denied_below {
        return;
    }
    // The query is not part of the path: servers remove it first.
    let path = path.split(|b| *b == b'?').next().unwrap_or_default();
    for server in Server::all() {
        let served = server.serve(path);
        let first = served.split(|b| *b == b'/').nth(1).unwrap_or_default();
        let shown = || format!("{} for {server:?}", served.escape_ascii());
        if rule == PUBLIC_PATH {
            assert!(served.starts_with(b"/public/"), "{}", shown());
        }
        if is_denied_below {
            let is_denied = first.eq_ignore_ascii_case(b"admin");
            assert!(!is_denied, "{}", shown());
        }
    }
}
