//! The parts that need no host: UTF-8, headers, and the table of ids.

use std::collections::{BTreeMap, BTreeSet};

use crate::frame::{HEADER, Header};
use crate::machine;
use crate::slots::Slots;
use crate::utf8;

/// The most commands for the table of ids: enough to fill and empty it.
const COMMANDS: usize = 64;

/// Reads the bytes as UTF-8 and as a header.
pub(crate) fn check_bytes(data: &[u8]) {
    assert_eq!(utf8::parse(data).ok(), std::str::from_utf8(data).ok());
    if let Some((header, payload)) = data.split_first_chunk::<HEADER>() {
        check_header(header, payload.len());
        let announced = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
        check_header(header, announced as usize);
    }
}

/// Checks that an accepted header means what its bytes say.
fn check_header(bytes: &[u8; HEADER], payload: usize) {
    let Ok(header) = Header::parse(bytes, payload) else {
        return;
    };
    let mut again = vec![1, header.command as u8 + 1, 0, 0];
    again.extend_from_slice(&header.id.to_le_bytes());
    again.extend_from_slice(&header.arg.to_le_bytes());
    again.extend_from_slice(&(payload as u32).to_le_bytes());
    assert_eq!(again, bytes);
}

/// Checks that the table behaves like a map from ids that are never reused. Each byte is a command
/// with a number.
pub(crate) fn check_slots(commands: &[u8]) {
    machine::begin(0);
    // SAFETY: nothing else uses the memory until the next input, which starts over.
    let mut slots: Slots<u32> = unsafe { Slots::new(machine::BASE) };
    let mut model = BTreeMap::new();
    let mut given = BTreeSet::new();
    for (at, command) in commands.iter().enumerate().take(COMMANDS) {
        let number = usize::from(command >> 2);
        match command & 3 {
            0 | 1 => {
                // Enough for a few commands to fill the table.
                let count = if command & 3 == 0 { 1 } else { number * 8 };
                for _ in 0..count {
                    let entry = at as u32;
                    let has_room = slots.has_room();
                    let id = slots.insert(entry);
                    assert_eq!(id.is_some(), has_room);
                    assert!(has_room || model.len() == 4096);
                    let Some(id) = id else { break };
                    assert!(given.insert(id), "{id:x} was given before");
                    model.insert(id, entry);
                }
            }
            2 => {
                let id = model.keys().nth(number).copied();
                let Some(id) = id else { continue };
                assert_eq!(slots.remove(id), model.remove(&id));
                assert_eq!(slots.remove(id), None);
            }
            _ => {
                let ids = given.iter().rev().nth(number).copied();
                for id in ids.into_iter().flat_map(|id| [id, id ^ 1, id + 4096]) {
                    assert_eq!(slots.get(id).copied(), model.get(&id).copied());
                }
            }
        }
    }
}
