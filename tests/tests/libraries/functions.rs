//! Functions that make sense in one process exist, and others say why they do not.

use sandbox_net_tests::Native;

use crate::portable::{alike, as_natively, exit_codes};

/// Makes a test of each program.
macro_rules! programs {
    ($($test:ident: $program:literal;)*) => {
        $(#[tokio::test]
        async fn $test() {
            as_natively(concat!("functions/", $program), &[]).await;
        })*
    };
}

programs! {
    a_program_has_a_user: "users.py";
    permissions_can_be_set_by_their_owner: "permissions.py";
    files_can_be_locked: "file_locks.py";
    keys_are_derived_from_passwords: "digests.py";
    a_program_sends_itself_signals: "signals.py";
    a_program_has_pipes: "pipes.py";
}

#[tokio::test]
async fn what_one_process_cannot_have_is_refused_with_one_kind_of_error() {
    let told = alike("functions/refused.py").await;
    let mut count = 0;
    for line in told.lines() {
        let (name, text) = line.split_once(": ").expect("a name and a text");
        let instead = match name.starts_with("pip ") {
            true => "; use --with PKG",
            false => "; use ",
        };
        let is_told = text.starts_with("True sandbox-net: ") && text.contains(instead);
        assert!(is_told, "{name}: {text}");
        count += 1;
    }
    assert!(count > 15, "{told}");
}

#[tokio::test]
async fn a_program_ends_with_the_exit_code_that_it_has_natively() {
    let codes = [
        "import os; os._exit(0)",
        "import os; os._exit(7)",
        "import os; os._exit(256)",
        "import os; os._exit(257)",
        "import os; os._exit(-1)",
        "import sys; sys.exit(7)",
        "import sys; sys.exit(None)",
        "import sys; sys.exit('text')",
        "import sys; sys.exit(True)",
        "import sys; sys.exit(3.5)",
        "raise SystemExit(-1)",
        "raise SystemExit(257)",
        "raise SystemExit(2147483648)",
        "raise SystemExit(4294967297)",
        "raise SystemExit(2**70)",
        "raise SystemExit(-(2**70))",
        "raise KeyboardInterrupt",
        "raise ValueError",
        // The shell that runs the tests may ignore Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); \
         signal.raise_signal(signal.SIGINT)",
    ];
    let mut native = Vec::new();
    for code in codes {
        native.push(Native::code(code).end().await.1);
    }
    for rule in [None, Some("https://sandbox-net.test")] {
        let found = exit_codes(&codes, rule).await;
        for ((code, found), native) in codes.iter().zip(found).zip(&native) {
            assert_eq!(found, *native, "{code}, rule {rule:?}");
        }
    }
}
