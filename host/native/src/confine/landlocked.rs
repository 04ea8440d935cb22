//! Landlock on top of the fresh root: the same rules a second time, and scopes for signals and sockets.

use std::ffi::OsString;
use std::io;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::plan::{Fault, Layer, Step};

/// The newest interface whose rights the rules use; a kernel with an older one gets what it has.
const NEWEST: ABI = ABI::V9;

/// Confines this process and those that it forks, for good. It must have no new privileges to gain.
pub(super) fn apply(
    readable: &[OsString],
    writable: &[OsString],
    has_own_root: bool,
) -> Result<(), Fault> {
    let status =
        restrict(readable, writable, has_own_root).step(Layer::Landlock, "apply Landlock")?;
    match status {
        RulesetStatus::NotEnforced => {
            let none = io::Error::other("the kernel does not enforce it");
            Err(Fault::new(Layer::Landlock, "apply Landlock", &none))
        }
        _ => Ok(()),
    }
}

fn restrict(
    readable: &[OsString],
    writable: &[OsString],
    has_own_root: bool,
) -> io::Result<RulesetStatus> {
    let all = AccessFs::from_all(NEWEST);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(io::Error::other)?;
    if has_own_root {
        // Names are no secret in a root that holds only what is granted.
        rules = add(rules, &OsString::from("/"), AccessFs::ReadDir.into())?;
    }
    for path in readable {
        rules = add(rules, path, AccessFs::from_read(NEWEST))?;
    }
    // Devices cannot be made without a capability; so much the better to say it twice.
    let change = all & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    for path in writable {
        rules = add(rules, path, change)?;
    }
    let status = rules.restrict_self().map_err(io::Error::other)?;
    Ok(status.ruleset)
}

/// Adds a rule for a path, if it exists.
fn add(
    rules: RulesetCreated,
    path: &OsString,
    access: BitFlags<AccessFs>,
) -> io::Result<RulesetCreated> {
    let Ok(opened) = PathFd::new(path) else {
        return Ok(rules);
    };
    let is_directory = std::fs::metadata(path).is_ok_and(|found| found.is_dir());
    let access = match is_directory {
        true => access,
        false => access & AccessFs::from_file(NEWEST),
    };
    rules
        .add_rule(PathBeneath::new(opened, access))
        .map_err(io::Error::other)
}
