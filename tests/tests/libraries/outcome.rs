//! The expected results of a library's cases.

use sandbox_net_tests::{Report, native_python, run_natively};
use serde_json::Value;

use crate::matrix::{Column, Expected, Library};
use crate::world::{Storage, World};

/// Runs a library's program on both sides and compares every case.
pub(crate) async fn shows(library: &Library) {
    let Some(python) = native_python().await else {
        return;
    };
    let world = World::start().await;
    let mut arguments = world.arguments();
    let storage = Storage::start(&world.ca).await;
    if library.program == "with_botocore.py" {
        storage.replace(&mut arguments);
    }
    let program = format!("libraries/{}", library.program);
    let inside = world.inside(&program, &arguments).await;
    let reached = world.forbidden.connections().await;
    let versions = versions(library, &world, &storage);
    let outside = match library.expected {
        Expected::Native => {
            let arguments = arguments.iter().map(|(name, url)| format!("{name}={url}"));
            Some(run_natively(python, &world.ca, &program, arguments).await)
        }
        Expected::Written(_) => None,
    };

    let mut faults = compare(library, &inside, outside.as_ref());
    if reached != 0 {
        faults.push("the denied server was reached".to_owned());
    }
    // The host speaks HTTP/2 if the server does, whatever the library supports.
    if versions.is_empty() || versions.iter().any(|version| version != "HTTP/2.0") {
        faults.push(format!("the versions of HTTP are {versions:?}"));
    }
    assert!(
        faults.is_empty(),
        "{}: {} faults\n{}",
        library.name,
        faults.len(),
        faults.join("\n")
    );
}

/// The versions of HTTP that the server with HTTP/2 has seen.
fn versions(library: &Library, world: &World, storage: &Storage) -> Vec<String> {
    if library.program == "with_botocore.py" {
        return storage.0[2].versions();
    }
    let requests = world.http2.requests().into_iter();
    requests.map(|request| request.version).collect()
}

/// What is wrong.
fn compare(library: &Library, inside: &Report, outside: Option<&Report>) -> Vec<String> {
    let mut faults = Vec::new();
    let names: Vec<&str> = inside.lines.iter().filter_map(name_of).collect();
    let columns = library.columns;
    for column in columns {
        if !names.iter().any(|name| is_of(name, *column)) {
            faults.push(format!("no case of {column:?}"));
        }
    }
    if let Some(outside) = outside {
        let theirs: Vec<&str> = outside.lines.iter().filter_map(name_of).collect();
        if names != theirs {
            faults.push(format!("the cases are {names:?}, and natively {theirs:?}"));
        }
    }
    for name in names {
        let Some(column) = columns.iter().find(|column| is_of(name, **column)) else {
            faults.push(format!("{name} is of no column"));
            continue;
        };
        let ours = inside.case(name);
        let theirs = match (&library.expected, outside) {
            (Expected::Written(results), _) => written(results, name),
            (Expected::Native, native) => native.map(|native| native.case(name).clone()),
        };
        if let Err(fault) = check(library, *column, name, ours, theirs.as_ref()) {
            let theirs = theirs.unwrap_or_default();
            faults.push(format!(
                "{name}: {fault}\n   sandbox: {ours}\n  expected: {theirs}"
            ));
        }
    }
    faults
}

fn name_of(line: &Value) -> Option<&str> {
    line["case"].as_str()
}

/// Whether the case `name` belongs to `column`: `get / http`, `get, again / http`.
fn is_of(name: &str, column: Column) -> bool {
    let name = name.split(" / ").next().unwrap_or_default();
    name.split(", ").next() == Some(column.names().0)
}

/// The documented exception for the case `name`, if there is one.
fn written(results: &[(&str, &str)], name: &str) -> Option<Value> {
    let (column, _) = name.split_once(" / ")?;
    let (_, text) = results.iter().find(|(known, _)| *known == column)?;
    let result: Value = serde_json::from_str(text).expect("JSON");
    Some(serde_json::json!({ "case": name, "result": result }))
}

fn check(
    library: &Library,
    column: Column,
    name: &str,
    ours: &Value,
    theirs: Option<&Value>,
) -> Result<(), &'static str> {
    let raises = match column {
        Column::Untrusted => library.raises.untrusted,
        Column::Timeout => library.raises.timeout,
        Column::Denied => library.raises.denied,
        _ if ours.get("result").is_none() => return Err("an exception"),
        _ if theirs != Some(ours) => return Err("another result"),
        _ => return Ok(()),
    };
    let error = &ours["errors"][0];
    // Cases with a comma in their name are variations, which may raise another exception.
    if !name.contains(", ") && error["type"] != raises {
        return Err("not the exception that is written down");
    }
    let own = ["type", "bases"];
    if let Some(theirs) = theirs.filter(|_| column != Column::Denied) {
        let theirs = &theirs["errors"][0];
        if own.iter().any(|part| error[part] != theirs[part]) {
            return Err("another exception");
        }
    }
    // In its own text, or in its cause: a traceback shows both.
    let says_why = || {
        let errors = ours["errors"].as_array().into_iter().flatten();
        let mut texts = errors.filter_map(|error| error["text"].as_str());
        texts.any(|text| text.contains("sandbox-net denied"))
    };
    let inside = |kind: &str| {
        let errors = ours["errors"].as_array();
        errors.and_then(|errors| errors.iter().find(|error| error["type"] == kind))
    };
    match column {
        Column::Denied if !says_why() => Err("no reason in the text"),
        Column::Denied if inside("PermissionError").is_none() => Err("no PermissionError inside"),
        Column::Untrusted => {
            let refused = inside("ssl.SSLCertVerificationError");
            let why = refused.ok_or("no SSLCertVerificationError inside")?;
            let why = why["verify_message"].as_str().unwrap_or_default();
            let known = why == "unable to get local issuer certificate";
            known.then_some(()).ok_or("another verify_message")
        }
        _ => Ok(()),
    }
}
