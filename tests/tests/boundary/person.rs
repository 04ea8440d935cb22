//! What a person is shown, and asked, cannot be shaped by the guest.
