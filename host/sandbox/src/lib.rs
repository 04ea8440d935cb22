//! Runs untrusted Python whose every network access is checked by the host.
//!
//! CPython runs as a WebAssembly component. Its sockets become calls of the WIT interface
//! `sandbox:net/client`, and the host decides, dials and records every request. [`Sandbox`] is all
//! of this together; [`add_to_linker`] adds the interface to a linker of your own; a [`Gateway`]
//! alone serves programs outside of WebAssembly.

pub mod blocking;
mod builder;
mod byte_count;
mod capture;
mod checks;
mod compile;
mod disk;
mod drain;
mod engine;
mod error;
mod exposure;
mod files;
mod governance;
mod guest;
mod handles;
mod metadata_error;
mod mounts;
mod network;
mod outcome_json;
mod pipe;
mod piped;
mod pool;
mod reached;
mod reading;
mod rehearsal;
mod root;
mod run;
mod run_options;
mod runtime;
mod sandbox;
mod script;
mod script_file;
mod script_metadata;
mod session;
mod snapshot;
mod stdin;
mod stdin_pipe;
mod stdio;
mod variables;

pub use sandbox_net_egress as egress;
pub use sandbox_net_policy as policy;
pub use sandbox_net_python as python;
/// The version of wasmtime that [`configure`], [`add_all_to_linker`] and [`prepare_store`] take.
pub use wasmtime;

pub use builder::SandboxBuilder;
pub use engine::{
    Engine, EngineBounds, EngineBuilder, EngineFull, EngineUsage, configure, set_up_allocator,
};
pub use error::{Error, PolicyFileError};
pub use files::DirAccess;
pub use governance::Usage;
pub use handles::Handles;
pub use metadata_error::ScriptMetadataError;
pub use pipe::OutputReader;
pub use pool::{MakingTime, Pool, PoolBuilder, PoolError, PoolStats};
pub use reached::Reached;
pub use run::{KillHandle, Run};
pub use run_options::RunOptions;
pub use sandbox::Sandbox;
pub use sandbox_net_gateway::{
    Amendments, Amount, AuditFile, AuditLine, AuditLog, AuditSettings, AuditSink, AuditStderr,
    BudgetReason, CommandError, DecisionHook, DecisionRecord, Dropped, DroppedRecord,
    ExchangeRecord, Follow, Gateway, GatewayBuilder, HookAnswer, HookError, HookReason,
    HookRequest, LookupRecord, NetworkUsage, PlaceholderError, ReachedBudget, Reason,
    ReplacePolicyError, SharedHook, SourceError, Stage, Time, ValueError, Vault, VaultError,
    Verdict,
};
pub use sandbox_net_python::{
    BuildError, Capability, ComponentizeError, RuntimeError, StubImport, componentize,
};
pub use sandbox_net_wasi::{
    GuestLimits, HOSTCALL_FUEL, HostConnection, HostExchange, HostLookup, OutgoingHandler,
    SandboxNetCtx, SandboxNetCtxView, SandboxNetView, WIT, add_all_to_linker, add_to_linker,
    exit_code, keep_ticking, prepare_store,
};
pub use script::{Exit, Outcome, Script};
pub use script_metadata::{ScriptMetadata, parse_requirements};
pub use session::{
    Completions, ForkOptions, InterruptHandle, PythonException, Session, SessionOptions, Turn,
    TurnEnd, TurnOptions, TurnOutcome, Value,
};
pub use snapshot::{Snapshot, SnapshotBuilder, SnapshotError};
pub use stdin_pipe::StdinWriter;
pub use stdio::{Output, Stdin};
