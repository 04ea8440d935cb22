//! Bounds the head of a response that is passed on as it comes.

use crate::error::EgressError;
use crate::limit::Limit;

/// Counts the bytes before the first blank line, where every reader's head has ended.
#[derive(Debug)]
pub(super) struct Unframed {
    /// Bytes that the head may still have; `None` after it.
    left: Option<usize>,
    /// Whether the current line is blank so far, and not the first one.
    is_blank: bool,
}

impl Unframed {
    /// A bound of `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self {
            left: Some(max),
            is_blank: false,
        }
    }

    /// Counts the next bytes.
    ///
    /// # Errors
    ///
    /// If the head is too large.
    pub(super) fn count(&mut self, bytes: &[u8]) -> Result<(), EgressError> {
        for byte in bytes {
            let Some(left) = &mut self.left else {
                return Ok(());
            };
            if *left == 0 {
                return Err(EgressError::Limit(Limit::ResponseHeadSize));
            }
            *left -= 1;
            match byte {
                b'\n' if self.is_blank => self.left = None,
                b'\n' => self.is_blank = true,
                b'\r' => {}
                _ => self.is_blank = false,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_the_blank_line_is_bounded_to_the_byte_however_it_arrives() {
        for (text, length) in [
            ("a\r\nb\r\n\r\n", 8),
            ("a\nb\n\n", 5),
            ("a\nb\n\r\n", 6),
            ("\r\n\r\n", 4),
            ("no line end", 11),
            ("\r\n", 2),
        ] {
            for piece in 1..=length {
                for (max, fits) in [(length, true), (length - 1, false)] {
                    let mut bound = Unframed::new(max);
                    let mut pieces = text.as_bytes().chunks(piece);
                    let counted = pieces.try_for_each(|piece| bound.count(piece));
                    assert_eq!(counted.is_ok(), fits, "{text:?} by {piece} of {max}");
                }
            }
        }
    }

    #[test]
    fn what_comes_behind_the_blank_line_is_not_bounded_here() {
        let mut bound = Unframed::new(6);
        assert_eq!(bound.count(b"a\nb\n\r\n"), Ok(()));
        assert_eq!(bound.count(&[b'x'; 100]), Ok(()));
    }
}
