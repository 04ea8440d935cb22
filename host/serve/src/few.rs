//! The parts of a request: objects, and lists that end where their bound is, because an entry costs more than
//! its bytes in the body.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The most arguments, variables, and rules of each kind.
const WORDS: usize = 4000;
/// The most files.
const FILES: usize = 1000;
/// The most parts of a file's path: each is looked up for each file.
const PARTS: usize = 32;

/// Arguments, or rules.
pub(crate) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_seq(List { most: WORDS })
}

/// Variables.
pub(crate) fn variables<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    from.deserialize_map(Table::new(WORDS))
}

/// Files, whose paths have few parts.
pub(crate) fn files<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let files: BTreeMap<String, T> = from.deserialize_map(Table::new(FILES))?;
    let is_deep = |path: &&String| path.split('/').count() > PARTS;
    match files.keys().find(is_deep) {
        Some(path) => {
            let start: String = path.chars().take(60).collect();
            let why = format!("the path '{start}...' has more than {PARTS} parts");
            Err(D::Error::custom(why))
        }
        None => Ok(files),
    }
}

/// A value that is an object and not a list of its values, which would shift with each new key.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Fields(PhantomData))
    }
}

/// An object of its own.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Object::deserialize(from).map(|Object(value)| value)
}

/// An object, or none.
pub(crate) fn object_or_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let found = Option::<Object<T>>::deserialize(from)?;
    Ok(found.map(|Object(value)| value))
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

struct List {
    most: usize,
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of up to {} texts", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            if list.len() == self.most {
                return Err(A::Error::custom(format!(
                    "there are more than {} entries",
                    self.most
                )));
            }
            list.push(entry);
        }
        Ok(list)
    }
}

struct Table<T> {
    most: usize,
    of: PhantomData<T>,
}

impl<T> Table<T> {
    fn new(most: usize) -> Self {
        Self {
            most,
            of: PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Table<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of up to {} entries", self.most)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            if table.len() == self.most {
                return Err(A::Error::custom(format!(
                    "there are more than {} entries",
                    self.most
                )));
            }
            table.insert(key, value);
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_tables_end_where_their_bound_is() {
        let list = |count: usize| format!("[{}]", vec!["\"\""; count].join(","));
        let parsed = |text: &str| words(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(parsed(&list(WORDS)).unwrap().len(), WORDS);
        let error = parsed(&list(WORDS + 1)).unwrap_err().to_string();
        assert!(error.contains("more than 4000 entries"), "{error}");
        let table = |count: usize| {
            let entries: Vec<_> = (0..count)
                .map(|it| format!("\"/home/{it}\":\"\""))
                .collect();
            format!("{{{}}}", entries.join(","))
        };
        let parsed = |text: &str| files::<_, String>(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(parsed(&table(FILES)).unwrap().len(), FILES);
        assert!(parsed(&table(FILES + 1)).is_err());
        let deep = format!("{{\"{}\": \"\"}}", "/a".repeat(PARTS));
        let error = parsed(&deep).unwrap_err().to_string();
        assert!(error.contains("more than 32 parts"), "{error}");
    }
}
