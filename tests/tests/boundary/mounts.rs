//! Directories of the host that a guest may write to lead nowhere else, now or in a later run.
