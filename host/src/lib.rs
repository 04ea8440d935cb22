//! Untrusted Python with the network behind one typed, checked door.
//!
//! CPython runs as a WebAssembly component; its sockets become calls of the WIT interface
//! `sandbox:net/client`; the host decides, dials and records every request. [`Sandbox`] is the
//! whole of it; [`add_to_linker`] gives the interface to a linker of your own.

mod account;
mod audit;
mod bindings;
mod bounds;
mod componentize;
mod ctx;
mod disk;
pub mod egress;
mod error;
mod hook;
mod hooks;
pub use sandbox_net_policy as policy;
mod process;
mod python;
pub mod runtime;
mod sandbox;
mod script_metadata;
mod secrets;

pub use audit::{
    AuditFile, AuditLine, AuditLog, AuditSettings, AuditSink, AuditStderr, BudgetReason,
    DecisionRecord, Dropped, DroppedRecord, ExchangeRecord, LookupRecord, ReachedBudget, Reason,
    Stage, Time, Verdict,
};
pub use bindings::{HostConnection, HostExchange, HostLookup};
pub use componentize::{Capability, ComponentizeError, StubImport, componentize};
pub use ctx::{HOSTCALL_FUEL, SandboxNetCtx, SandboxNetCtxView, SandboxNetView, add_to_linker};
pub use error::{Error, PolicyFileError};
pub use hook::{Amendments, Hook, HookAnswer, HookError, HookFuture, HookRequest};
pub use hooks::{EgressHooks, EgressHooksBuilder};
pub use python::{BuildError, Engine, EngineBuilder};
pub use sandbox::{
    DirAccess, Exit, Handles, Outcome, Output, Sandbox, SandboxBuilder, Script, Stdin,
};
pub use script_metadata::{ScriptMetadata, ScriptMetadataError, parse_requirements};
pub use secrets::{CommandError, PlaceholderError, SourceError, ValueError, Vault, VaultError};
