use proptest::prelude::*;

use super::glob::{Case, Glob, Token};
use super::symbol::{SLASH, Symbol, symbols};
use super::*;

fn pattern(text: &str) -> PathPattern {
    PathPattern::parse(text).unwrap()
}

fn permits(text: &str, path: &str) -> bool {
    pattern(text).permits(&Readings::of(path.as_bytes()))
}

fn forbids(text: &str, path: &str) -> bool {
    pattern(text).forbids(&Readings::of(path.as_bytes()))
}

#[test]
fn an_allow_pattern_permits_what_every_server_takes_for_a_path_in_it() {
    for path in [
        "/public/",
        "/public/a",
        "/public/a/b?x=/../..",
        "/public/a%20b",
        "/public//a",
        "/public/a;b=c/d",
        "/public/a%2Fb%3f",
        "/%70ublic/a",
    ] {
        assert!(permits("/public/**", path), "{path}");
    }
    assert!(permits("/projects/**", "/projects/group%2Fproject"));
    assert!(!permits("/projects/*", "/projects/group%2Fproject"));
}

#[test]
fn an_allow_pattern_is_not_slipped_under() {
    for path in [
        "/admin",
        "/publicx",
        "/PUBLIC/a",
        "/public",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/.%2E/admin",
        "/public/..%2fadmin",
        "/public%2f..%2fadmin",
        "/public/..%5cadmin",
        "/public/..\\admin",
        "/public/..;/admin",
        "/public/..;x=1/admin",
        "/public/..%3b/admin",
        "/public/%252e%252e/admin",
        "/public/%252e%252e%252fadmin",
        "/public/%25252e%25252e/admin",
        "/public/a%2fb/../..%2f../admin",
        "/public/x%2Fy/..%5C..%5Cadmin",
        "//admin/../public/x/../../admin",
        "/public//../admin",
        "/public/%c0%ae%c0%ae/admin",
        "/public/%u002e%u002e/admin",
        "/public/x%00",
        "/public;x/../admin",
        "/admin%3f/../public/",
    ] {
        assert!(!permits("/public/**", path), "{path}");
    }
}

#[test]
fn a_deny_pattern_forbids_what_some_server_takes_for_a_path_in_it() {
    for path in [
        "/admin/x",
        "/Admin/x",
        "//admin/x",
        "/./admin/x",
        "/x/../admin/x",
        "/%61dmin/x",
        "/admin;a=b/x",
        "/x/..;/admin/x",
        "/%2561dmin/x",
        "/x%2f..%2fadmin/x",
        "/admin%2fx",
        "\\admin\\x",
        "/%5Cadmin%5cx",
    ] {
        assert!(forbids("/admin/**", path), "{path}");
    }
    for path in [
        "/admin",
        "/admin/",
        "/ADMIN",
        "/admin;a",
        "/admin%3Fx",
        "/%00",
        "*",
    ] {
        assert!(forbids("/admin/**", path), "{path}");
        assert!(forbids("/admin", path), "{path}");
    }
    for path in [
        "/administrator",
        "/public/admin",
        "/",
        "/admi",
        "/a%2Fadmin",
    ] {
        assert!(!forbids("/admin/**", path), "{path}");
        assert!(!forbids("/admin", path), "{path}");
    }
    assert!(!forbids("/admin", "/admin/x"));
}

/// Paths from pieces that servers disagree about.
fn path() -> impl Strategy<Value = String> {
    let pieces = [
        "/", "/", "/", "//", "public", "public/", "admin", "Admin/", "a", "b", "..", ".", "%2e",
        "%252E", "/../", "%2f", "%252f", "\\", "%5c", ";", ";x=1", "%3b", "%3F", "?", "%25", "%61",
        "%2561", "%20", "%", "%00", "é",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn any_pattern() -> impl Strategy<Value = PathPattern> {
    let pieces = [
        "/", "/", "*", "**", "a", "b", "A", "public", "admin", "%20", "%25",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    let texts = prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
    texts.prop_filter_map("no pattern", |text| {
        PathPattern::parse(&format!("/{text}")).ok()
    })
}

/// A server: how often it decodes, and whether it takes `\` for `/`, merges slashes and knows
/// parameters.
type Server = (usize, bool, bool, bool);

fn server() -> impl Strategy<Value = Server> {
    (1..4_usize, any::<bool>(), any::<bool>(), any::<bool>())
}

/// What a server takes a path for, written apart from the readings.
fn serve(path: &str, (decodings, backslash, merge, parameters): Server) -> String {
    let mut path = path.split('?').next().unwrap().to_owned();
    for _ in 0..decodings {
        let mut pieces = path.split('%');
        let mut decoded = pieces.next().unwrap().as_bytes().to_vec();
        for piece in pieces {
            let digits = piece.get(..2).and_then(|d| u8::from_str_radix(d, 16).ok());
            decoded.push(digits.unwrap_or(b'%'));
            let literal = if digits.is_some() { &piece[2..] } else { piece };
            decoded.extend_from_slice(literal.as_bytes());
        }
        path = String::from_utf8_lossy(&decoded).into_owned();
    }
    if backslash {
        path = path.replace('\\', "/");
    }
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        let is_cut = parameters && segment.contains(';');
        match if is_cut {
            segment.split(';').next().unwrap()
        } else {
            segment
        } {
            "" if merge => {}
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

/// A token, and what a path may have for it.
fn token() -> impl Strategy<Value = (Token, String)> {
    let literal = |text: &'static str| {
        let symbol = Symbol::Byte(text.as_bytes()[0]);
        Just((Token::Literal(symbol), text.to_owned()))
    };
    let stars = prop::sample::select(vec![Token::Star, Token::DoubleStar]);
    prop_oneof![1 => literal("/"), 3 => literal("a"), 3 => (stars, "[ab]{0,2}")]
}

/// A second matcher: row by row, whether the tokens from here on match each end of the path.
fn matches_by_table(tokens: &[Token], path: &[Symbol]) -> bool {
    let end = path.len();
    let mut next: Vec<_> = (0..=end).map(|at| at == end).collect();
    for token in tokens.iter().rev() {
        let mut row = vec![false; end + 1];
        for at in (0..=end).rev() {
            let symbol = path.get(at);
            row[at] = match token {
                Token::Literal(literal) => symbol == Some(literal) && next[at + 1],
                _ if next[at] => true,
                Token::Star => symbol.is_some_and(|s| *s != SLASH) && row[at + 1],
                Token::DoubleStar => symbol.is_some() && row[at + 1],
            };
        }
        next = row;
    }
    next[0]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_readings_or_patterns_panic(bytes: Vec<u8>, text in "\\PC*|/[*%/a-f0-9]*") {
        for path in [bytes.clone(), [b"/".to_vec(), bytes].concat(), text.clone().into_bytes()] {
            let readings = Readings::of(&path);
            let (permits, forbids) = match PathPattern::parse(&text) {
                Ok(pattern) => (pattern.permits(&readings), pattern.forbids(&readings)),
                Err(error) => {
                    prop_assert!(!error.to_string().contains(char::is_control), "{error}");
                    continue;
                }
            };
            prop_assert!(!permits || forbids || readings.is_unclear());
        }
    }

    #[test]
    fn no_server_takes_a_permitted_path_out_of_the_pattern(path in path(), server in server()) {
        let path = format!("/public{path}");
        let served = serve(&path, server);
        let is_outside = !format!("{served}/").starts_with("/public/");
        prop_assert!(!(is_outside && permits("/public/**", &path)), "{path} is {served}");
    }

    #[test]
    fn no_server_takes_a_path_to_what_is_forbidden(path in path(), server in server()) {
        let served = serve(&path, server);
        let is_inside = format!("{served}/").to_ascii_lowercase().starts_with("/admin/");
        prop_assert!(!is_inside || forbids("/admin/**", &path), "{path} is {served}");
    }

    #[test]
    fn a_glob_matches_as_stars_are_defined(
        mut parts in prop::collection::vec(token(), 0..160), noise in "[/ab]?", at: prop::sample::Index,
    ) {
        let is_star = |part: &(Token, _)| !matches!(part.0, Token::Literal(_));
        parts.dedup_by(|b, a| is_star(a) && is_star(b));
        let (tokens, runs): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let mut path = runs.concat();
        path.insert_str(at.index(path.len() + 1), &noise);
        let path: Vec<_> = symbols(path.as_bytes()).collect();
        let is_match = Glob::new(&tokens).matches(&path, Case::Exact);
        prop_assert_eq!(is_match, matches_by_table(&tokens, &path));
    }

    #[test]
    fn a_pattern_permits_all_that_one_within_it_permits(
        outer in any_pattern(), inner in any_pattern(), path in prop_oneof![path(), "/[aAb/]{0,4}"],
    ) {
        let readings = Readings::of(path.as_bytes());
        if outer.contains(&inner) && inner.permits(&readings) {
            prop_assert!(outer.permits(&readings));
        }
    }

    #[test]
    fn patterns_that_do_not_overlap_have_no_path_in_common(
        deny in any_pattern(), allow in any_pattern(), path in prop_oneof![path(), "/[aAb/]{0,4}"],
    ) {
        let readings = Readings::of(path.as_bytes());
        if deny.forbids(&readings) && allow.permits(&readings) {
            prop_assert!(deny.overlaps(&allow) && allow.overlaps(&deny));
        }
    }
}
