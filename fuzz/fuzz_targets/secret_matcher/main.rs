//! The secret matcher on texts that spell a value in every way, compared with a slow second reading.
//!
//! The first bytes are a value, and where to cut the text; the rest is the text. In it a byte above
//! 127 stands for a character of the value, and the next byte says how to write it: most inputs would
//! never contain the value otherwise.

#![no_main]
#![allow(dead_code, reason = "the host uses more of the matcher")]
#![allow(unreachable_pub, reason = "a module of another crate")]

#[path = "../../../host/gateway/src/secrets/matcher/mod.rs"]
mod matcher;
mod reading;
mod spelling;

use libfuzzer_sys::fuzz_target;
use matcher::Matcher;

/// With longer texts the second reading takes too long.
const LONGEST: usize = 240;

fuzz_target!(|data: &[u8]| check(data));

fn check(data: &[u8]) {
    let Some(case) = spelling::Case::read(data, LONGEST) else {
        return;
    };
    let expected = reading::read(&case.value, &case.text);
    for cuts in [&[][..], &case.cuts] {
        let pieces = run(&case.value, &case.text, cuts);
        let given = pieces.concat();
        assert_eq!(given.len(), case.text.len(), "nothing is lost or added");
        for (at, (given, was)) in given.iter().zip(&case.text).enumerate() {
            let is_masked = *given == b'*';
            assert!(is_masked || given == was, "{at}: another byte");
            assert!(is_masked || !expected.must[at], "{at}: shown");
            assert!(
                !is_masked || *was == b'*' || expected.may[at],
                "{at}: masked for nothing"
            );
        }
        let lengths = |pieces: &[Vec<u8>]| pieces.iter().map(Vec::len).collect::<Vec<_>>();
        let others = run(&case.other, &case.text, cuts);
        assert_eq!(
            lengths(&pieces),
            lengths(&others),
            "the value shows in what is held back"
        );
    }
}

/// The output for each piece of a text, and at its end.
fn run(value: &[u8], text: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut matching = Matcher::new(&[value]).expect("a value").begin();
    let (mut given, mut start) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([text.len()]) {
        given.push(matching.push(&text[start..end]));
        start = end;
    }
    given.push(matching.finish());
    given
}
