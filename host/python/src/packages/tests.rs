//! Packages from an offline index, from wheels on the disk, and from the user's own index.

mod index;
mod pypi;
mod remembered;
mod server;
mod slow;

use super::*;
use crate::testing::{WheelBuilder, offline_pip};

struct Place {
    index: tempfile::TempDir,
    _temp: tempfile::TempDir,
    cache: Cache,
    manifest: Manifest,
}

impl Place {
    fn new() -> Place {
        let temp = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(temp.path().join("cache"))).unwrap();
        let manifest = Manifest::find(None).unwrap();
        Place {
            index: tempfile::tempdir().unwrap(),
            _temp: temp,
            cache,
            manifest,
        }
    }

    fn add(&self, wheel: WheelBuilder) -> PathBuf {
        wheel.write(self.index.path())
    }

    fn builder(&self) -> PackagesBuilder<'_> {
        PackagesBuilder::new(&self.manifest, &self.cache).pip(offline_pip(self.index.path()))
    }

    /// The packages for these requirements, as `NAME VERSION`.
    fn resolve(&self, requirements: &[&str]) -> Result<Vec<String>, Error> {
        let builder = requirements
            .iter()
            .fold(self.builder(), |all, text| all.with(*text));
        Ok(names(&builder.build()?))
    }
}

fn names(packages: &Packages) -> Vec<String> {
    packages
        .wheels
        .iter()
        .map(|wheel| format!("{} {}", wheel.name, wheel.version))
        .collect()
}

fn wheel(name: &str, version: &str) -> WheelBuilder {
    WheelBuilder::new(name, version)
}

#[test]
fn dependencies_are_followed_and_unpacked_into_one_directory() {
    let place = Place::new();
    place.add(
        wheel("one", "1.0")
            .requires("two>=1")
            .file("one.py", "import two"),
    );
    place.add(
        wheel("two", "1.5")
            .requires("three")
            .file("two.py", "import three"),
    );
    place.add(wheel("three", "0.1").file("three/__init__.py", ""));
    let packages = place.builder().with("one").build().unwrap();
    assert_eq!(names(&packages), ["one 1.0", "three 0.1", "two 1.5"]);
    for file in [
        "one.py",
        "two.py",
        "three/__init__.py",
        "two-1.5.dist-info/METADATA",
    ] {
        assert!(packages.site_packages.join(file).is_file(), "{file}");
    }
}

#[test]
fn markers_are_those_of_the_sandbox_and_not_of_the_host() {
    let place = Place::new();
    place.add(
        wheel("one", "1.0")
            .requires("for-wasi; sys_platform == 'wasi' and platform_machine == 'wasm32'")
            .requires("for-new; python_version >= '3.15'")
            .requires("for-posix; os_name == 'posix' and implementation_name == 'cpython'")
            .requires("absent-a; sys_platform in 'linux darwin win32'")
            .requires("absent-b; platform_system == 'Linux' or platform_system == 'Windows'")
            .requires("absent-c; python_version < '3.15'")
            .requires("absent-d; platform_machine == 'x86_64' or platform_machine == 'aarch64'")
            .requires("absent-e; extra == 'more'"),
    );
    for name in ["for-wasi", "for-new", "for-posix"] {
        place.add(wheel(name, "1.0"));
    }
    let names = place
        .resolve(&["one", "absent-f; os_name == 'nt'"])
        .unwrap();
    assert_eq!(
        names,
        ["for-new 1.0", "for-posix 1.0", "for-wasi 1.0", "one 1.0"]
    );
}

#[test]
fn extras_add_what_they_name_even_through_other_extras() {
    let place = Place::new();
    place.add(
        wheel("one", "1.0")
            .header("Provides-Extra: fast")
            .header("Provides-Extra: all")
            .requires("two; extra == 'fast'")
            .requires("one[fast]; extra == 'all'"),
    );
    place.add(wheel("two", "1.0"));
    assert_eq!(place.resolve(&["one"]).unwrap(), ["one 1.0"]);
    assert_eq!(
        place.resolve(&["one[fast]"]).unwrap(),
        ["one 1.0", "two 1.0"]
    );
    assert_eq!(
        place.resolve(&["one[all]"]).unwrap(),
        ["one 1.0", "two 1.0"]
    );
}

#[test]
fn a_version_that_a_later_dependency_rules_out_is_replaced() {
    let place = Place::new();
    place.add(wheel("one", "1.0").requires("two"));
    place.add(wheel("two", "1.0").requires("three<2"));
    place.add(wheel("three", "1.0"));
    // Only the newest `three` needs `four`, and the newest `three` is not used in the end.
    place.add(wheel("three", "2.0").requires("four"));
    place.add(wheel("four", "1.0"));
    let names = place.resolve(&["one", "three"]).unwrap();
    assert_eq!(names, ["one 1.0", "three 1.0", "two 1.0"]);
}

#[test]
fn what_is_built_into_the_distribution_is_not_looked_for() {
    let place = Place::new();
    place.add(
        wheel("one", "1.0")
            .requires("numpy>=2")
            .requires("PyYAML")
            .requires("six"),
    );
    assert_eq!(place.resolve(&["one", "pandas"]).unwrap(), ["one 1.0"]);
}

#[test]
fn packages_that_are_all_built_in_need_no_pip_and_give_an_empty_directory() {
    let place = Place::new();
    let no_pip = Pip::command("no-such-command", [""; 0]);
    let packages = place
        .builder()
        .pip(no_pip)
        .with("numpy")
        .with("lxml>=5")
        .build()
        .unwrap();
    assert!(packages.wheels.is_empty());
    assert_eq!(fs::read_dir(packages.site_packages).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_had_is_refused_by_name_and_reason() {
    let place = Place::new();
    place.add(wheel("native", "1.0").tags("cp315-cp315-win32"));
    fs::write(place.index.path().join("source-1.0.tar.gz"), "").unwrap();
    place.add(wheel("plain", "1.0"));
    place.add(
        wheel("needs-native", "1.0")
            .requires("native>0.1")
            .requires("plain"),
    );
    place.add(wheel("was-pure", "1.0"));
    place.add(wheel("was-pure", "2.0").tags("cp315-cp315-win32"));
    place.add(wheel("needs-new-plain", "1.0").requires("plain>1"));
    place.add(wheel("needs-old-numpy", "1.0").requires("numpy<2"));
    place.add(wheel("needs-url", "1.0").requires("plain @ https://example.org/plain.tar.gz"));
    let cases: [(&[&str], &[&str]); 9] = [
        (
            &["native"],
            &["package native cannot", "machine code", "native by you"],
        ),
        (
            &["needs-native"],
            &[
                "package native cannot",
                "machine code",
                "native>0.1 by needs-native",
            ],
        ),
        (
            &["was-pure>1"],
            &[
                "package was-pure cannot",
                "machine code",
                "was-pure>1 by you",
            ],
        ),
        (
            &["source"],
            &["package source cannot", "source only", "run its code"],
        ),
        (
            &["absent", "plain"],
            &[
                "no package absent",
                "absent by you",
                "No matching distribution",
            ],
        ),
        (
            &["needs-new-plain"],
            &["no version of plain", "plain>1 by needs-new-plain"],
        ),
        (
            &["plain<1", "plain>2"],
            &["no version of plain", "plain<1 by you; plain>2 by you"],
        ),
        (
            &["needs-old-numpy"],
            &[
                "no version of numpy",
                "2.5.2 built in",
                "numpy<2 by needs-old",
            ],
        ),
        (
            &["needs-url"],
            &["plain @ https://example.org/plain.tar.gz", "names a URL"],
        ),
    ];
    for (requirements, parts) in cases {
        let message = place.resolve(requirements).unwrap_err().to_string();
        for part in parts {
            assert!(
                message.contains(part),
                "{requirements:?}: `{part}` is not in: {message}"
            );
        }
    }
    assert!(place.cache.keys(RESOLUTION_KIND).unwrap().is_empty());
}

#[test]
fn a_wheel_on_the_disk_is_used_with_what_it_requires() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let build = |version| {
        wheel("one", version)
            .requires("two")
            .file("one.py", version)
    };
    let path = build("1.0").write(elsewhere.path());
    place.add(build("2.0"));
    place.add(wheel("two", "1.0").requires("one"));
    let path = path.to_str().unwrap();
    assert_eq!(place.resolve(&[path]).unwrap(), ["one 1.0", "two 1.0"]);
    let message = place.resolve(&[path, "one>1"]).unwrap_err().to_string();
    assert!(
        message.contains("you gave one-1.0-py3-none-any.whl"),
        "{message}"
    );
    let native = wheel("one", "1.0")
        .tags("cp315-cp315-win32")
        .write(elsewhere.path());
    let refused = place.resolve(&[native.to_str().unwrap()]);
    assert!(
        matches!(refused, Err(Error::NoPureWheel { .. })),
        "{refused:?}"
    );
    let built_in = wheel("six", "9.0").write(elsewhere.path());
    let message = place
        .resolve(&[built_in.to_str().unwrap()])
        .unwrap_err()
        .to_string();
    assert!(message.contains("1.17.0 built in"), "{message}");
}

#[test]
fn a_resolution_is_kept_until_it_is_refreshed() {
    let place = Place::new();
    place.add(wheel("one", "1.0").file("one.py", "old"));
    assert_eq!(place.resolve(&["one"]).unwrap(), ["one 1.0"]);
    place.add(wheel("one", "2.0").file("one.py", "new"));
    let kept = place
        .builder()
        .with("one")
        .with("one")
        .pip(Pip::command("none", [""; 0]));
    assert_eq!(names(&kept.build().unwrap()), ["one 1.0"]);
    let fresh = place.builder().with("one").refresh(true).build().unwrap();
    assert_eq!(names(&fresh), ["one 2.0"]);
    assert_eq!(
        fs::read_to_string(fresh.site_packages.join("one.py")).unwrap(),
        "new"
    );
    assert_eq!(place.cache.keys(RESOLUTION_KIND).unwrap().len(), 1);
    assert_eq!(place.cache.keys(SITE_KIND).unwrap().len(), 2);
}

#[test]
fn requirements_that_resolve_to_the_same_wheels_share_the_unpacked_directory() {
    let place = Place::new();
    place.add(wheel("one", "1.0"));
    let first = place.builder().with("one").build().unwrap();
    let second = place.builder().with("one==1.0").build().unwrap();
    assert_eq!(first, second);
}

#[test]
fn the_preparation_runs_once_on_the_unpacked_packages_and_its_key_counts() {
    let place = Place::new();
    place.add(wheel("one", "1.0").file("one.py", ""));
    let prepare = |site: &Path| {
        assert!(site.join("one.py").is_file());
        Ok(fs::write(site.join("prepared"), "")?)
    };
    let prepared = place
        .builder()
        .with("one")
        .prepare("v1", prepare)
        .build()
        .unwrap();
    assert!(prepared.site_packages.join("prepared").is_file());
    let again = place
        .builder()
        .with("one")
        .prepare("v1", |_| panic!("ran twice"));
    assert_eq!(again.build().unwrap(), prepared);
    let plain = place.builder().with("one").build().unwrap();
    assert!(!plain.site_packages.join("prepared").exists());
    let failing = place
        .builder()
        .with("one")
        .prepare("v2", |_| Err("no space".into()));
    let message = failing.build().unwrap_err().to_string();
    assert!(message.contains("no space"), "{message}");
    assert_eq!(place.cache.keys(SITE_KIND).unwrap().len(), 2);
}

#[test]
fn a_wheel_that_was_changed_in_the_cache_is_not_unpacked() {
    let place = Place::new();
    place.add(wheel("one", "1.0"));
    let packages = place.builder().with("one").build().unwrap();
    place
        .cache
        .entry(SITE_KIND, &packages.key)
        .unwrap()
        .remove(&Silent)
        .unwrap();
    let resolution = &place.cache.keys(RESOLUTION_KIND).unwrap()[0];
    let kept = place
        .cache
        .entry(RESOLUTION_KIND, resolution)
        .unwrap()
        .get()
        .unwrap();
    let wheel = kept.join(WHEELS_DIRECTORY).join("one-1.0-py3-none-any.whl");
    fs::write(&wheel, "changed").unwrap();
    let error = place.builder().with("one").build().unwrap_err();
    assert!(matches!(error, Error::HashMismatch { .. }), "{error}");
}

#[test]
fn requests_is_resolved_from_the_index_as_pure_wheels() {
    let place = Place::new();
    let packages = PackagesBuilder::new(&place.manifest, &place.cache)
        .with("requests")
        .build()
        .unwrap();
    let names: Vec<_> = packages
        .wheels
        .iter()
        .map(|wheel| wheel.name.as_str())
        .collect();
    // charset-normalizer, the fifth, is built into the distribution.
    assert_eq!(names, ["certifi", "idna", "requests", "urllib3"]);
    assert!(
        packages
            .site_packages
            .join("requests/__init__.py")
            .is_file()
    );
}

#[test]
fn greenlet_is_refused_from_the_index_as_it_has_platform_wheels_only() {
    let place = Place::new();
    let refused = PackagesBuilder::new(&place.manifest, &place.cache)
        .with("greenlet")
        .build();
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("package greenlet cannot"), "{message}");
    assert!(message.contains("machine code"), "{message}");
}
