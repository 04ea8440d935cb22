//! Counts the fields of a header block (RFC 7541 section 6) from its bytes, without decoding them.
//!
//! A field can be one byte on the wire and cost a hundred in memory, so bytes alone say little.

/// The most bytes of a number after its first one, as the library reads them.
const MAX_CONTINUATION: u32 = 4;

/// Reads a block in pieces.
#[derive(Debug, Default)]
pub(super) struct FieldCounter {
    at: At,
    /// Whether the current field enters the table of the session.
    is_indexed: bool,
    fields: usize,
}

/// Why a block is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockFault {
    /// A number is longer than necessary.
    Number,
    /// A pseudo-field enters the table. For one of a request the library keeps the whole buffer,
    /// and no response has those; `:status` needs no name of its own.
    PseudoField,
}

impl BlockFault {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Number => "a field block with a number that is too long",
            Self::PseudoField => "a field block with a pseudo-field that responses do not have",
        }
    }
}

/// Names follow the grammar of RFC 7541 section 6.
#[derive(Debug, Clone, Copy, Default)]
enum At {
    #[default]
    Representation,
    Length(Text),
    Number {
        of: Of,
        value: usize,
        bytes: u32,
    },
    Text {
        text: Text,
        left: usize,
        is_coded: Option<bool>,
    },
}

/// The meaning of a number.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// A complete field in a table.
    Field,
    /// A name in a table.
    Name,
    /// The new size of the table.
    Size,
    Length {
        text: Text,
        is_coded: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Name,
    Value,
}

impl FieldCounter {
    /// The number of complete fields.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), BlockFault> {
        while let [first, rest @ ..] = bytes {
            let At::Text {
                text,
                left,
                is_coded,
            } = self.at
            else {
                self.read_byte(*first)?;
                bytes = rest;
                continue;
            };
            if let (Text::Name, Some(is_coded)) = (text, is_coded) {
                self.check_name(*first, is_coded)?;
            }
            let taken = left.min(bytes.len());
            bytes = &bytes[taken..];
            match left - taken {
                0 => self.finish(text),
                left => {
                    self.at = At::Text {
                        text,
                        left,
                        is_coded: None,
                    }
                }
            }
        }
        Ok(())
    }

    fn read_byte(&mut self, byte: u8) -> Result<(), BlockFault> {
        match self.at {
            At::Representation => {
                self.is_indexed = byte & 0xc0 == 0x40;
                match byte {
                    0x80.. => self.begin(byte, 0x7f, Of::Field),
                    0x40.. => self.begin(byte, 0x3f, Of::Name),
                    0x20.. => self.begin(byte, 0x1f, Of::Size),
                    _ => self.begin(byte, 0x0f, Of::Name),
                }
            }
            At::Length(text) => {
                let is_coded = byte & 0x80 != 0;
                self.begin(byte, 0x7f, Of::Length { text, is_coded })
            }
            At::Number { of, value, bytes } => {
                if bytes == MAX_CONTINUATION {
                    return Err(BlockFault::Number);
                }
                let value = value + (usize::from(byte & 0x7f) << (7 * bytes));
                if byte & 0x80 == 0 {
                    return self.number(of, value);
                }
                self.at = At::Number {
                    of,
                    value,
                    bytes: bytes + 1,
                };
                Ok(())
            }
            At::Text { .. } => Ok(()),
        }
    }

    /// A number with a prefix of these bits (RFC 7541 section 5.1).
    fn begin(&mut self, byte: u8, mask: u8, of: Of) -> Result<(), BlockFault> {
        let value = usize::from(byte & mask);
        if byte & mask < mask {
            return self.number(of, value);
        }
        self.at = At::Number {
            of,
            value,
            bytes: 0,
        };
        Ok(())
    }

    fn number(&mut self, of: Of, value: usize) -> Result<(), BlockFault> {
        match of {
            Of::Field => self.finish(Text::Value),
            Of::Size => self.at = At::Representation,
            Of::Name if value == 0 => self.at = At::Length(Text::Name),
            // Those of requests are the first ones of the static table (RFC 7541 appendix A).
            Of::Name if value < 8 && self.is_indexed => return Err(BlockFault::PseudoField),
            Of::Name => self.at = At::Length(Text::Value),
            Of::Length { text, .. } if value == 0 => self.finish(text),
            Of::Length { text, is_coded } => {
                self.at = At::Text {
                    text,
                    left: value,
                    is_coded: Some(is_coded),
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, text: Text) {
        self.at = match text {
            Text::Name => At::Length(Text::Value),
            Text::Value => {
                self.fields += 1;
                At::Representation
            }
        }
    }

    /// Looks at the first byte of a name. A colon has seven bits in the Huffman code.
    fn check_name(&self, first: u8, is_coded: bool) -> Result<(), BlockFault> {
        let is_pseudo = match is_coded {
            true => first >> 1 == 0x5c,
            false => first == b':',
        };
        match is_pseudo && self.is_indexed {
            true => Err(BlockFault::PseudoField),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(block: &[u8], size: usize) -> Result<usize, BlockFault> {
        let mut counter = FieldCounter::default();
        for piece in block.chunks(size) {
            counter.read(piece)?;
        }
        assert!(matches!(counter.at, At::Representation), "{counter:?}");
        Ok(counter.fields())
    }

    /// A block with every form of RFC 7541 section 6, and the number of its fields.
    fn every_form() -> (Vec<u8>, usize) {
        let long = [&[0x00, 0x01, b'a', 0x7f, 0xc9, 0x01][..], &[b'b'; 328]].concat();
        let forms: [(&[u8], usize); 10] = [
            (&[0x20], 0),
            (&[0x3f, 0xe1, 0x1f], 0),
            (&[0x88], 1),
            (&[0xff, 0x00], 1),
            (&[0x48, 0x03, b'2', b'0', b'0'], 1),
            (&[0x40, 0x01, b'a', 0x00], 1),
            (&[0x40, 0x82, 0x1c, 0x64, 0x81, 0x1f], 1),
            (&[0x0f, 0x2f, 0x01, b'x'], 1),
            (&[0x10, 0x01, b':', 0x01, b'y'], 1),
            (&long, 1),
        ];
        let bytes = forms.iter().flat_map(|(bytes, _)| bytes.iter().copied());
        (
            bytes.collect(),
            forms.iter().map(|(_, fields)| fields).sum(),
        )
    }

    #[test]
    fn fields_are_counted_in_every_form_however_their_bytes_arrive() {
        let (block, fields) = every_form();
        for size in 1..=block.len() {
            assert_eq!(count(&block, size), Ok(fields), "in pieces of {size}");
        }
        assert_eq!(count(&[0x90; 5000], 1000), Ok(5000));
    }

    #[test]
    fn pseudo_fields_of_requests_never_enter_the_table() {
        for block in [
            &[0x41, 0x01, b'a'][..],
            &[0x47, 0x01, b'a'],
            &[0x40, 0x0a, b':', b'a'],
            // A colon, in the Huffman code.
            &[0x40, 0x87, 0xb8, 0x3b],
            &[0x40, 0x87, 0xb9, 0x3b],
        ] {
            for size in [1, block.len()] {
                assert_eq!(count(block, size), Err(BlockFault::PseudoField));
            }
        }
        // `:status`, and fields that do not enter the table.
        for block in [&[0x48, 0x01, b'2'][..], &[0x01, 0x01, b'a'], &[0x84]] {
            assert_eq!(count(block, 1), Ok(1));
        }
    }

    #[test]
    fn numbers_without_an_end_are_refused() {
        for start in [0xff, 0x7f, 0x3f, 0x0f] {
            let block = [start, 0x80, 0x80, 0x80, 0x80, 0x80];
            assert_eq!(count(&block, 1), Err(BlockFault::Number));
        }
    }
}
