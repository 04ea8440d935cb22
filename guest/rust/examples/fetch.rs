//! A component that fetches the URLs of its arguments, first one after the other, then all at once.
//!
//! It exports `wasi:cli/run`, as the commands of WASI do.
#![allow(missing_docs, reason = "a program")]

use std::pin::pin;

use sandbox_net_guest::futures_core::Stream;
use sandbox_net_guest::{Client, Error, block_on, get};

mod command {
    #![allow(
        missing_docs,
        clippy::undocumented_unsafe_blocks,
        unsafe_op_in_unsafe_fn,
        reason = "generated"
    )]
    wit_bindgen::generate!({
        path: ["wit", "examples/wit"],
        world: "sandbox-net:command/command",
        with: {
            "wasi:io/error@0.2.12": sandbox_net_guest::bindings::wasi::io::error,
            "wasi:io/poll@0.2.12": sandbox_net_guest::bindings::wasi::io::poll,
            "wasi:io/streams@0.2.12": sandbox_net_guest::bindings::wasi::io::streams,
        },
        generate_all,
    });
}
use command::wasi::cli::{environment, stdout};

struct Fetch;
command::export!(Fetch with_types_in command);

impl command::exports::wasi::cli::run::Guest for Fetch {
    fn run() -> Result<(), ()> {
        let urls: Vec<String> = environment::get_arguments().into_iter().skip(1).collect();
        for url in &urls {
            match get(url).and_then(|response| Ok((response.status(), response.text()?))) {
                Ok((status, text)) => say(&format!("{status} {text}")),
                Err(Error::Denied(denial)) => say(&format!("denied by {}", denial.rule)),
                Err(error) => say(&format!("failed: {error}")),
            }
        }
        for size in block_on(at_once(&urls)) {
            match size {
                Ok(size) => say(&format!("{size} bytes")),
                Err(_) => say("nothing"),
            }
        }
        Ok(())
    }
}

/// Fetches all at once, and counts the bytes of each body as they come.
async fn at_once(urls: &[String]) -> Vec<Result<usize, Error>> {
    let mut fetches: Vec<_> = urls.iter().map(|url| Some(Box::pin(size(url)))).collect();
    let mut sizes: Vec<Option<Result<usize, Error>>> = urls.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (fetch, size) in fetches.iter_mut().zip(&mut sizes) {
            if let Some(running) = fetch
                && let std::task::Poll::Ready(ended) = running.as_mut().poll(context)
            {
                (*size, *fetch) = (Some(ended), None);
            }
        }
        match fetches.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    sizes.into_iter().flatten().collect()
}

async fn size(url: &str) -> Result<usize, Error> {
    let response = Client::new().get(url).send_async().await?;
    let mut pieces = pin!(response.into_stream());
    let mut size = 0;
    while let Some(piece) = std::future::poll_fn(|context| pieces.as_mut().poll_next(context)).await
    {
        size += piece?.len();
    }
    Ok(size)
}

fn say(line: &str) {
    let out = stdout::get_stdout();
    let line = format!("{line}\n");
    for part in line.as_bytes().chunks(4096) {
        // Nobody reads any more.
        let _ = out.blocking_write_and_flush(part);
    }
}
