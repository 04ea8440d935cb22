//! The server that answers late, in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

/// The other process; it ends with this value.
pub(crate) struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    origin: String,
}

impl Server {
    pub(crate) fn start(waits: Duration) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let command = command.arg("serve").arg(waits.as_millis().to_string());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut origin = String::new();
        lines.read_line(&mut origin)?;
        let origin = origin.trim().to_owned();
        Ok(Self {
            child,
            lines,
            origin,
        })
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Waits until so many more requests have arrived.
    pub(crate) fn waits_for(&mut self, requests: usize) -> Result<(), Failure> {
        for _ in 0..requests {
            if self.lines.read_line(&mut String::new())? == 0 {
                return Err("the server has ended".into());
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers each request so many milliseconds later, and prints a line for each that arrives.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn serve(waits: u64) -> Result<(), Failure> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let listener: TcpListener = socket.listen(4096)?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream, Duration::from_millis(waits)));
    }
}

async fn answer(mut stream: TcpStream, waits: Duration) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    std::io::stdout().write_all(b".\n")?;
    tokio::time::sleep(waits).await;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
        .await
}
