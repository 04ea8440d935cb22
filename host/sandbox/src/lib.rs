//! Untrusted Python with the network behind one typed, checked door.
//!
//! CPython runs as a WebAssembly component; its sockets become calls of the WIT interface
//! `sandbox:net/client`; the host decides, dials and records every request. [`Sandbox`] is the
//! whole of it; [`add_to_linker`] gives the interface to a linker of your own; a [`Gateway`] alone
//! serves programs that are no WebAssembly.

mod disk;
mod engine;
mod error;
mod sandbox;
mod script_metadata;

pub use sandbox_net_egress as egress;
pub use sandbox_net_policy as policy;
pub use sandbox_net_python as python;

pub use engine::{Engine, EngineBuilder};
pub use error::{Error, PolicyFileError};
pub use sandbox::{
    DirAccess, Exit, Handles, Outcome, Output, Sandbox, SandboxBuilder, Script, Stdin,
};
pub use sandbox_net_gateway::{
    Amendments, AuditFile, AuditLine, AuditLog, AuditSettings, AuditSink, AuditStderr,
    BudgetReason, CommandError, DecisionRecord, Dropped, DroppedRecord, ExchangeRecord, Gateway,
    GatewayBuilder, Hook, HookAnswer, HookError, HookFuture, HookRequest, LookupRecord,
    PlaceholderError, Reason, ReplacePolicyError, SourceError, Stage, Time, ValueError, Vault,
    VaultError, Verdict,
};
pub use sandbox_net_python::{BuildError, Capability, ComponentizeError, StubImport, componentize};
pub use sandbox_net_wasi::{
    HOSTCALL_FUEL, HostConnection, HostExchange, HostLookup, OutgoingHandler, SandboxNetCtx,
    SandboxNetCtxView, SandboxNetView, add_to_linker,
};
pub use script_metadata::{ScriptMetadata, ScriptMetadataError, parse_requirements};
