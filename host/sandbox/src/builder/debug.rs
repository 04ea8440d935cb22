//! Shows a builder's settings without what may be secret: of variables only the names, of arguments
//! and certificates nothing.

use std::fmt;

use super::SandboxBuilder;

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxBuilder")
            .field("engine", &self.engine)
            .field("name", &self.name)
            .field("policy_file", &self.policy_file)
            .field("allow", &self.allow)
            .field("deny", &self.deny)
            .field("ask", &self.ask)
            .field("dirs", &self.dirs)
            .field("packages", &self.packages)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Output, Sandbox, Stdin};

    #[test]
    fn the_settings_of_a_builder_are_shown_and_nothing_that_may_be_secret() {
        let builder = Sandbox::builder()
            .name("agent")
            .allow("https://api.test")
            .env("TOKEN", "s3cret-1")
            .arg("s3cret-2")
            .stdin(Stdin::Bytes(b"s3cret-3".to_vec()))
            .stdout(Output::to(std::io::sink()));
        let shown = format!("{builder:?}");
        for expected in ["agent", "https://api.test", "TOKEN", "Writer(..)"] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
