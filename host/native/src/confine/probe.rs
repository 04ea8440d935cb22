//! What this kernel can give, item by item.

use std::ffi::OsString;

use super::confinement::Confinement;
use super::prepared::Standard;
use super::spawn_error::SpawnError;
use super::sys;

/// What the kernel gives of the confinement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The items, in the order of the layers.
    pub items: Vec<Item>,
}

/// One thing that the kernel gives, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub name: &'static str,
    /// Whether the kernel gives it.
    pub is_there: bool,
    /// More about it: a version, or the reason why it is missing.
    pub detail: String,
    /// Whether a confinement without it is a weaker one.
    pub is_required: bool,
}

impl Probe {
    /// Whether nothing that is required is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.items
            .iter()
            .all(|item| item.is_there || !item.is_required)
    }
}

/// The version of Landlock's interface that this kernel has; 0 if it has none, or it is switched off.
///
/// ```
/// let version = sandbox_net_native::confine::landlock_version();
/// println!("Landlock {version}");
/// ```
#[must_use]
pub fn landlock_version() -> u32 {
    sys::landlock_version::landlock_version()
}

/// Asks the kernel, by confining `true` for a moment. `helper` is as in [`Confinement::helper`].
///
/// ```no_run
/// use sandbox_net_native::confine::{helper, probe};
///
/// helper::run_if_asked();
/// for item in probe(None).items {
///     println!("{}: {} {}", item.name, item.is_there, item.detail);
/// }
/// ```
#[must_use]
pub fn probe(helper: Option<std::path::PathBuf>) -> Probe {
    let version = landlock_version();
    let landlock = |name, since: u32, is_required| Item {
        name,
        is_there: version >= since,
        detail: match version {
            0 => "this kernel has no Landlock, or it is switched off".to_owned(),
            version => format!("interface {version}, needed {since}"),
        },
        is_required,
    };
    Probe {
        items: vec![
            run(helper),
            landlock("Landlock's rules for files", 1, true),
            landlock(
                "Landlock's scopes for signals and abstract sockets",
                6,
                false,
            ),
        ],
    }
}

/// Namespaces and seccomp are there if a program with both ends well.
fn run(helper: Option<std::path::PathBuf>) -> Item {
    let mut confinement =
        Confinement::new().standard(Standard::Null, Standard::Null, Standard::Null);
    if let Some(helper) = helper {
        confinement = confinement.helper(helper);
    }
    let detail = match confinement.spawn([OsString::from("/bin/true")]) {
        Ok(mut program) => match program.wait() {
            Ok(exit) if exit.code() == 0 => None,
            Ok(exit) => Some(format!("a program ended with {}", exit.code())),
            Err(error) => Some(error.to_string()),
        },
        Err(SpawnError::Unconfined { step, reason }) => Some(format!("cannot {step}: {reason}")),
        Err(error) => Some(error.to_string()),
    };
    Item {
        name: "namespaces, a fresh root and seccomp",
        is_there: detail.is_none(),
        detail: detail.unwrap_or_default(),
        is_required: true,
    }
}
