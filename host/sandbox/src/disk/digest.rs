//! What a tree contains, as one number: to find damage, not an attack.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, FileType, Mode, OFlags, Stat};
use sha2::{Digest as _, Sha256};

use super::tree::{self, Visitor, kind};

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// The digest of a tree.
pub(crate) type Digest = [u8; 32];

/// The digest of all names below `top`, and what they are, whatever their order.
pub(super) fn digest(top: impl AsFd) -> io::Result<Digest> {
    let mut all = All {
        path: vec![Digest::default()],
        sum: Digest::default(),
    };
    tree::walk(top, &mut all)?;
    Ok(all.sum)
}

struct All {
    /// The digests of the directories' paths.
    path: Vec<Digest>,
    sum: Digest,
}

impl All {
    fn named(&self, name: &CStr) -> Sha256 {
        let mut hash = Sha256::new();
        hash.update(self.path.last().copied().unwrap_or_default());
        hash.update(name.to_bytes_with_nul());
        hash
    }
}

impl Visitor for All {
    fn entry(&mut self, at: BorrowedFd<'_>, name: &CStr, stat: &Stat, _: usize) -> io::Result<()> {
        let mut hash = self.named(name);
        match kind(stat) {
            FileType::Directory => hash.update(b"directory"),
            FileType::RegularFile => {
                hash.update(b"file");
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let mut file: File = fs::openat(at, name, flags, Mode::empty())?.into();
                let mut piece = vec![0; PIECE];
                loop {
                    match file.read(&mut piece)? {
                        0 => break,
                        length => hash.update(&piece[..length]),
                    }
                }
            }
            FileType::Symlink => {
                hash.update(b"link");
                hash.update(fs::readlinkat(at, name, Vec::new())?.to_bytes());
            }
            // A copy has none of these.
            _ => return Ok(()),
        }
        let sum = self.sum.iter_mut().zip(hash.finalize());
        sum.for_each(|(all, one)| *all ^= one);
        Ok(())
    }

    fn enter(&mut self, name: &CStr) -> io::Result<()> {
        self.path.push(self.named(name).finalize().into());
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        self.path.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn of(make: impl Fn(&Path)) -> Digest {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        digest(File::open(directory.path()).unwrap()).unwrap()
    }

    #[test]
    fn trees_are_alike_whatever_the_order_and_different_in_any_name_kind_or_byte() {
        let write = |names: &[(&'static str, &'static str)]| {
            let names = names.to_vec();
            of(move |top| {
                for (name, text) in &names {
                    let path = top.join(name);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, text).unwrap();
                }
            })
        };
        let one = write(&[("a/b", "1"), ("c", "2"), ("d/e/f", "")]);
        assert_eq!(one, write(&[("d/e/f", ""), ("c", "2"), ("a/b", "1")]));
        let others = [
            write(&[("a/b", "1"), ("c", "2")]),
            write(&[("a/b", "1"), ("c", "3"), ("d/e/f", "")]),
            write(&[("a/b", "1"), ("d/c", "2"), ("d/e/f", "")]),
            write(&[("a/b", "1"), ("c", "2"), ("d/e/f/g", "")]),
            of(|top| std::os::unix::fs::symlink("1", top.join("a")).unwrap()),
            of(|top| std::fs::create_dir(top.join("a")).unwrap()),
            of(|top| std::fs::write(top.join("a"), "1").unwrap()),
            of(|_| ()),
        ];
        for (number, other) in others.iter().enumerate() {
            assert_ne!(*other, one, "{number}");
            assert!(!others[..number].contains(other), "{number}");
        }
    }
}
