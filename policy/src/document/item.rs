//! Reads the values of a TOML text with their positions, so that every fault has its line.

use std::num::IntErrorKind;

use toml::de::{DeInteger, DeTable, DeValue};

use super::fault::{DocumentFault, clip};

/// A fault and its byte position in the text, if it has one.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) at: Option<usize>,
    pub(super) fault: DocumentFault,
}

/// A value, the key that it is the value of, and where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) key: &'a str,
    key_at: usize,
    at: usize,
    value: &'a DeValue<'a>,
}

/// A table and where it begins.
#[derive(Debug)]
pub(super) struct Table<'a> {
    name: &'static str,
    at: usize,
    items: Vec<Item<'a>>,
}

impl<'a> Table<'a> {
    /// Takes a table that messages call `name`.
    pub(super) fn new(name: &'static str, at: usize, table: &'a DeTable<'a>) -> Self {
        let items = table.iter().map(|(key, value)| Item {
            key: key.get_ref(),
            key_at: key.span().start,
            at: value.span().start,
            value: value.get_ref(),
        });
        Self {
            name,
            at,
            items: items.collect(),
        }
    }

    /// Refuses the first key that is not one of these.
    pub(super) fn refuse_unknown(self, known: &'static [&'static str]) -> Result<Self, Located> {
        let unknown = self.items.iter().filter(|item| !known.contains(&item.key));
        let Some(first) = unknown.min_by_key(|item| item.key_at) else {
            return Ok(self);
        };
        let fault = DocumentFault::UnknownKey {
            key: first.key.to_owned(),
            table: self.name,
            known,
        };
        Err(located(first.key_at, fault))
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Item<'a>> {
        self.items.iter().find(|item| item.key == key).copied()
    }

    /// The value of a key, read with `read` if it is there.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Item<'a>) -> Result<T, Located>,
    ) -> Result<Option<T>, Located> {
        self.get(key).as_ref().map(read).transpose()
    }

    /// The value of a required key.
    pub(super) fn require(&self, key: &'static str) -> Result<Item<'a>, Located> {
        let missing = DocumentFault::MissingKey {
            key,
            table: self.name,
        };
        self.get(key).ok_or_else(|| located(self.at, missing))
    }

    /// The only value of a table that has exactly one.
    pub(super) fn only(&self) -> Option<Item<'a>> {
        match self.items[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// This fault, at the value of this key, or else at the beginning of the table.
    pub(super) fn fault(&self, key: &str, fault: impl Into<DocumentFault>) -> Located {
        let at = self.get(key).map_or(self.at, |item| item.at);
        located(at, fault.into())
    }
}

impl<'a> Item<'a> {
    /// This fault, here.
    pub(super) fn fault(&self, fault: impl Into<DocumentFault>) -> Located {
        located(self.at, fault.into())
    }

    pub(super) fn unexpected(&self, expected: impl Into<String>) -> Located {
        self.fault(DocumentFault::Unexpected {
            key: self.key.to_owned(),
            expected: expected.into(),
            found: describe(self.value),
        })
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn string(&self) -> Result<&'a str, Located> {
        self.value
            .as_str()
            .ok_or_else(|| self.unexpected("a string"))
    }

    pub(super) fn boolean(&self) -> Result<bool, Located> {
        let expected = || self.unexpected("true or false");
        self.value.as_bool().ok_or_else(expected)
    }

    /// A number from `least` to the largest that TOML must support, that of an `i64`.
    pub(super) fn u64(&self, least: u64) -> Result<u64, Located> {
        self.number(least, i64::MAX.unsigned_abs())
    }

    /// A number from `least` to the largest `u32`.
    pub(super) fn u32(&self, least: u32) -> Result<u32, Located> {
        let number = self.number(least.into(), u32::MAX.into())?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn number(&self, least: u64, most: u64) -> Result<u64, Located> {
        match self.value.as_integer().and_then(saturating) {
            Some(number) if number > most => {
                Err(self.unexpected(format!("a whole number of at most {most}")))
            }
            Some(number) if number >= least => Ok(number),
            _ => Err(self.unexpected(format!("a whole number of at least {least}"))),
        }
    }

    /// How many elements this list has; 0 if it is not a list.
    pub(super) fn len(&self) -> usize {
        self.value.as_array().map_or(0, |list| list.len())
    }

    /// How many elements the lists of this key have in all the tables of this list.
    pub(super) fn len_within(&self, key: &str) -> usize {
        let tables = self
            .value
            .as_array()
            .into_iter()
            .flat_map(|list| list.iter());
        let lists =
            tables.filter_map(|table| table.get_ref().as_table()?.get(key)?.get_ref().as_array());
        lists.map(|list| list.len()).sum()
    }

    /// The elements of a list, which messages call `expected`; their key is that of the list.
    pub(super) fn elements(&self, expected: &str) -> Result<Vec<Item<'a>>, Located> {
        let list = self.value.as_array();
        let list = list.ok_or_else(|| self.unexpected(expected))?;
        let elements = list.iter().map(|element| Item {
            at: element.span().start,
            value: element.get_ref(),
            ..*self
        });
        Ok(elements.collect())
    }

    /// The elements of a list of strings, read with `read`.
    pub(super) fn list<T>(
        &self,
        read: impl Fn(&Item<'a>) -> Result<T, Located>,
    ) -> Result<Vec<T>, Located> {
        self.elements("a list of strings in '[' and ']'")?
            .iter()
            .map(read)
            .collect()
    }

    /// The table in this value; messages call it `name`.
    pub(super) fn table(
        &self,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Result<Table<'a>, Located> {
        let table = self.value.as_table();
        let table = table.ok_or_else(|| self.unexpected(format!("a table, {name}")))?;
        Table::new(name, self.at, table).refuse_unknown(known)
    }
}

fn located(at: usize, fault: DocumentFault) -> Located {
    Located {
        at: Some(at),
        fault,
    }
}

/// The value of an integer, or the largest number if it is larger; `None` if it is negative.
fn saturating(integer: &DeInteger<'_>) -> Option<u64> {
    match u64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) => Some(number),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(u64::MAX),
        Err(_) => None,
    }
}

/// A value as a message shows it.
fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", clip(text)),
        DeValue::Integer(number) => clip(&number.to_string()),
        DeValue::Float(number) => clip(number.as_str()),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
