use proptest::prelude::*;

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

/// A server: how often it decodes, and whether it reads `\` as `/`, merges slashes and knows
/// parameters.
type Server = (usize, bool, bool, bool);

fn server() -> impl Strategy<Value = Server> {
    (1..4_usize, any::<bool>(), any::<bool>(), any::<bool>())
}

/// How a server reads a path, implemented independently of the readings.
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

/// A part of a pattern, and what a path may have for it.
fn part() -> impl Strategy<Value = (String, String)> {
    let literal = |text: &'static str| Just((text.to_owned(), text.to_owned()));
    let star =
        |star: &'static str, run: &'static str| run.prop_map(move |run| (star.to_owned(), run));
    prop_oneof![
        3 => literal("/"), 3 => literal("a"), 2 => literal("ab"), 1 => literal("aab"),
        1 => literal("/b/"), 3 => star("*", "[abA]{0,3}"), 3 => star("**", "[/ab]{0,5}"),
    ]
}

/// Asserts that the slow implementation agrees.
fn agree(pattern: &PathPattern, path: &str) {
    let readings = Readings::of(path.as_bytes());
    let (text, bytes) = (pattern.as_str(), path.as_bytes());
    let expected = (naive::permits(text, bytes), naive::forbids(text, bytes));
    let found = (pattern.permits(&readings), pattern.forbids(&readings));
    assert_eq!(found, expected, "{text} {path}");
    assert_ne!(readings.unread(), Some(Unread::Costly), "{text} {path}");
}

/// The worst known paths: many parts of patterns nearly match, in many readings.
fn worst_paths(length: usize) -> Vec<String> {
    let pieces = [
        "/a/b",
        "/v1/x",
        "aab",
        "/",
        "//",
        "/a//b",
        "/..;/%2e",
        "%252f",
        "%2fa",
        "/;%2f%5c",
        "/a;b%2f%252fx",
        "/x12/x13/x14/x15/x16/x17/x18",
        "abcabdabe",
        "/%5c/a%3bb",
    ];
    let tails = ["", "/x5", "%2f..%2fx%5cy;z", "//%2e%2e/;%3f"];
    let all = pieces
        .iter()
        .flat_map(|piece| tails.map(|tail| (piece, tail)));
    all.map(|(piece, tail)| {
        let count = (length - 1 - tail.len()) / piece.len();
        format!("/{}{tail}", piece.repeat(count))
    })
    .collect()
}

/// This many rules of every kind for one host.
fn many_patterns(count: usize) -> Vec<PathPattern> {
    let kinds = [
        "/v1/**/xN",
        "/**/xN/**",
        "/**xN**",
        "/*xN*/**",
        "/**/a/**/b/**/xN/**",
        "/**a*b*xN**",
        "/**/a*/b*/*N/**",
        "/*/*/*/xN/**/*",
        "/**/*a/N*b/**",
        "/**a**b**N**",
        "/v1/xN",
        "/**/xN*/*xN/**",
        "/**aab**N*a",
    ];
    let kind = |n: usize| kinds[n % kinds.len()].replace('N', &n.to_string());
    (0..count).map(|n| pattern(&kind(n))).collect()
}

#[test]
fn a_decision_takes_a_bounded_number_of_steps_whatever_the_path() {
    let patterns = many_patterns(1000);
    for path in worst_paths(MAX_PATH) {
        let (taken, bound) = steps(&patterns, path.as_bytes());
        assert!(taken <= bound, "{taken} > {bound} for {path:.40}");
    }
}

#[test]
fn the_steps_of_a_pattern_grow_with_the_path_and_not_with_its_square() {
    for pattern in many_patterns(13) {
        let worst = |length| {
            let paths = worst_paths(length).into_iter();
            paths
                .map(|path| steps(std::slice::from_ref(&pattern), path.as_bytes()).0)
                .max()
                .unwrap()
        };
        let [short, long] = [1024, MAX_PATH].map(worst);
        assert!(
            long <= 64 + 8 * 2 * short.max(16),
            "{pattern}: {short} and {long}"
        );
    }
}

#[test]
fn the_rules_that_took_seconds_take_a_few_steps_each() {
    let patterns: Vec<_> = (0..100).map(|n| pattern(&format!("/v1/**/z{n}"))).collect();
    for path in worst_paths(MAX_PATH - 3) {
        let path = format!("/v1{path}");
        let readings = Readings::of(path.as_bytes());
        patterns
            .iter()
            .for_each(|pattern| assert!(!pattern.permits(&readings)));
        for pattern in &patterns {
            pattern.forbids(&readings);
        }
        assert!(readings.steps.taken() <= 100 * 32 * 4, "{path:.40}");
        assert_ne!(readings.unread(), Some(Unread::Costly));
    }
}

#[test]
fn what_takes_too_many_steps_is_neither_allowed_nor_let_past_a_rule_that_denies() {
    // Every segment nearly matches the part with stars, and the rest never follows.
    let path = format!("/{}", "a1/b/".repeat((MAX_PATH - 2) / 5));
    let readings = Readings::of(path.as_bytes());
    let patterns: Vec<_> = (0..100)
        .map(|n| pattern(&format!("/**/a*/b/**/a*/c{n}/**")))
        .collect();
    assert!(patterns.iter().all(|pattern| !pattern.permits(&readings)));
    assert_eq!(readings.unread(), Some(Unread::Costly));
    assert!(patterns[99].forbids(&readings));
    // One such rule is no problem, nor are many for an ordinary path.
    let readings = Readings::of(path.as_bytes());
    assert!(!patterns[99].forbids(&readings));
    let readings = Readings::of(b"/v1/a1/b/items/42");
    assert!(patterns.iter().all(|pattern| !pattern.forbids(&readings)));
    assert_eq!(readings.unread(), None);
}

#[test]
fn a_path_that_is_too_long_is_not_allowed_by_a_pattern_and_not_let_past_one() {
    let path = |length: usize| format!("/{}", "a".repeat(length - 1));
    for (length, is_read) in [(MAX_PATH, true), (MAX_PATH + 1, false), (1 << 18, false)] {
        assert_eq!(permits("/**", &path(length)), is_read, "{length}");
        assert_eq!(forbids("/b/**", &path(length)), !is_read, "{length}");
    }
    let with_query = format!("/a?{}", "q".repeat(1 << 18));
    assert!(permits("/a", &with_query) && !forbids("/b", &with_query));
}

#[test]
fn long_patterns_and_long_paths_are_matched_without_backtracking() {
    let path = format!("/{}", "a".repeat(MAX_PATH - 1));
    let readings = Readings::of(path.as_bytes());
    for piece in ["*a", "**a", "*a**a", "a**"] {
        let text = format!("/{}b", piece.repeat(2046 / piece.len()));
        assert!(!permits(&text, &path), "{piece}");
        assert!(!pattern(&text).forbids(&readings), "{piece}");
        assert!(permits(&text[..text.len() - 1], &path), "{piece}");
    }
    assert_eq!(readings.unread(), None);
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
            prop_assert!(!permits || forbids);
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
    fn patterns_match_as_stars_are_defined(
        parts in prop::collection::vec(part(), 0..40),
        noise in "[/abA]?",
        at: prop::sample::Index,
    ) {
        let (pattern, path): (String, String) = parts.into_iter().unzip();
        let Ok(pattern) = PathPattern::parse(&format!("/{pattern}")) else {
            return Ok(());
        };
        let mut path = format!("/{path}");
        path.insert_str(at.index(path.len()) + 1, &noise);
        agree(&pattern, &path);
    }

    #[test]
    fn patterns_and_readings_match_as_in_the_slow_reading(
        pattern in any_pattern(), path in prop_oneof![path(), "/[aAb/;%25c\\\\.]{0,12}"],
    ) {
        agree(&pattern, &path);
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
