//! Sessions in files: a directory with the memory and the files.
//!
//! ```text
//! memory   an image with notes, which are `Notes` as JSON
//! files/   what the program sees as `/`, besides what is mounted
//! ```
//!
//! The memory has checksums of its own, and the notes one of the files. They find damage, no attack: a saved
//! session is a program of whoever wrote it, and may do what the policy of the sandbox allows that loads
//! it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sandbox_net_python::Image;
use sandbox_net_python::image::ImageError;
use serde::{Deserialize, Serialize};

use super::fork::Origin;
use super::live::{First, Frozen, Live};
use super::wire::{HAS_OPEN, Operation};
use super::{Session, SessionOptions, TurnEnd, why};
use crate::disk::{Digest, DiskLimits};
use crate::error::Error;
use crate::root::Root;
use crate::runtime;
use crate::sandbox::Sandbox;

/// The version of the directory and of the notes.
const VERSION: u32 = 1;
const MEMORY: &str = "memory";

/// What a saved session is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    session: u32,
    /// What its interpreter was made of.
    interpreter: String,
    /// The directories that it has, in this order: its descriptors are theirs.
    directories: Vec<String>,
    mailbox: Option<u32>,
    requests: u32,
    has_open: bool,
    /// What its monotonic clock showed, in nanoseconds.
    clock: u64,
    files: Digest,
}

impl Session {
    /// Writes the session, as it is between two turns, to a new directory that only this user can read. The
    /// session goes on. What it has open, and the network, are not part of it, as for a
    /// [fork](Self::fork_with).
    ///
    /// ```no_run
    /// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
    /// use sandbox_net::Session;
    ///
    /// let mut session = sandbox.session().await?;
    /// session.exec("x = 20").await?;
    /// session.save("work.session").await?;
    /// // In another process, perhaps:
    /// let mut again = Session::load(&sandbox, "work.session").await?;
    /// again.exec("x + 1").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`fork_with`](Self::fork_with), and [`Error::SavedSession`] if there is something with this name,
    /// or the directory can't be written. Nothing of it is left then.
    ///
    /// # Cancel safety
    ///
    /// Once the memory is frozen, dropping the future does not stop it.
    pub async fn save(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        runtime::check()?;
        let path = path.as_ref().to_path_buf();
        let capability = self.origin.settings.capability;
        let interpreter = self.shared.engine.name_of(capability);
        let (frozen, loan) = self.frozen().await?;
        let root = Arc::clone(&loan.live().keeps().root);
        let directories = self.origin.directories(&root);
        let copied = tokio::task::spawn_blocking(move || {
            // Nothing of the session runs while its files are copied.
            let _loan = loan;
            root.copy()
        });
        let root = copied.await.map_err(|e| runtime::unfinished(&e))?;
        let root = root.map_err(Error::Files)?;
        let place = path.clone();
        let written = tokio::task::spawn_blocking(move || -> io::Result<()> {
            let notes = Notes {
                session: VERSION,
                interpreter,
                directories,
                mailbox: frozen.mailbox,
                requests: frozen.requests,
                has_open: frozen.has_open,
                clock: u64::try_from(frozen.interpreter.clock().as_nanos()).unwrap_or(u64::MAX),
                files: root.digest()?,
            };
            write(&place, &frozen, &root, &notes)
        });
        let written = written.await.map_err(|e| runtime::unfinished(&e))?;
        written.map_err(|error| unusable(path, format!("can't be written: {error}")))
    }

    /// Goes on with a session that was [saved](Self::save), in a new sandbox with the saved files: the
    /// settings, policy, secrets, packages and limits are those of `sandbox`, of which it is otherwise
    /// independent: see [`sandbox`](Self::sandbox). The environment variables of `sandbox` replace those of the same
    /// names. The directory is copied, and may change afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::SavedSession`] if it is damaged, of another version of sandbox-net or of its Python, or needs
    /// directories that `sandbox` does not have; and as for [`Sandbox::session`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loads nothing.
    pub async fn load(sandbox: &Sandbox, path: impl AsRef<Path>) -> Result<Session, Error> {
        runtime::check()?;
        let path = path.as_ref().to_path_buf();
        let (engine, capability) = (sandbox.engine().clone(), sandbox.settings.capability);
        let interpreter = engine.name_of(capability);
        let place = engine.place()?;
        let limits = sandbox.root.usage().1;
        let from = path.clone();
        let read = tokio::task::spawn_blocking(move || read(&from, &interpreter, limits));
        let read = read.await.map_err(|e| runtime::unfinished(&e))?;
        let (image, notes, root) = read.map_err(|why| unusable(path.clone(), why))?;
        let (origin, settings) = sandbox.origin_of_session(SessionOptions::new().run)?;
        let directories = origin.directories(&root);
        if notes.directories != directories {
            let why = format!(
                "needs the directories {}, and this sandbox has {}: build one with the same packages and \
                 mounts, in the same order",
                notes.directories.join(", "),
                directories.join(", "),
            );
            return Err(unusable(path, why));
        }
        let interpreter = engine.interpreter_with(capability, Arc::new(image)).await?;
        let frozen = Frozen {
            interpreter: interpreter.with_clock(Duration::from_nanos(notes.clock)),
            mailbox: notes.mailbox,
            requests: notes.requests,
            has_open: notes.has_open,
            first: First::default(),
        };
        let loaded = Sandbox::new(engine, origin.forked(None), root.holding(place));
        let begun = origin.begin(loaded, &frozen, &settings, Live::resume);
        let session = begun.await?;
        session.has_loaded(&origin, frozen.has_open).await?;
        Ok(session)
    }

    /// Gives up what was the saved session's, and has the variables of now.
    async fn has_loaded(&self, origin: &Origin, has_open: bool) -> Result<(), Error> {
        let variables = serde_json::to_string(&origin.env);
        let variables = variables.map_err(|error| Error::Start(error.to_string()))?;
        let flags = if has_open { HAS_OPEN } else { 0 };
        let done = self.ask(Operation::Forked, &variables, flags).await?;
        match done.outcome.end {
            TurnEnd::Done => Ok(()),
            _ => Err(Error::Start(why(&done.outcome))),
        }
    }
}

impl Origin {
    /// The directories with which a session begins.
    fn directories(&self, root: &Root) -> Vec<String> {
        let mounts = self.settings.mounts.iter();
        let all = std::iter::once(root.files()).chain(mounts);
        all.map(|each| each.guest().to_owned()).collect()
    }
}

fn unusable(path: PathBuf, why: String) -> Error {
    Error::SavedSession { path, why }
}

/// Writes everything beside `path`, and then gives it that name.
fn write(path: &Path, frozen: &Frozen, root: &Root, notes: &Notes) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let beside = path
        .parent()
        .filter(|beside| !beside.as_os_str().is_empty());
    let made = tempfile::Builder::new()
        .prefix(".sandbox-net-session-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir_in(beside.unwrap_or(Path::new(".")))?;
    let notes = serde_json::to_vec(notes)?;
    let image = frozen.interpreter.image();
    image.write(&made.path().join(MEMORY), notes)?;
    root.copy_into(made.path())?;
    // Not onto something that came meanwhile.
    std::fs::rename(made.path(), path)?;
    let _ = made.keep();
    Ok(())
}

/// Reads a copy of everything.
fn read(
    path: &Path,
    interpreter: &str,
    limits: DiskLimits,
) -> Result<(Image, Notes, Root), String> {
    let opened = Image::open_copy(&path.join(MEMORY));
    let (image, notes) = opened.map_err(|error| match error {
        ImageError::Invalid(what) => format!("has a memory that {what}"),
        other => format!("can't be read: {other}"),
    })?;
    let notes: serde_json::Value = serde_json::from_slice(&notes).map_err(|_| NONE.to_owned())?;
    match notes.get("session").and_then(serde_json::Value::as_u64) {
        None => return Err(NONE.to_owned()),
        Some(version) if version != u64::from(VERSION) => {
            let why = "was saved by another version of sandbox-net: run the program again";
            return Err(why.to_owned());
        }
        Some(_) => {}
    }
    let notes: Notes = serde_json::from_value(notes).map_err(|_| NONE.to_owned())?;
    if notes.interpreter != interpreter {
        return Err(format!(
            "was saved with another version of sandbox-net or of its Python, or with a network where this \
             sandbox has none (it has {}, this one is {interpreter}): run the program again",
            notes.interpreter
        ));
    }
    let root =
        Root::copied_from(path, limits).map_err(|error| format!("can't be read: {error}"))?;
    let digest = root
        .digest()
        .map_err(|error| format!("can't be read: {error}"))?;
    match digest == notes.files {
        true => Ok((image, notes, root)),
        false => Err("has damaged files".to_owned()),
    }
}

const NONE: &str = "is no saved session";
