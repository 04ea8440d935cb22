//! Fields that change a request behind the policy's back are refused.
