//! Checks environment variables of the guest, including those that CPython would read at its start.
//!
//! The interpreter is a snapshot that was started long before a run, isolated from its environment
//! (`sys.flags.isolated`). Variables whose effect a program would miss are refused, and the error
//! says what to do instead. Those that change nothing that a program computes are accepted and have
//! no effect: `PYTHONDONTWRITEBYTECODE`, `PYTHONNOUSERSITE`,
//! `PYTHONFAULTHANDLER`, `PYTHONSTARTUP`, `PYTHONPYCACHEPREFIX`, `PYTHONMALLOC`,
//! `PYTHONNODEBUGRANGES`, `PYTHON_CPU_COUNT`, `PYTHON_GIL`, `PYTHON_JIT` and others of their kind.

use crate::error::Error;

/// A refused variable: its name, the values that match what the interpreter does anyway, and what
/// to do instead.
type Refused = (&'static str, &'static [&'static str], &'static str);

/// The advice for what a running interpreter has no setting for.
const NOTHING: &str = "omit it";

#[rustfmt::skip] // one variable a line
const REFUSED: &[Refused] = &[
    ("PYTHONASYNCIODEBUG", &[], "use asyncio.run(…, debug=True)"),
    ("PYTHONBREAKPOINT", &[], "set sys.breakpointhook"),
    ("PYTHONDEBUG", &[], NOTHING),
    ("PYTHONDEVMODE", &[], "use warnings.simplefilter('default') and asyncio.run(…, debug=True)"),
    ("PYTHONHASHSEED", &["0"], "strings have the same hashes in every run, as with 0: omit it"),
    ("PYTHONHOME", &[], "the standard library is built into the interpreter: omit it"),
    ("PYTHONINSPECT", &[], "use code.interact() at the end of the program"),
    ("PYTHONINTMAXSTRDIGITS", &["4300"], "use sys.set_int_max_str_digits()"),
    ("PYTHONIOENCODING", &["utf-8", "utf8", "UTF-8", "UTF8"], "the streams are UTF-8: use sys.stdout.reconfigure(encoding=…)"),
    ("PYTHONOPTIMIZE", &["0"], "assertions are always executed: omit it"),
    ("PYTHONPATH", &[], "add to sys.path in the program, with the modules in a directory of the sandbox (--dir), or add a package (--with)"),
    ("PYTHONPLATLIBDIR", &[], "the standard library is built into the interpreter: omit it"),
    ("PYTHONPROFILEIMPORTTIME", &[], NOTHING),
    ("PYTHONSAFEPATH", &[], "take '' out of sys.path in the program"),
    ("PYTHONTRACEMALLOC", &[], "use tracemalloc.start()"),
    ("PYTHONUTF8", &["1"], "the interpreter is in UTF-8 mode: give open() its encoding"),
    ("PYTHONVERBOSE", &[], NOTHING),
    ("PYTHONWARNDEFAULTENCODING", &[], NOTHING),
    ("PYTHONWARNINGS", &[], "use warnings.filterwarnings()"),
    ("PYTHON_CONTEXT_AWARE_WARNINGS", &[], NOTHING),
    ("PYTHON_LAZY_IMPORTS", &[], NOTHING),
    ("PYTHON_THREAD_INHERIT_CONTEXT", &[], NOTHING),
];

/// Refuses what can't be set, and what would have no effect.
pub(crate) fn check(name: &str, value: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(Error::Environment(name.to_owned()));
    }
    let refused = REFUSED.iter().find(|(known, ..)| *known == name);
    match refused {
        // CPython treats an empty one as unset.
        Some((_, as_is, instead)) if !value.is_empty() && !as_is.contains(&value) => {
            Err(Error::Variable {
                name: name.to_owned(),
                why: format!(
                    "the interpreter has started already and would not read it; {instead}"
                ),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_missed_is_refused_and_what_changes_nothing_is_not() {
        for (name, value, is_refused) in [
            ("PYTHONHASHSEED", "1", true),
            ("PYTHONHASHSEED", "random", true),
            ("PYTHONHASHSEED", "0", false),
            ("PYTHONHASHSEED", "", false),
            ("PYTHONPATH", "/home", true),
            ("PYTHONOPTIMIZE", "2", true),
            ("PYTHONWARNINGS", "error", true),
            ("PYTHONIOENCODING", "latin-1", true),
            ("PYTHONIOENCODING", "utf-8:strict", true),
            ("PYTHONIOENCODING", "utf-8", false),
            ("PYTHONUTF8", "0", true),
            ("PYTHONUTF8", "1", false),
            ("PYTHONUNBUFFERED", "1", false),
            ("PYTHONDONTWRITEBYTECODE", "1", false),
            ("PYTHONFAULTHANDLER", "1", false),
            ("PYTHON_ENV", "production", false),
            ("pythonpath", "/home", false),
            ("PATH", "/bin", false),
        ] {
            let checked = check(name, value);
            assert_eq!(checked.is_err(), is_refused, "{name}={value}");
            let Err(error) = checked else { continue };
            let said = error.to_string();
            let begin = format!("the environment variable '{name}' can't be set: ");
            assert!(said.starts_with(&begin) && !said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn names_and_values_that_no_environment_can_have_are_refused() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "\0")] {
            assert!(
                matches!(check(name, value), Err(Error::Environment(_))),
                "{name:?}"
            );
        }
    }
}
