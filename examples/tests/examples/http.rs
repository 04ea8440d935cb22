//! A client that sees each piece of a response when it arrives.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::talk::soon;

/// A response whose body is read piece by piece. Dropping it disconnects.
pub(crate) struct Reply {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
}

/// Sends a request to `address`, such as `127.0.0.1:8080`, and reads the head of the response.
pub(crate) async fn send(address: &str, request: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let written = stream.write_all((head + body).as_bytes()).await;
    written.expect("a server that reads");
    let mut stream = BufReader::new(stream);
    let status = line(&mut stream).await;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut fields = Vec::new();
    loop {
        let field = line(&mut stream).await;
        let Some((name, value)) = field.split_once(':') else {
            break;
        };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Reply {
        status: status.expect("a status"),
        fields,
        stream,
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    soon(stream.read_line(&mut line)).await.expect("a line");
    line.trim_end().to_owned()
}

impl Reply {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The next piece; `None` at the end.
    async fn piece(&mut self) -> Option<String> {
        assert_eq!(self.field("transfer-encoding"), Some("chunked"));
        let length = line(&mut self.stream).await;
        let length = usize::from_str_radix(&length, 16).expect("the length of a chunk");
        let piece = self.exactly(length).await;
        line(&mut self.stream).await;
        (length > 0).then_some(piece)
    }

    /// The pieces up to the end of a line: an unbuffered `print` writes its text and its end one by one.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        while !line.ends_with('\n') {
            line += &self.piece().await.expect("the program goes on");
        }
        line
    }

    /// All that is left.
    pub(crate) async fn rest(mut self) -> String {
        if let Some(length) = self.field("content-length") {
            let length = length.parse().expect("a number");
            return self.exactly(length).await;
        }
        let mut rest = String::new();
        while let Some(piece) = self.piece().await {
            rest += &piece;
        }
        rest
    }

    async fn exactly(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        soon(self.stream.read_exact(&mut bytes))
            .await
            .expect("the whole body");
        String::from_utf8(bytes).expect("UTF-8")
    }
}
