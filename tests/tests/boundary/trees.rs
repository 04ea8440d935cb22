//! Directory trees that a guest shapes cost the host no more than their quota.
