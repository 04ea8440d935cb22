//! Real packages from PyPI, against what pip itself resolves for the same target.

use std::collections::BTreeMap;
use std::process::Command;

use super::*;

type Versions = BTreeMap<String, String>;

/// What pip resolves with the same restrictions, and with the packages of the distribution as pure
/// wheels. Its environment markers are those of this machine.
fn by_pip(requirements: &[&str]) -> Versions {
    let temp = tempfile::tempdir().unwrap();
    let manifest = Manifest::find(None).unwrap();
    let mut pins = String::new();
    for (name, version) in &manifest.provides {
        wheel(name, version).write(temp.path());
        pins.push_str(&format!("{name}=={version}\n"));
    }
    let constraints = temp.path().join("constraints.txt");
    fs::write(&constraints, pins).unwrap();
    let report = temp.path().join("report.json");
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--ignore-installed",
            "--quiet",
        ])
        .args([
            "--only-binary=:all:",
            "--platform",
            "any",
            "--implementation",
            "py",
        ])
        .args(["--abi", "none", "--python-version", manifest.python_minor()])
        .arg("--target")
        .arg(temp.path().join("target"))
        .arg("--find-links")
        .arg(temp.path())
        .arg("--constraint")
        .arg(&constraints)
        .arg("--report")
        .arg(&report)
        .args(requirements)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let one = |item: &serde_json::Value| {
        let text = |key: &str| item["metadata"][key].as_str().unwrap().to_owned();
        let name = PackageName::from_str(&text("name")).unwrap().to_string();
        (name, text("version"))
    };
    let all = report["install"].as_array().unwrap().iter().map(one);
    all.filter(|(name, _)| !manifest.provides.contains_key(name))
        .collect()
}

fn by_us(requirements: &[&str]) -> Result<Versions, Error> {
    let place = Place::new();
    let builder = PackagesBuilder::new(&place.manifest, &place.cache);
    let builder = requirements.iter().fold(builder, |all, it| all.with(*it));
    let packages = builder.build()?;
    let one = |wheel: &ResolvedWheel| (wheel.name.clone(), wheel.version.clone());
    Ok(packages.wheels.iter().map(one).collect())
}

/// The one requirement that a refusal proposes.
fn proposed(refused: Result<Versions, Error>) -> String {
    match refused {
        Err(Error::NoPureWheel { instead, .. }) if instead.len() == 1 => instead[0].clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "pip needs a minute or more: cargo test --lib pypi -- --ignored"]
fn an_older_boto3_is_found_for_a_pinned_botocore_as_by_pip() {
    let wanted = ["botocore==1.43.0", "boto3"];
    let found = by_us(&wanted).unwrap();
    assert_eq!(found, by_pip(&wanted));
    assert_eq!(found["botocore"], "1.43.0");
    assert!(found["boto3"].starts_with("1.43."), "{found:?}");
}

#[test]
#[ignore = "pip needs a minute or more: cargo test --lib pypi -- --ignored"]
fn selenium_resolves_as_by_pip() {
    let found = by_us(&["selenium"]).unwrap();
    assert_eq!(found, by_pip(&["selenium"]));
    assert!(found.contains_key("trio"), "{found:?}");
}

/// kubernetes 37 and the newer langchains need pydantic 2, which holds machine code.
#[test]
#[ignore = "pip needs a minute or more: cargo test --lib pypi -- --ignored"]
fn what_is_proposed_instead_of_kubernetes_and_langchain_is_what_pip_resolves() {
    for name in ["kubernetes", "langchain"] {
        let instead = proposed(by_us(&[name]));
        assert!(instead.starts_with(&format!("{name}<")), "{instead}");
        let found = by_us(&[&instead]).unwrap();
        // pip finds the same without the bound, too, and takes minutes for it.
        assert_eq!(found, by_pip(&[&instead]));
    }
}
