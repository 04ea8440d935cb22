use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

fn masker(values: &[&str]) -> Masker {
    let values: Vec<SecretValue> = values
        .iter()
        .map(|value| SecretValue::new(*value).unwrap())
        .collect();
    Masker::new(&values)
}

fn whole(masker: &Masker, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    let masked = masker.mask_whole(&mut bytes);
    assert_eq!(masked, bytes != text);
    bytes
}

/// What a stream gives out for each chunk, and at its end.
fn streamed(masker: &Masker, chunks: &[&[u8]]) -> Vec<Bytes> {
    let mut stream = masker.stream();
    let mut given: Vec<Bytes> = chunks
        .iter()
        .map(|chunk| stream.push(Bytes::copy_from_slice(chunk)))
        .collect();
    given.push(stream.finish());
    given
}

/// A text cut at some places.
fn cut<'a>(text: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    cuts.sort_unstable();
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([text.len()]);
    starts
        .zip(ends)
        .map(|(start, end)| &text[start..end])
        .collect()
}

#[test]
fn every_byte_of_every_occurrence_is_masked() {
    for (values, text, expected) in [
        (&["abcdefgh"][..], "abcdefgh", "********"),
        (&["abcdefgh"], "-abcdefgh-abcdefgh", "-********-********"),
        (&["abcdefgh"], "abcdefg abcdefgH", "abcdefg abcdefgH"),
        (&["abcdefgh"], "abcdabcdefgh", "abcd********"),
        (&["abcdabcd"], "abcdabcdabcd-abcd", "************-abcd"),
        (&["abcdefgh", "efghijkl"], "abcdefghijkl", "************"),
        (
            &["abcdefgh", "xabcdefghx"],
            "xabcdefghx abcdefgh",
            "********** ********",
        ),
        (&["abcdefgh", "xabcdefgh"], "xabcdefgh", "*********"),
        (
            &["abcdefgh"],
            "hgfedcba 6162636465666768",
            "******** ****************",
        ),
        (
            &["ab/defgh"],
            "ab%2fdefgh ab%2Fdefgh ab\\/defgh",
            "********** ********** *********",
        ),
        (&[], "abcdefgh", "abcdefgh"),
    ] {
        let masked = whole(&masker(values), text.as_bytes());
        assert_eq!(String::from_utf8(masked).unwrap(), expected);
    }
}

#[test]
fn an_occurrence_that_overlaps_a_masked_one_in_an_earlier_chunk_is_masked() {
    let masker = masker(&["abcdabcd"]);
    let given = streamed(&masker, &[b"abcdabcd", b"abc", b"d"]).concat();
    assert_eq!(given, b"************");
}

#[test]
fn lines_are_given_out_at_once_and_at_most_a_pattern_less_one_byte_is_held() {
    let masker = masker(&["abcdefgh"]);
    // The longest pattern is hexadecimal.
    let long = [b'x'; 40];
    let given = streamed(
        &masker,
        &[b"data: abcdefgh\n\nabcd", b"\n", b"", &long, b"y"],
    );
    assert_eq!(given[0], &b"data: ********\n\n"[..]);
    assert_eq!(given[1], &b"abcd\n"[..]);
    let lengths: Vec<usize> = given.iter().map(Bytes::len).collect();
    assert_eq!(lengths, [16, 5, 0, 25, 1, 15]);
}

#[test]
fn without_values_a_chunk_passes_uncopied() {
    let chunk = Bytes::from_static(b"abcdefgh");
    let mut stream = masker(&[]).stream();
    assert_eq!(stream.push(chunk.clone()).as_ptr(), chunk.as_ptr());
    assert!(stream.finish().is_empty());
}

#[test]
fn a_stream_that_was_finished_begins_anew() {
    let mut stream = masker(&["abcdefgh"]).stream();
    stream.push(Bytes::from_static(b"abcd"));
    assert_eq!(stream.finish(), &b"abcd"[..]);
    stream.push(Bytes::from_static(b"efgh"));
    assert_eq!(stream.finish(), &b"efgh"[..]);
}

#[test]
fn the_longest_values_can_be_masked() {
    let values = ["a", "&", "\""].map(|unit| unit.repeat(16 << 10));
    let masker = masker(&values.each_ref().map(String::as_str));
    let text = [b'a'; 17 << 10];
    let given = streamed(&masker, &text.chunks(1000).collect::<Vec<_>>()).concat();
    assert_eq!(given, [MASK; 17 << 10]);
}

/// A value without the mask's own character: masked bytes beside others could spell it.
const VALUE: &str = "[!-)+-~][ -)+-~]{6,38}[!-)+-~]";

/// Texts in which whole values, variants of them and beginnings of them follow each other.
fn text() -> impl Strategy<Value = (Vec<String>, Vec<u8>)> {
    prop::collection::vec(prop_oneof![VALUE, "[ab]{8,12}", "[!/\"&]{8,12}"], 1..4).prop_flat_map(
        |values| {
            let spellings: Vec<Vec<u8>> = values
                .iter()
                .flat_map(|value| variants(value.as_bytes()))
                .collect();
            let spelling = prop::sample::select(spellings);
            let part = prop_oneof![
                3 => spelling.clone(),
                2 => (spelling, any::<Index>()).prop_map(|(mut spelling, length)| {
                    spelling.truncate(length.index(spelling.len()));
                    spelling
                }),
                1 => Just(b"\n".to_vec()),
                2 => prop::collection::vec(any::<u8>(), 0..40),
            ];
            (
                Just(values),
                prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat()),
            )
        },
    )
}

/// A text of the same length with newlines at the same places, and otherwise no likeness.
fn unlike(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|byte| if *byte == b'\n' { b'\n' } else { 0 })
        .collect()
}

proptest! {
    #[test]
    fn a_stream_masks_what_the_whole_text_would_be_masked_to(
        (values, text) in text(), cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let masker = masker(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let given = streamed(&masker, &cut(&text, &cuts)).concat();
        prop_assert_eq!(&given, &whole(&masker, &text));
        prop_assert_eq!(given.len(), text.len());
        let single: Vec<&[u8]> = text.chunks(1).collect();
        prop_assert_eq!(streamed(&masker, &single).concat(), given);
    }

    #[test]
    fn exactly_the_union_of_all_occurrences_is_masked((values, text) in text()) {
        let mut expected = text.clone();
        for pattern in values.iter().flat_map(|value| variants(value.as_bytes())) {
            for (at, window) in text.windows(pattern.len()).enumerate() {
                if window == pattern {
                    expected[at..at + pattern.len()].fill(MASK);
                }
            }
        }
        let masker = masker(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let given = whole(&masker, &text);
        for value in values {
            prop_assert!(!given.windows(value.len()).any(|window| window == value.as_bytes()));
        }
        prop_assert_eq!(given, expected);
    }

    #[test]
    fn what_is_held_back_depends_on_chunks_and_newlines_only(
        (values, text) in text(), cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let masker = masker(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let lengths = |text: &[u8]| -> Vec<usize> {
            streamed(&masker, &cut(text, &cuts)).iter().map(Bytes::len).collect()
        };
        prop_assert_eq!(lengths(&text), lengths(&unlike(&text)));
    }

    #[test]
    fn less_than_the_longest_pattern_is_held_and_never_a_newline(
        value in VALUE, chunks in prop::collection::vec("[ -~\n]{0,300}", 0..6),
    ) {
        let masker = masker(&[&value]);
        let longest = variants(value.as_bytes()).iter().map(Vec::len).max().unwrap();
        let mut stream = masker.stream();
        for chunk in chunks {
            stream.push(chunk.into());
            let held = &stream.0.as_ref().unwrap().held;
            prop_assert!(held.len() < longest && !held.contains(&b'\n'));
        }
    }

    #[test]
    fn debug_shows_no_value(value in VALUE) {
        let masker = masker(&[&value]);
        let mut stream = masker.stream();
        stream.push(value.clone().into());
        let shown = format!("{masker:?} {stream:?}");
        prop_assert!(!shown.contains(&value));
    }
}
