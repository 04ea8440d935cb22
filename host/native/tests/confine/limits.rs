//! Limits on memory, processes and what is stored.

use crate::support::{can_confine, confined, programs, python, stderr, stdout};

fn bomb(options: &[&str], name: &str) -> Option<String> {
    let output = confined()
        .args(options)
        .arg("--read")
        .arg(programs())
        .args(["--env", "TARGETS={}", "--timeout-ms", "60000", "--"])
        .arg(python()?)
        .arg(programs().join("attack.py"))
        .arg(name)
        .output()
        .unwrap();
    Some(stdout(&output) + &stderr(&output))
}

#[test]
fn bombs_stop_at_their_limits() {
    if !can_confine("limits") {
        return;
    }
    let cases: [(&str, &[&str]); 3] = [
        ("fork_bomb", &["--processes", "20"]),
        ("memory_bomb", &["--memory", "104857600"]),
        ("disk_bomb", &["--size", "16777216"]),
    ];
    for (name, limits) in cases {
        let Some(free) = bomb(&[], name) else { return };
        assert!(
            free.contains("reached\n"),
            "control: {name} without a limit: {free}"
        );
        let held = bomb(limits, name).unwrap();
        assert!(!held.contains("reached\n"), "{name}: {held}");
    }
}

#[test]
fn a_limit_leaves_room_for_what_it_allows() {
    if !can_confine("limits") {
        return;
    }
    let options = [
        "--processes",
        "80",
        "--memory",
        "1073741824",
        "--size",
        "134217728",
    ];
    for name in ["fork_bomb", "memory_bomb", "disk_bomb"] {
        let Some(text) = bomb(&options, name) else {
            return;
        };
        assert!(text.contains("reached\n"), "{name}: {text}");
    }
}
