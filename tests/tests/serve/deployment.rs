//! The manifests of `deploy/` and the examples of the documentation are what they say.

use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox_net_serve::Config;
use sandbox_net_tests::skip;

use crate::ACME;

/// The versions of Kubernetes whose schemas are asked.
const VERSIONS: [&str; 2] = ["1.29", "1.34"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A Python with the package that ships the schemas. It has native modules, so no sandbox can have it.
fn python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes-validate-1.37.0");
    let python = folder.join("bin/python");
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(said)
    };
    if run(&python, &["-c", "import kubernetes_validate"]).is_err() {
        let place = folder.to_string_lossy();
        run(Path::new("python3"), &["-m", "venv", &place])?;
        let package = "kubernetes-validate==1.37.0";
        run(&python, &["-m", "pip", "install", "--quiet", package])?;
    }
    Ok(python)
}

/// Asks the schemas; returns whether all is good, and what was said.
fn checked(python: &Path, version: &str, files: &[PathBuf]) -> (bool, String) {
    let script = root().join("tests/programs/manifests/check.py");
    let mut command = Command::new(python);
    let output = command
        .arg(script)
        .arg(version)
        .args(files)
        .output()
        .expect("a Python");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    (output.status.success(), format!("{said}{failed}"))
}

#[test]
fn the_manifests_are_what_the_schemas_of_kubernetes_take() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip(&format!("the schemas cannot be fetched: {why}")),
    };
    let folder = root().join("deploy/kubernetes");
    let files = std::fs::read_dir(&folder)
        .expect("manifests")
        .map(|it| it.expect("a file").path());
    // It is no object of the cluster, so there is no schema.
    let files: Vec<_> = files
        .filter(|path| !path.ends_with("kustomization.yaml"))
        .collect();
    let list = std::fs::read_to_string(folder.join("kustomization.yaml")).expect("a list");
    for file in &files {
        let name = file.file_name().expect("a name").to_string_lossy();
        assert!(
            list.contains(&format!("- {name}\n")),
            "{name} is not in the list"
        );
    }
    for version in VERSIONS {
        let (is_good, said) = checked(&python, version, &files);
        assert!(is_good, "{version}: {said}");
        assert_eq!(said.lines().count(), 8, "{version}: {said}");
    }
    // The control: a mistake is found.
    let good = std::fs::read_to_string(folder.join("deployment.yaml")).expect("a manifest");
    let directory = tempfile::tempdir().expect("a directory");
    for (right, wrong) in [
        ("replicas: 2", "replicas: two"),
        ("runAsNonRoot", "runAsNoRoot"),
    ] {
        let file = directory.path().join("deployment.yaml");
        std::fs::write(&file, good.replace(right, wrong)).expect("a file");
        let (is_good, said) = checked(&python, VERSIONS[0], &[file]);
        assert!(!is_good, "{wrong}: {said}");
    }
}

/// The text of a key of the ConfigMap.
fn of_config_map(manifest: &str, key: &str) -> String {
    let after = manifest
        .split_once(&format!("  {key}: |\n"))
        .expect("the key")
        .1;
    let block = after
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "));
    block
        .map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n")
        .collect()
}

#[test]
fn the_configuration_in_the_manifest_is_one() {
    let manifest = root().join("deploy/kubernetes/configmap.yaml");
    let manifest = std::fs::read_to_string(manifest).expect("a manifest");
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    std::fs::write(at.join("token"), ACME).expect("a file");
    std::fs::write(
        at.join("policy.toml"),
        of_config_map(&manifest, "policy.toml"),
    )
    .expect("a file");
    let text = of_config_map(&manifest, "serve.toml");
    let text = text.replace("/etc/sandbox-net-tokens/example", "token");
    let config = Config::parse(&text, at).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.tenants().collect::<Vec<_>>(), ["example"]);
    // What programs may take fits into what the pod has.
    let deployment = root().join("deploy/kubernetes/deployment.yaml");
    let deployment = std::fs::read_to_string(deployment).expect("a manifest");
    let gibibytes = |after: &str| {
        let (_, rest) = deployment.split_once(after).expect("the key");
        let number = rest.split_once("Gi").expect("a size").0;
        number.trim().parse::<u64>().expect("a number") << 30
    };
    let server = 512 << 20;
    let limit = gibibytes("limits:\n              memory:");
    assert!(config.most_memory() + server <= limit);
    assert!(config.most_disk() / 5 * 7 <= gibibytes("sizeLimit:"));
}

#[test]
fn every_configuration_in_the_documentation_is_one() {
    let page = std::fs::read_to_string(root().join("docs/serve.md")).expect("a page");
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    for file in ["acme.token", "beta.token"] {
        std::fs::write(at.join(file), format!("{ACME}{file}")).expect("a file");
    }
    let policy = "version = 1\nallow = [\"https://api.example.com\"]\n[end]\n";
    std::fs::write(at.join("policy.toml"), policy).expect("a file");
    std::fs::write(at.join("acme.toml"), policy).expect("a file");
    let blocks: Vec<_> = page.split("```toml\n").skip(1).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let text = block.split("```").next().expect("a block");
        let read = Config::parse(text, at);
        read.unwrap_or_else(|error| panic!("{error}: {text}"));
    }
}
