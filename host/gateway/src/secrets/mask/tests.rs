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

/// What a stream returns for each chunk, and at its end.
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
fn lines_are_given_out_at_once_and_at_most_six_times_a_value_is_held() {
    let masker = masker(&["abcdefgh"]);
    let long = [b'x'; 80];
    let given = streamed(
        &masker,
        &[b"data: abcdefgh\n\nabcd", b"\n", b"", &long, b"y"],
    );
    assert_eq!(given[0], &b"data: ********\n\n"[..]);
    assert_eq!(given[1], &b"abcd\n"[..]);
    let lengths: Vec<usize> = given.iter().map(Bytes::len).collect();
    assert_eq!(lengths, [16, 5, 0, 33, 1, 47]);
}

#[test]
fn only_the_wanted_values_are_masked() {
    let masker = masker(&["abcdefgh", "ijklmnop"]);
    let text = b"abcdefgh ijklmnop";
    assert_eq!(
        whole(&masker.only(|index| index == 1), text),
        b"abcdefgh ********"
    );
    let none = masker.only(|_| false);
    assert!(none.is_empty() && !masker.is_empty());
    assert_eq!(whole(&none, text), text);
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

/// What a stream returns that follows another masker after the first chunks.
fn followed(before: &Masker, chunks: &[&[u8]], after: &Masker, rest: &[&[u8]]) -> Vec<u8> {
    let mut stream = before.stream();
    let push = |stream: &mut MaskStream, chunk: &&[u8]| stream.push(Bytes::copy_from_slice(chunk));
    let mut given: Vec<Bytes> = chunks.iter().map(|it| push(&mut stream, it)).collect();
    given.push(stream.follow(after));
    given.extend(rest.iter().map(|it| push(&mut stream, it)));
    given.push(stream.finish());
    given.concat()
}

#[test]
fn a_stream_that_follows_masks_old_and_new_values_around_the_change() {
    let (old, new) = (masker(&["abcdefgh"]), masker(&["efghijkl", "abcdefgh"]));
    for (before, rest, expected) in [
        ("-abcdefgh-", "-efghijkl-", "-********--********-"),
        ("-abcd", "efgh-", "-********-"),
        ("-efgh", "ijkl-", "-********-"),
        // Both share what is held back.
        ("-abcdefgh", "ijkl-", "-************-"),
        ("-abcdefg", "hijkl-", "-************-"),
        ("-efghijkl\n", "-", "-efghijkl\n-"),
        ("", "abcdefgh", "********"),
    ] {
        let given = followed(&old, &[before.as_bytes()], &new, &[rest.as_bytes()]);
        assert_eq!(String::from_utf8(given).unwrap(), expected, "{before:?}");
    }
    // Before a callback was asked there is nothing to mask.
    let given = followed(&masker(&[]), &[b"-abcdefgh"], &old, &[b"-abcdefgh"]);
    assert_eq!(given, b"-abcdefgh-********");
    let given = followed(&old, &[b"-abcd"], &masker(&[]), &[b"efgh-"]);
    assert_eq!(given, b"-********-");
}

#[test]
fn a_masker_takes_no_more_memory_than_is_reserved_for_it() {
    for (count, length) in [(1, 8), (5, 40), (3, 1000), (1, 16 << 10)] {
        // Different from the first byte on, so that they share nothing.
        let letter = |index: usize| char::from(b'!' + (index * 7919 % 94) as u8);
        let value = |number| (0..length).map(|at| letter(at * at + number)).collect();
        let values: Vec<String> = (0..count).map(value).collect();
        let masker = masker(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let size = masker.matcher.as_ref().unwrap().size();
        // Its fixed tables: two bits for each pair of bytes, and the first symbols of both forms.
        let size = size + 65536 / 8 + 256 + 2 * 4 * 256;
        let reserved = Masker::cost(count * length);
        assert!(
            size <= reserved,
            "{size} of {reserved} for {count} of {length}"
        );
        assert!(size * 2 > reserved - LEAST, "{size} of {reserved}");
    }
}

#[test]
fn the_longest_values_can_be_masked() {
    let values = ["a", "&", "\""].map(|unit| unit.repeat(16 << 10));
    let masker = masker(&values.each_ref().map(String::as_str));
    let text = [b'a'; 17 << 10];
    let given = streamed(&masker, &text.chunks(1000).collect::<Vec<_>>()).concat();
    assert_eq!(given, [b'*'; 17 << 10]);
}

proptest! {
    #[test]
    fn a_stream_masks_what_the_whole_text_would_be_masked_to(
        text in "[ab%\n]{0,60}(ab%25baab|ab%baab\n|ab&#37;baab){0,3}[ab\n]{0,60}",
        cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let masker = masker(&["ab%baab%", "aaaabbbb"]);
        let given = streamed(&masker, &cut(text.as_bytes(), &cuts)).concat();
        prop_assert_eq!(&given, &whole(&masker, text.as_bytes()));
        prop_assert_eq!(given.len(), text.len());
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(streamed(&masker, &single).concat(), given);
    }

    #[test]
    fn a_stream_that_follows_masks_what_either_knows_and_nothing_else(
        text in "[ab%\n]{0,60}(ab%25baab|ab%baab\n|ab&#37;baab|aaaabbbb){0,4}[ab\n]{0,60}",
        at in any::<Index>(),
        again in any::<Index>(),
        cuts in prop::collection::vec(any::<Index>(), 0..10),
    ) {
        let values = ["ab%baab%", "aaaabbbb", "bbbbabab%aabbab"];
        let (old, new) = (masker(&values[..1]), masker(&values[1..]));
        let both = masker(&values);
        let text = text.as_bytes();
        let place = at.index(text.len() + 1);
        let (before, rest) = text.split_at(place);
        let given = followed(&old, &cut(before, &cuts), &both, &cut(rest, &cuts));
        prop_assert_eq!(given.len(), text.len());
        // What is masked by either alone, as far as it could know, and what both mask together.
        let least = whole(&old, text);
        let late = whole(&new, rest);
        let most = whole(&both, text);
        for index in 0..text.len() {
            let is_masked = given[index] != text[index];
            let has_to_be = least[index] != text[index]
                || index >= place && late[index - place] != rest[index - place];
            prop_assert!(is_masked || !has_to_be, "{index} of {given:?}");
            prop_assert!(!is_masked || most[index] != text[index], "{index} of {given:?}");
        }
        // A second change to the same values changes nothing.
        let middle = again.index(rest.len() + 1);
        let mut stream = old.stream();
        let mut twice = stream.push(Bytes::copy_from_slice(before)).to_vec();
        twice.extend(stream.follow(&both));
        twice.extend(stream.push(Bytes::copy_from_slice(&rest[..middle])));
        twice.extend(stream.follow(&both));
        twice.extend(stream.push(Bytes::copy_from_slice(&rest[middle..])));
        twice.extend(stream.finish());
        prop_assert_eq!(twice, given);
    }

    #[test]
    fn debug_shows_no_value(value in "[!-)+-~][ -)+-~]{6,38}[!-)+-~]") {
        let masker = masker(&[&value]);
        let mut stream = masker.stream();
        stream.push(value.clone().into());
        let shown = format!("{masker:?} {stream:?}");
        prop_assert!(!shown.contains(&value));
    }
}
