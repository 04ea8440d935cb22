//! How a Python component ends.

use wasmtime_wasi::I32Exit;

/// Returns the exit code of a Python component, from what its export `run: func() -> s32` returned.
///
/// A program ends by `wasi:cli/exit`, which is an error for wasmtime, however well it ends.
///
/// ```no_run
/// # use wasmtime::{Store, component::Instance};
/// # async fn example<T: Send>(mut store: Store<T>, instance: Instance) -> wasmtime::Result<()> {
/// let run = instance.get_typed_func::<(), (i32,)>(&mut store, "run")?;
/// let code = sandbox_net_wasi::exit_code(run.call_async(&mut store, ()).await)?;
/// assert_eq!(code, 0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Any other error: a trap, or a limit of the store.
pub fn exit_code(ended: wasmtime::Result<(i32,)>) -> wasmtime::Result<i32> {
    match ended {
        Ok((code,)) => Ok(code),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_a_code_and_anything_else_stays_an_error() {
        assert_eq!(exit_code(Ok((7,))).unwrap(), 7);
        assert_eq!(exit_code(Err(I32Exit(3).into())).unwrap(), 3);
        let trap = exit_code(Err(wasmtime::Trap::StackOverflow.into())).unwrap_err();
        assert!(trap.is::<wasmtime::Trap>());
    }
}
