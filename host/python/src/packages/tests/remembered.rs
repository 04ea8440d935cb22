//! The number of remembered refusals is bounded, whatever is requested.

use super::remember::{KEY, KIND, MOST, Memory};
use super::*;

const MANY: usize = 2000;

fn refusal(number: usize, reason: &str) -> Error {
    Error::NoPureWheel {
        name: format!("name-{number}"),
        reason: reason.to_owned(),
        instead: vec![format!("--with 'name-{number}<2'")],
        age: None,
    }
}

fn memory(cache: &Cache, number: usize) -> Memory<'_> {
    // A given pip is not searched for.
    static PIP: std::sync::LazyLock<Pip> =
        std::sync::LazyLock::new(|| Pip::command("pip", [""; 0]));
    Memory::new(cache, format!("requirements {number}"), Some(&PIP))
}

/// Which of these refusals are known.
fn known(cache: &Cache, numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    numbers
        .filter(|number| {
            let recalled = memory(cache, *number).recall().unwrap();
            recalled.is_some_and(|it| it.to_string().contains(&format!("name-{number}")))
        })
        .collect()
}

/// The bytes of all that is kept.
fn length(cache: &Cache) -> u64 {
    let directory = cache.entry(KIND, KEY).unwrap().get().unwrap();
    let files: Vec<_> = fs::read_dir(directory).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    files[0].metadata().unwrap().len()
}

#[test]
fn thousands_of_refusals_cost_no_more_than_the_newest_64() {
    let place = Place::new();
    let cache = &place.cache;
    let keep = |number, reason: &str| memory(cache, number).keep(&refusal(number, reason), &[]);
    let mut full = 0;
    for number in 0..MANY {
        keep(number, "it holds machine code").unwrap();
        if number == 2 * MOST {
            full = length(cache);
        }
    }
    assert_eq!(MOST, 64);
    // Their numbers have one digit more, in three places.
    assert!(length(cache) <= full + 64 * 3 * 2, "{full}");
    assert_eq!(cache.keys(KIND).unwrap(), [KEY]);
    let newest: Vec<usize> = (MANY - 64..MANY).collect();
    assert_eq!(known(cache, MANY - 80..MANY), newest);
    assert!(known(cache, 0..10).is_empty());
    // A repeated refusal is one of the newest, and exists once.
    keep(MANY - 64, "again").unwrap();
    keep(MANY, "it holds machine code").unwrap();
    assert_eq!(known(cache, MANY - 65..MANY - 62), [MANY - 64]);
}

#[test]
fn long_reasons_are_not_kept_and_displace_nothing() {
    let place = Place::new();
    let cache = &place.cache;
    let keep = |number, reason: &str| memory(cache, number).keep(&refusal(number, reason), &[]);
    for number in 0..64 {
        keep(number, "it holds machine code").unwrap();
    }
    for number in 100..110 {
        keep(number, &"x".repeat(9000)).unwrap();
    }
    let all: Vec<usize> = (0..64).collect();
    assert_eq!(known(cache, 0..110), all);
    for number in 200..300 {
        keep(number, &"x".repeat(7000)).unwrap();
    }
    assert!(length(cache) < 64 * 8000, "{}", length(cache));
    assert_eq!(known(cache, 200..300).len(), 64);
}
