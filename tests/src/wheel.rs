//! Makes wheels of a few modules, for tests that need packages of their own.

use std::fs;
use std::path::{Path, PathBuf};

use flate2::Crc;

/// Writes the wheel of a package with these files, paths and texts, and returns its path.
pub fn wheel(directory: &Path, name: &str, version: &str, files: &[(&str, &str)]) -> PathBuf {
    let info = format!("{name}-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    let kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let mut all: Vec<(String, &str)> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), *text))
        .collect();
    all.push((format!("{info}/METADATA"), &metadata));
    all.push((format!("{info}/WHEEL"), kind));
    all.push((format!("{info}/RECORD"), ""));
    let path = directory.join(format!("{name}-{version}-py3-none-any.whl"));
    fs::write(&path, archive(&all)).expect("a wheel");
    path
}

/// A ZIP archive that stores its members as they are.
fn archive(members: &[(String, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (name, text) in members {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        let size = (text.len() as u32).to_le_bytes();
        let mut shared = Vec::new();
        // Version 2.0, UTF-8 names, stored, 1980-01-01.
        for number in [20_u16, 0x800, 0, 0, 0x21] {
            shared.extend(number.to_le_bytes());
        }
        shared.extend(crc.sum().to_le_bytes());
        shared.extend(size);
        shared.extend(size);
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend(0_u16.to_le_bytes());
        let place = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&shared);
        bytes.extend(name.as_bytes());
        bytes.extend(text.as_bytes());
        directory.extend(b"PK\x01\x02");
        directory.extend(20_u16.to_le_bytes());
        directory.extend(&shared);
        directory.extend([0; 6]);
        directory.extend((0o644_u32 << 16).to_le_bytes());
        directory.extend(place.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = bytes.len() as u32;
    let count = (members.len() as u16).to_le_bytes();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}
