//! An index on loopback, with faults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::testing::users_pip;

/// What is wrong with an answer.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// It is the status 500.
    Status,
    /// It ends after half of its bytes.
    Half,
}

/// Serves the wheels in a directory.
pub(super) struct Server {
    pub(super) directory: tempfile::TempDir,
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    requests: AtomicUsize,
    /// By the ends of paths.
    faults: Mutex<BTreeMap<String, Fault>>,
    yanked: Mutex<Vec<String>>,
}

impl Server {
    pub(super) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let state = Arc::new(State::default());
        let (path, served) = (directory.path().to_path_buf(), state.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (path, served) = (path.clone(), served.clone());
                thread::spawn(move || serve(&stream, &path, &served));
            }
        });
        Server {
            directory,
            port,
            state,
        }
    }

    /// The user's pip, with this as its only index.
    pub(super) fn pip(&self) -> Pip {
        self.configure(users_pip())
    }

    /// A pip with this as its only index.
    pub(super) fn configure(&self, pip: Pip) -> Pip {
        pip.env(
            "PIP_INDEX_URL",
            format!("http://127.0.0.1:{}/simple", self.port),
        )
        .env("PIP_RETRIES", "0")
        .env("PIP_NO_CACHE_DIR", "1")
    }

    pub(super) fn add(&self, wheel: WheelBuilder) -> PathBuf {
        wheel.write(self.directory.path())
    }

    pub(super) fn fail(&self, end_of_path: &str, fault: Fault) {
        self.state
            .faults
            .lock()
            .unwrap()
            .insert(end_of_path.into(), fault);
    }

    pub(super) fn yank(&self, file: &str) {
        self.state.yanked.lock().unwrap().push(file.into());
    }

    pub(super) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, directory: &Path, state: &State) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let is_head = line.starts_with("HEAD");
        let path = line.split(' ').nth(1)?.to_owned();
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line).ok()?;
        }
        state.requests.fetch_add(1, Ordering::SeqCst);
        let body = match path.strip_prefix("/simple/") {
            Some(project) => page(directory, project.trim_end_matches('/'), state),
            None => fs::read(directory.join(path.trim_start_matches('/'))).ok(),
        };
        let faults = state.faults.lock().unwrap();
        let fault = faults
            .iter()
            .find(|(end, _)| path.ends_with(*end))
            .map(|(_, it)| *it);
        let status = match (&body, fault) {
            (_, Some(Fault::Status)) => "500 Internal Server Error",
            (Some(_), _) => "200 OK",
            (None, _) => "404 Not Found",
        };
        let kind = if path.starts_with("/simple") {
            "text/html"
        } else {
            "application/zip"
        };
        let body = body.unwrap_or_default();
        let length = body.len();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        )
        .ok()?;
        if is_head {
            continue;
        }
        if let Some(Fault::Half) = fault {
            stream.write_all(&body[..length / 2]).ok()?;
            return stream.shutdown(std::net::Shutdown::Both).ok();
        }
        stream.write_all(&body).ok()?;
    }
}

/// The page of a project.
fn page(directory: &Path, project: &str, state: &State) -> Option<Vec<u8>> {
    let mut page = "<!DOCTYPE html><html><body>\n".to_owned();
    let mut files: Vec<_> = fs::read_dir(directory).ok()?.flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let mut any = false;
    for file in files {
        let name = file.file_name().into_string().ok()?;
        let stem = name.split('-').next()?;
        if stem.replace('_', "-") == project {
            let yanked = state.yanked.lock().unwrap().contains(&name);
            let yanked = if yanked {
                " data-yanked=\"broken\""
            } else {
                ""
            };
            page.push_str(&format!("<a href=\"/{name}\"{yanked}>{name}</a>\n"));
            any = true;
        }
    }
    any.then(|| (page + "</body></html>\n").into_bytes())
}
