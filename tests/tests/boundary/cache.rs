//! Compiled code comes from files that only this user can write to.
