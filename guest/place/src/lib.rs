//! The policy that was baked into a component: the place for it, which every component that decides has once.

use std::sync::OnceLock;

use sandbox_net_policy::{Policy, baked};

/// The place in this component's data into which `sandbox_net_policy::baked::bake` writes.
#[used]
static PLACE: [u8; baked::LENGTH] = baked::empty();

/// The policy of this component. Without a valid one everything is denied.
#[must_use]
pub fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| baked::policy(&bytes()))
}

/// The bytes as they are when the component runs, which the compiler cannot know.
fn bytes() -> Vec<u8> {
    let read = |byte: &u8| {
        // SAFETY: a reference is valid for reads. The read is volatile because the component was
        // changed after it was compiled.
        unsafe { std::ptr::from_ref(byte).read_volatile() }
    };
    PLACE.iter().map(read).collect()
}
