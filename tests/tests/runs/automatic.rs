//! Automatic snapshots: a program sees no difference, except that its imports take no time.

use std::path::Path;

use sandbox_net::{RunOptions, Sandbox, Script};
use sandbox_net_tests::wheel;
use tempfile::TempDir;

use super::built;

/// The modules that are imported ahead, and those that must not be.
const FIT: [&str; 9] = [
    "exits",
    "exits_too",
    "helper",
    "needs_broken",
    "pack",
    "pack.sub",
    "plain",
    "reads",
    "warns",
];
const MODULES: &[(&str, &str)] = &[
    ("helper.py", "import decimal\nname = 'the package\\'s'\n"),
    ("plain.py", "import helper\nvalue = [1]\n"),
    ("pack/__init__.py", "from . import sub as _sub\n"),
    ("pack/sub.py", "import plain\n"),
    ("pack/late.py", "print('late')\n"),
    ("pack/__main__.py", "import sys\nprint('main', sys.argv)\n"),
    (
        "reads.py",
        "import os\nlevel = os.environ.get('LEVEL', 'none')\nhome = os.getenv('HOME')\n",
    ),
    (
        "warns.py",
        "import warnings\nclass Own(Warning): pass\nwarnings.simplefilter('ignore', Own)\n\
         warnings.filterwarnings('error', category=Own, append=True)\n\
         with warnings.catch_warnings(): warnings.simplefilter('always')\n",
    ),
    (
        "exits.py",
        "import atexit\nfrom atexit import register\natexit.register(print, 'first', sep='')\n\
         import exits_too\n@register\ndef last(): print('last')\n",
    ),
    (
        "exits_too.py",
        "import atexit\natexit.register(print, 'middle')\n",
    ),
    ("ends.py", "import os\nos._exit(4)\n"),
    ("noisy.py", "print('noisy')\n"),
    ("broken.py", "import helper\nraise ValueError('broken')\n"),
    (
        "needs_broken.py",
        "try:\n    import broken\nexcept ValueError: caught = True\n",
    ),
    ("sets.py", "import os\nos.environ['SET'] = '1'\n"),
    (
        "paths.py",
        "import sys\nsys.path.insert(0, '/packages/pack')\n",
    ),
    ("argues.py", "import sys\nname = sys.argv[0]\n"),
    (
        "looks.py",
        "import os\nfound = os.path.exists('/home/settings')\n",
    ),
    ("lists.py", "import os\nall = dict(os.environ)\n"),
    (
        "connects.py",
        "import socket\ntry: socket.create_connection(('a.test', 1))\nexcept OSError: pass\n",
    ),
    (
        "hooks.py",
        "import sys\nsys.excepthook = lambda *a: print('hooked')\n",
    ),
];

/// Programs, with the directory of the sandbox's own files that they write to.
const PROGRAMS: &[&str] = &[
    "import sys, warnings, os; print(sys.path, warnings.filters, os.getcwd(), sys.argv, len(sys.modules))",
    "import sys, plain; print(plain.value, plain.__file__, plain.__spec__, plain.__name__); \
     print([n in sys.modules for n in ('helper', 'plain', 'pack', 'decimal', 'reads', 'warns')])",
    "import sys, pack; print(sorted(n for n in sys.modules if 'pack' in n or n in ('plain', 'helper'))); \
     print(pack._sub, pack.__path__); import pack.late",
    "import pack.sub, pack; print(pack.sub.plain, pack.sub.__package__)",
    "import noisy, noisy",
    "import broken",
    "import needs_broken; print(needs_broken.caught)",
    "import reads; print(reads.level, reads.home)",
    "import os; os.environ['LEVEL'] = 'changed'; import reads; print(reads.level)",
    "import warnings; before = list(warnings.filters); import warns; print(warnings.filters == before); \
     print([str(f) for f in warnings.filters]); warnings.warn(warns.Own('x')); print('no error')",
    "import warns, warnings; warnings.resetwarnings(); import pack, plain, reads; print(warnings.filters)",
    "import sys; sys.modules['helper'] = 5; import plain; print(plain.helper)",
    "import sys; sys.modules['helper'] = None; import plain",
    "open('helper.py', 'w').write(\"name = 'my own'\"); import plain; print(plain.helper.name); \
     import os; os.remove('helper.py')",
    "import importlib, plain; plain.value.append(2); print(importlib.reload(plain) is plain, plain.value)",
    "import importlib.util as u, sys; s = u.find_spec('plain'); print(s.name, s.origin, s.cached); \
     print('plain' in sys.modules); import pkgutil; print(pkgutil.get_data('pack', 'sub.py'))",
    "import importlib; print(importlib.import_module('.sub', 'pack')); import inspect, plain; \
     print(inspect.getsource(plain))",
    "import sets, os; print(os.environ['SET'])",
    "import os; print('SET' in os.environ)",
    "import argues; print(argues.name)",
    "open('/home/settings', 'w'); import looks; print(looks.found); import os; os.remove('/home/settings')",
    "import lists; print(sorted(lists.all))",
    "import hooks; 1 / 0",
    "import plain, pickle, copyreg; print(pickle.loads(pickle.dumps(plain.value)))",
    "from plain import value; from helper import *; print(value, name)",
    "def f():\n    import plain\n    return plain\nprint(f() is __import__('plain'))",
    "import sys; sys.meta_path.insert(0, type('F', (), {'find_spec': staticmethod(lambda n, p=None, t=None: \
     print('asked', n))})); import plain",
    "import ends",
    "import atexit; print(atexit._ncallbacks()); atexit.register(print, 'before'); import exits; \
     atexit.register(print, 'after'); print(exits.register is atexit.register)",
    "import exits, atexit; atexit.unregister(exits.last)",
    "import atexit; print(atexit._ncallbacks())",
];

fn package(directory: &Path) -> String {
    let wheel = wheel(directory, "automatic", "1.0", MODULES);
    wheel.to_str().expect("a path in UTF-8").to_owned()
}

async fn sandbox(package: &str, is_automatic: bool) -> Sandbox {
    let builder = Sandbox::builder().with_package(package);
    built(builder.automatic_snapshot(is_automatic)).await
}

/// What a program shows, without the addresses of objects.
async fn shown(sandbox: &Sandbox, script: Script, options: RunOptions) -> String {
    let mut run = sandbox.start(script, options).await.expect("a start");
    let outcome = run.wait().await.expect("an end");
    let text = format!(
        "{}\n{}\n{}",
        outcome.exit_code(),
        outcome.stdout_text(),
        outcome.stderr_text()
    );
    let mut pieces = text.split(" at 0x");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str(piece.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    plain
}

#[tokio::test]
async fn programs_see_no_difference() {
    let directory = TempDir::new().expect("a directory");
    let package = package(directory.path());
    let (with, without) = (
        sandbox(&package, true).await,
        sandbox(&package, false).await,
    );
    let ready = "import sandbox_net.ready_modules as r\nprint(sorted(set(r._ready) & set(NAMES)))";
    let names: Vec<_> = MODULES
        .iter()
        .map(|(path, _)| path.trim_end_matches(".py"))
        .collect();
    let names = format!("NAMES = {names:?} + ['pack', 'pack.sub']\n{ready}");
    let found = shown(&with, Script::code(names), RunOptions::new()).await;
    let expected = format!("0\n{FIT:?}\n\n").replace('"', "'");
    assert_eq!(found, expected);
    for program in PROGRAMS {
        let options = RunOptions::new;
        let (one, other) = tokio::join!(
            shown(&with, Script::code(*program), options()),
            shown(&without, Script::code(*program), options())
        );
        assert_eq!(one, other, "{program}");
    }
    for (name, value) in [
        ("LEVEL", "high"),
        ("HOME", "/tmp"),
        ("PYTHONUNBUFFERED", "1"),
    ] {
        let options = || RunOptions::new().env(name, value).arg("x");
        let program =
            "import reads, plain, sys; print(reads.level, reads.home, plain.value, sys.argv)";
        let (one, other) = tokio::join!(
            shown(&with, Script::code(program), options()),
            shown(&without, Script::code(program), options())
        );
        assert_eq!(one, other, "{name}");
    }
    for module in ["pack", "pack.sub", "plain", "noisy"] {
        let (one, other) = tokio::join!(
            shown(&with, Script::module(module), RunOptions::new()),
            shown(&without, Script::module(module), RunOptions::new())
        );
        assert_eq!(one, other, "-m {module}");
    }
    // A script lies before the packages.
    let script = Script::named("helper.py", "import plain\nprint(plain.helper.__file__)");
    let (one, other) = tokio::join!(
        shown(&with, script.clone(), RunOptions::new()),
        shown(&without, script, RunOptions::new())
    );
    assert_eq!(one, other);
}

#[tokio::test]
async fn many_that_need_the_same_one_wait_for_it() {
    let directory = TempDir::new().expect("a directory");
    // Nobody has imported this one yet.
    let unique = format!("value = {:?}\n", directory.path());
    let wheel = wheel(directory.path(), "unique", "1.0", &[("unique.py", &unique)]);
    let wheel = wheel.to_str().expect("a path").to_owned();
    let makers = (0..10).map(|_| {
        let wheel = wheel.clone();
        tokio::spawn(async move {
            let sandbox = sandbox(&wheel, true).await;
            let code = "import sandbox_net.ready_modules as r; print('unique' in r._ready)";
            shown(&sandbox, Script::code(code), RunOptions::new()).await
        })
    });
    let makers: Vec<_> = makers.collect();
    for maker in makers {
        assert_eq!(maker.await.expect("an end"), "0\nTrue\n\n");
    }
}
