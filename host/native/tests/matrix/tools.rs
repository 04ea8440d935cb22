//! Programs that know proxies: curl, git, pip and node.
