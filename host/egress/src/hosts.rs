//! Reads the machine's hosts file.

use std::net::IpAddr;

/// The path of the hosts file.
const PATH: &str = if cfg!(windows) {
    r"C:\Windows\System32\drivers\etc\hosts"
} else {
    "/etc/hosts"
};

/// The addresses of a name in the machine's file; empty if there is no such file.
pub(super) fn find(name: &str) -> Vec<IpAddr> {
    std::fs::read(PATH).map_or(Vec::new(), |text| find_in(&text, name))
}

/// The addresses on the lines that contain this name; the case of names is ignored.
fn find_in(text: &[u8], name: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        let mut words = line.split_ascii_whitespace();
        let address = words.next().and_then(|word| word.parse().ok());
        if let Some(address) = address
            && words.any(|word| word.eq_ignore_ascii_case(name))
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_on_every_line_that_has_it_and_on_no_other() {
        let text = b"127.0.0.1 localhost\n\
            10.0.0.1\tmybox MyBox.corp.test # other.test\n\
            # 10.0.0.9 mybox\n\
            fd00::1 mybox\r\n\
            10.0.0.1 mybox\n\
            \xff\xfe mybox\n\
            10.0.0.300 mybox\n\
            fe80::1%eth0 mybox\n\
            mybox 10.0.0.2\n\
            10.0.0.3 mybox2 amybox\n\
            10.0.0.4";
        for (name, expected) in [
            ("mybox", &["10.0.0.1", "fd00::1"][..]),
            ("mybox.corp.test", &["10.0.0.1"]),
            ("other.test", &[]),
            ("mybo", &[]),
            ("mybox2", &["10.0.0.3"]),
            ("10.0.0.2", &[]),
            ("", &[]),
        ] {
            let expected: Vec<IpAddr> = expected.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(find_in(text, name), expected, "{name}");
        }
    }
}
