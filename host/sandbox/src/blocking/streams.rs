//! The streams of a program, whose calls block.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWriteExt as _;

use super::threads::wait;
use crate::pipe::OutputReader;
use crate::stdin_pipe::StdinWriter;

/// An output stream of a program.
#[derive(Debug)]
pub struct Reader {
    stream: Option<OutputReader>,
    left: Bytes,
}

impl Reader {
    pub(super) fn new(stream: OutputReader) -> Self {
        Self {
            stream: Some(stream),
            left: Bytes::new(),
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty()
            && !buffer.is_empty()
            && let Some(mut stream) = self.stream.take()
        {
            let reading = async move { (stream.next().await, stream) };
            let (bytes, stream) = wait(reading).map_err(io::Error::other)?;
            if let Some(bytes) = bytes {
                (self.left, self.stream) = (bytes, Some(stream));
            }
        }
        let count = self.left.len().min(buffer.len());
        self.left.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// The stdin of a program.
#[derive(Debug)]
pub struct Writer(pub(super) Option<StdinWriter>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = self.0.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let bytes = bytes.to_vec();
        let writing = async move { (stream.write(&bytes).await, stream) };
        let (written, stream) = wait(writing).map_err(io::Error::other)?;
        self.0 = Some(stream);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
