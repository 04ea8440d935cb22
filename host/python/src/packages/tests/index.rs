//! The search, against an index on loopback.

use super::server::{Fault, Server};
use super::*;

struct Index {
    server: Server,
    place: Place,
}

impl Index {
    fn new(wheels: impl IntoIterator<Item = WheelBuilder>) -> Index {
        let server = Server::start();
        for wheel in wheels {
            server.add(wheel);
        }
        let place = Place::new();
        Index { server, place }
    }

    fn resolve(&self, requirements: &[&str]) -> Result<Vec<String>, Error> {
        let builder = PackagesBuilder::new(&self.place.manifest, &self.place.cache);
        let builder = builder.pip(self.server.pip());
        let builder = requirements.iter().fold(builder, |all, it| all.with(*it));
        Ok(names(&builder.build()?))
    }

    fn refused(&self, requirements: &[&str]) -> String {
        self.resolve(requirements).unwrap_err().to_string()
    }

    fn is_empty(&self) -> bool {
        let keys = |kind| self.place.cache.keys(kind).unwrap();
        keys(RESOLUTION_KIND).is_empty() && keys(SITE_KIND).is_empty()
    }
}

fn native(name: &str, version: &str) -> WheelBuilder {
    wheel(name, version).tags("cp315-cp315-win32")
}

#[test]
fn the_search_goes_back_to_an_older_release_that_suits() {
    let index = Index::new([
        wheel("tool", "1.0").requires("core<2"),
        wheel("tool", "2.0").requires("core>=2,<3"),
        wheel("tool", "3.0").requires("core>=3"),
        wheel("core", "1.0"),
        wheel("core", "2.5"),
        wheel("core", "3.0"),
        // Each alone fits the newest of the other, and both need another helper.
        wheel("left", "1.0").requires("helper"),
        wheel("left", "2.0").requires("helper>=2"),
        wheel("right", "1.0").requires("helper<2"),
        wheel("helper", "1.0"),
        wheel("helper", "2.0"),
    ]);
    for (wanted, found) in [
        (&["tool"][..], &["core 3.0", "tool 3.0"][..]),
        (&["tool", "core<3"], &["core 2.5", "tool 2.0"]),
        (&["core==1.0", "tool"], &["core 1.0", "tool 1.0"]),
        (&["left", "right"], &["helper 1.0", "left 1.0", "right 1.0"]),
    ] {
        assert_eq!(index.resolve(wanted).unwrap(), found, "{wanted:?}");
    }
    let refused = index.refused(&["tool>=2", "core<2"]);
    for part in ["no version of core", "core<2 by you", "core>=2,<3 by tool"] {
        assert!(refused.contains(part), "`{part}` is not in: {refused}");
    }
}

#[test]
fn extras_hold_in_the_release_that_is_chosen_in_the_end() {
    let index = Index::new([
        wheel("tool", "1.0")
            .header("Provides-Extra: fast")
            .requires("speed<2; extra == 'fast'"),
        wheel("tool", "2.0")
            .header("Provides-Extra: fast")
            .requires("speed>=2; extra == 'fast'")
            .requires("absent; extra == 'fast' and sys_platform == 'linux'"),
        wheel("speed", "1.0"),
        wheel("speed", "2.0"),
    ]);
    for (wanted, found) in [
        (&["tool[fast]"][..], &["speed 2.0", "tool 2.0"][..]),
        (&["tool[fast]", "speed<2"], &["speed 1.0", "tool 1.0"]),
        (&["tool", "speed<2"], &["speed 1.0", "tool 2.0"]),
        (&["tool[none]"], &["tool 2.0"]),
    ] {
        assert_eq!(index.resolve(wanted).unwrap(), found, "{wanted:?}");
    }
}

#[test]
fn what_is_built_in_is_preferred_and_replaced_where_another_version_is_asked_for() {
    let index = Index::new([
        wheel("six", "1.10.0"),
        wheel("six", "99.0"),
        wheel("old", "1.0").requires("six<1.15"),
        wheel("any", "1.0").requires("six>=1.5"),
        native("numpy", "1.0"),
        wheel("uses", "1.0").requires("numpy<2"),
        wheel("uses", "0.9").requires("numpy"),
        native("greenlet", "1.0"),
    ]);
    let refused = index.refused(&["greenlet"]);
    assert!(!refused.contains("built in"), "{refused}");
    for (wanted, found) in [
        (&["any"][..], &["any 1.0"][..]),
        (&["six"], &[]),
        (&["six==1.10.0"], &["six 1.10.0"]),
        (&["any", "old"], &["any 1.0", "old 1.0", "six 1.10.0"]),
        (&["six>90", "any"], &["any 1.0", "six 99.0"]),
    ] {
        assert_eq!(index.resolve(wanted).unwrap(), found, "{wanted:?}");
    }
    let refused = index.refused(&["uses"]);
    for part in ["package numpy cannot", "machine code", "--with 'uses<1'"] {
        assert!(refused.contains(part), "`{part}` is not in: {refused}");
    }
    let refused = index.refused(&["numpy<2"]);
    for part in [
        "machine code",
        "numpy<2 by you",
        "the distribution has 2.5.2 built in, which needs no --with",
    ] {
        assert!(refused.contains(part), "`{part}` is not in: {refused}");
    }
    let refused = index.refused(&["six<1.15", "six>2"]);
    assert!(refused.contains("1.17.0 built in"), "{refused}");
}

#[test]
fn pre_releases_and_withdrawn_releases_are_taken_as_by_pip() {
    let index = Index::new([
        wheel("one", "1.0"),
        wheel("one", "2.0rc1"),
        wheel("two", "1.0b1"),
        wheel("three", "1.0"),
        wheel("three", "1.1"),
        wheel("needs", "1.0").requires("one>=2.0rc1"),
        wheel("open", "1.0").requires("one"),
    ]);
    index.server.yank("three-1.1-py3-none-any.whl");
    for (wanted, found) in [
        (&["one"][..], &["one 1.0"][..]),
        (&["one>1"], &["one 2.0rc1"]),
        (&["one>=2.0rc1"], &["one 2.0rc1"]),
        (&["open", "needs"], &["needs 1.0", "one 2.0rc1", "open 1.0"]),
        (&["two"], &["two 1.0b1"]),
        (&["three"], &["three 1.0"]),
        (&["three==1.1"], &["three 1.1"]),
    ] {
        assert_eq!(index.resolve(wanted).unwrap(), found, "{wanted:?}");
    }
    assert!(index.resolve(&["three>1.0"]).is_err());
}

#[test]
fn a_refusal_names_the_newest_release_that_works_and_asking_again_asks_no_index() {
    let index = Index::new([
        wheel("model", "1.9"),
        wheel("model", "2.0").requires("model-core==2.0"),
        wheel("model", "2.1").requires("model-core==2.1"),
        native("model-core", "2.0"),
        native("model-core", "2.1"),
        wheel("client", "1.0").requires("model>=1"),
        wheel("client", "2.0").requires("model>=2"),
        wheel("never", "1.0").requires("native"),
        native("native", "1.0"),
    ]);
    for (wanted, instead) in [
        (&["model"][..], &["--with 'model<2'"][..]),
        (&["client"], &["--with 'client<2'"]),
        (
            &["model>=1.5", "client"],
            &["--with 'model>=1.5,<2'", "--with 'client<2'"],
        ),
        (&["never"], &["give its path with --with"]),
    ] {
        let first = index.refused(wanted);
        for part in instead.iter().chain([&"machine code"]) {
            assert!(first.contains(part), "`{part}` is not in: {first}");
        }
        let before = index.server.requests();
        let start = std::time::Instant::now();
        let again = index.refused(wanted);
        let took = start.elapsed();
        assert_eq!(index.server.requests(), before, "{wanted:?}");
        assert!(took.as_millis() < 1000, "{took:?}");
        assert!(
            again.starts_with(&first) && again.contains(" ago"),
            "{again}"
        );
    }
    // The proposed requirement works. So does what another package needs and has a working older
    // release.
    assert_eq!(index.resolve(&["model<2"]).unwrap(), ["model 1.9"]);
    let found = index.resolve(&["client<2"]).unwrap();
    assert_eq!(found, ["client 1.0", "model 1.9"]);
    // Another index configuration, or a refresh, queries again.
    let before = index.server.requests();
    let builder = || PackagesBuilder::new(&index.place.manifest, &index.place.cache).with("model");
    assert!(
        builder()
            .pip(index.server.pip().env("PIP_TIMEOUT", "9"))
            .build()
            .is_err()
    );
    let between = index.server.requests();
    assert!(between > before);
    index.server.add(wheel("model-core", "2.1"));
    assert!(
        builder()
            .pip(index.server.pip().env("PIP_TIMEOUT", "9"))
            .build()
            .is_err()
    );
    let pip = index.server.pip();
    let found = names(&builder().pip(pip).refresh(true).build().unwrap());
    assert_eq!(found, ["model 2.1", "model-core 2.1"]);
}

#[test]
fn an_index_or_a_wheel_with_a_fault_is_told_on_one_line_and_nothing_stays() {
    let rename = |index: &Index, from: &str, to: &str| {
        let directory = index.server.directory.path();
        fs::rename(directory.join(from), directory.join(to)).unwrap();
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&Index), &'a [&'a str]);
    let faults: [Case<'_>; 6] = [
        (
            "page 500",
            &|it| it.server.fail("/two/", Fault::Status),
            &["about two", "500"],
        ),
        (
            "page half",
            &|it| it.server.fail("/two/", Fault::Half),
            &["about two"],
        ),
        (
            "wheel 500",
            &|it| it.server.fail("two-1.0-py3-none-any.whl", Fault::Status),
            &["two", "500"],
        ),
        (
            "wheel half",
            &|it| it.server.fail("two-1.0-py3-none-any.whl", Fault::Half),
            &["two"],
        ),
        (
            "name",
            &|it| rename(it, "other-1.0-py3-none-any.whl", "two-1.0-py3-none-any.whl"),
            &["two", "1.0", "its metadata is that of `other`, not of two"],
        ),
        (
            "version",
            &|it| rename(it, "two-1.0-py3-none-any.whl", "two-1.1-py3-none-any.whl"),
            &["two", "its metadata is that of version `1.0`, not of 1.1"],
        ),
    ];
    for (fault, make, parts) in faults {
        let index = Index::new([
            wheel("one", "1.0").requires("two"),
            wheel("two", "1.0").file("two.py", &[b'#'; 4000]),
            wheel("other", "1.0"),
        ]);
        make(&index);
        let refused = index.refused(&["one"]);
        for part in parts {
            assert!(
                refused.contains(part),
                "{fault}: `{part}` is not in: {refused}"
            );
        }
        assert_eq!(refused.lines().count(), 1, "{fault}: {refused}");
        assert!(index.is_empty(), "{fault}");
    }
    let control = Index::new([wheel("one", "1.0").requires("two"), wheel("two", "1.0")]);
    assert_eq!(control.resolve(&["one"]).unwrap(), ["one 1.0", "two 1.0"]);
}
