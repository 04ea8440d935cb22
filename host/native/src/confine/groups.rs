//! Control groups of the run's own, where the caller may make them.
//!
//! They limit the run as a whole: the memory of all its processes together, and their number also where the
//! caller is the machine's root, whom the kernel's limit per user does not bind.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::limits::Limits;

/// The directories of the groups. They are removed at the end of the run.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<(&'static str, PathBuf)>);

impl Groups {
    /// Makes the groups that the limits need, as far as they are delegated.
    pub(super) fn make(limits: &Limits) -> Self {
        let mut groups = Self::default();
        if limits.memory.is_none() && limits.processes.is_none() {
            return groups;
        }
        let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        if let Some(memory) = limits.memory {
            let settings = [
                ("memory.max", memory),
                ("memory.limit_in_bytes", memory),
                ("memory.swap.max", 0),
            ];
            groups.add(&memberships, "memory", &settings);
        }
        if let Some(processes) = limits.processes {
            // The helper and the init are in the group, too.
            let settings = [("pids.max", processes.saturating_add(2))];
            groups.add(&memberships, "pids", &settings);
        }
        groups
    }

    pub(super) fn paths(&self) -> Vec<OsString> {
        self.0.iter().map(|(_, path)| path.clone().into()).collect()
    }

    /// Whether a group of this controller limits the run.
    pub(super) fn limit(&self, controller: &str) -> bool {
        self.0.iter().any(|(one, _)| *one == controller)
    }

    /// Whether the kernel has killed a process because the group had no memory left.
    pub(super) fn ran_out(&self) -> bool {
        // Each version of control groups has its own file.
        let files = ["memory.events", "memory.oom_control"];
        let groups = self.0.iter().filter(|(one, _)| *one == "memory");
        let mut texts = groups.flat_map(|(_, group)| {
            files.map(|file| fs::read_to_string(group.join(file)).unwrap_or_default())
        });
        texts.any(|text| has_killed(&text))
    }

    fn add(&mut self, memberships: &str, controller: &'static str, settings: &[(&str, u64)]) {
        for parent in parents(memberships, controller) {
            let name = format!("sandbox-net-{}-{controller}", std::process::id());
            let group = parent.join(name);
            if fs::create_dir(&group).is_err() {
                continue;
            }
            let mut is_set = false;
            for (file, value) in settings {
                // Each version of control groups has its own names.
                is_set |= group.join(file).exists()
                    && fs::write(group.join(file), value.to_string()).is_ok();
            }
            if is_set && is_writable(&group) {
                self.0.push((controller, group));
                return;
            }
            let _ = fs::remove_dir(&group);
        }
    }

    /// Removes the groups, which are empty when the run has ended.
    pub(super) fn remove(&mut self) {
        for (_, group) in self.0.drain(..) {
            let _ = fs::remove_dir(group);
        }
    }
}

/// Whether the group's own count of kills is above zero.
fn has_killed(events: &str) -> bool {
    let counts = events
        .lines()
        .filter_map(|line| line.strip_prefix("oom_kill "));
    counts
        .filter_map(|count| count.trim().parse::<u64>().ok())
        .any(|count| count > 0)
}

fn is_writable(group: &Path) -> bool {
    let members = group.join("cgroup.procs");
    rustix::fs::access(members, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Where a group with this controller can be, in either version of control groups.
fn parents(memberships: &str, controller: &str) -> Vec<PathBuf> {
    let parents = memberships.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let path = path.trim_start_matches('/');
        match controllers {
            "" => Some(Path::new("/sys/fs/cgroup").join(path)),
            own if own.split(',').any(|one| one == controller) => {
                Some(Path::new("/sys/fs/cgroup").join(own).join(path))
            }
            _ => None,
        }
    });
    parents
        .filter(|parent| parent.join("cgroup.procs").exists())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kill_of_the_group_itself_counts() {
        for (events, killed) in [
            (
                "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n",
                true,
            ),
            (
                "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\noom_group_kill 2\n",
                false,
            ),
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", true),
            ("oom_kill_disable 1\nunder_oom 0\noom_kill 0\n", false),
            ("", false),
        ] {
            assert_eq!(has_killed(events), killed, "{events}");
        }
    }
}
