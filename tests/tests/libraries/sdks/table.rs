//! The table of SDKs in `docs/libraries.md` is the list of those that the tests run.

use std::path::Path;
use std::process::Command;

use crate::table::check;

const BEGIN: &str = "<!-- SDKs: made by tests/tests/libraries/sdks/table.rs -->\n";
const END: &str = "<!-- end of SDKs -->\n";

/// An SDK that a program of `programs/sdks/` runs.
struct Sdk {
    name: &'static str,
    /// The release that was tested last. A test runs this one or a newer one.
    version: &'static str,
    program: &'static str,
    what: &'static str,
}

const SDKS: &[Sdk] = &[
    Sdk {
        name: "stripe",
        version: "16.1.0",
        program: "with_stripe.py",
        what: "Creates, pages through a list, repeats after a failure with its key, a declined \
               card, a missing object, `StripeClient`",
    },
    Sdk {
        name: "slack_sdk",
        version: "3.48.0",
        program: "with_slack_sdk.py",
        what: "Posts, pages, uploads a file in three steps, waits for a rate limit, a webhook, \
               an error, the asynchronous client",
    },
    Sdk {
        name: "elasticsearch",
        version: "9.5.1",
        program: "with_elasticsearch.py",
        what: "Indexes, searches, `bulk`, `parallel_bulk` with threads, scrolls, a missing document",
    },
    Sdk {
        name: "huggingface_hub",
        version: "2.4.0",
        program: "with_huggingface_hub.py",
        what: "`hf_hub_download`, `snapshot_download` with threads, a local folder, lists, \
               missing files, `InferenceClient`",
    },
    Sdk {
        name: "boto3",
        version: "1.44.8",
        program: "with_boto3.py",
        what: "Uploads and downloads files in parts with threads, file objects, a resource, a \
               missing key",
    },
    Sdk {
        name: "notion-client",
        version: "3.1.0",
        program: "with_notion_client.py",
        what: "Creates a page, pages through users, a missing page, the asynchronous client",
    },
    Sdk {
        name: "twilio",
        version: "9.13.0",
        program: "with_twilio.py",
        what: "Sends a message, pages, deletes, a refused number",
    },
    Sdk {
        name: "smolagents",
        version: "1.26.0",
        program: "with_smolagents.py",
        what: "A `CodeAgent` with a tool: the model writes code, which runs",
    },
    Sdk {
        name: "openai",
        version: "1.35.0",
        program: "with_openai.py",
        what: "Chats, streams, lists models, uploads a file, a wrong key, the asynchronous client",
    },
];

#[test]
fn the_table_of_sdks_in_the_documentation_is_that_of_the_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/sdks");
    let mut programs: Vec<String> = std::fs::read_dir(folder)
        .expect("the programs")
        .map(|entry| entry.expect("a program").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("with_"))
        .collect();
    programs.sort();
    let mut told: Vec<&str> = SDKS.iter().map(|sdk| sdk.program).collect();
    told.sort_unstable();
    assert_eq!(told, programs);
    let mut text = "| SDK | version | what it does in the test |\n|---|---|---|\n".to_owned();
    for Sdk {
        name,
        version,
        what,
        ..
    } in SDKS
    {
        text += &format!("| {name} | {version} | {what} |\n");
    }
    check(BEGIN, END, &text);
}

fn numbers(version: &str) -> Vec<u32> {
    let parts = version.split('.');
    parts.map_while(|part| part.parse().ok()).collect()
}

/// Checks that the SDK of `program` in the environment of `python` is no older than the table says.
pub(super) fn assert_version(program: &str, python: &Path) {
    let file = program.trim_start_matches("sdks/");
    let sdk = SDKS.iter().find(|sdk| sdk.program == file);
    let sdk = sdk.unwrap_or_else(|| panic!("{program} is in no row of the table of SDKs"));
    let code = format!(
        "import importlib.metadata as m; print(m.version({:?}))",
        sdk.name
    );
    let found = Command::new(python).args(["-c", &code]).output();
    let found = String::from_utf8(found.expect("the interpreter").stdout).expect("a version");
    assert!(
        numbers(found.trim()) >= numbers(sdk.version),
        "{}: the test runs {found}, docs/libraries.md says {}",
        sdk.name,
        sdk.version
    );
}
