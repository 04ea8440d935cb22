//! Comments of scripts and files of requirements, right and wrong.

use super::*;

fn parse(lines: &[&str]) -> Result<Option<ScriptMetadata>, ScriptMetadataError> {
    ScriptMetadata::parse(&lines.join("\n"))
}

#[test]
fn a_comment_tells_packages_the_python_version_and_rules() {
    let metadata = parse(&[
        "#!/usr/bin/env python3",
        "# /// script",
        "# requires-python = \">=3.11\"",
        "# dependencies = [",
        "#   \"requests<3\",  # a comment",
        "#   'rich; python_version > \"3\"',",
        "# ]",
        "#",
        "# [tool.other]",
        "# key = 1",
        "# [tool.sandbox-net]",
        "# allow = ['https://example.com']",
        "# ///",
        "",
        "# /// other",
        "# no TOML at all",
        "# ///",
        "import requests",
    ]);
    let metadata = metadata.unwrap().unwrap();
    assert_eq!(
        metadata.dependencies(),
        ["requests<3", "rich; python_version > \"3\""]
    );
    assert_eq!(metadata.requested_rules(), ["https://example.com"]);
    assert!(metadata.check_python("3.15.0").is_ok());
    let refused = metadata.check_python("3.10.1").unwrap_err().to_string();
    assert_eq!(
        refused,
        "line 3: the script requires Python >=3.11, and the sandbox has 3.10.1"
    );
}

#[test]
fn a_script_without_a_comment_tells_nothing() {
    for script in [
        "",
        "print('# /// script')",
        "  # /// script\n# ///",
        "#/// script\n# ///",
        "# /// scripts\n# ///",
        "\"\"\"\n # /// script\n\"\"\"",
    ] {
        assert_eq!(ScriptMetadata::parse(script), Ok(None), "{script}");
    }
    let empty = parse(&["# /// script\r", "# dependencies = []\r", "# ///\r", ""]);
    assert_eq!(empty, Ok(Some(ScriptMetadata::default())));
}

#[test]
fn a_comment_with_a_fault_is_refused_with_its_line() {
    let many = "'a',".repeat(MOST_PACKAGES + 1);
    let rules = "'a.example',".repeat(MOST_RULES + 1);
    let long = "x".repeat(LONGEST);
    for (content, line, part) in [
        (vec!["# dependencies = ["], 2, "can't be used"),
        (vec!["# a = 1", "# a = 2"], 3, "duplicate key"),
        (vec!["# dependencies = 'six'"], 2, "expected a sequence"),
        (
            vec!["# dependencies = [", "#  'six',", "#  '???',", "# ]"],
            4,
            "`???`",
        ),
        (
            vec!["# dependencies = ['six @ https://a.example/six.whl']"],
            2,
            "names a URL",
        ),
        (
            vec!["# dependencies = ['./six-1.0-py3-none-any.whl']"],
            2,
            "it is a path",
        ),
        (
            vec!["# dependencies = ['-r other.txt']"],
            2,
            "`-r other.txt`",
        ),
        (
            vec!["# requires-python = 'new'"],
            2,
            "requires-python `new`",
        ),
        (
            vec!["# [tool.sandbox-net]", "# deny = ['a.example']"],
            3,
            "unknown field `deny`",
        ),
        (
            vec!["# [tool.sandbox-net]", "# allow = ['any host']"],
            3,
            "the rule 'any host'",
        ),
        (vec!["# /// script", "# ///"], 1, "begins within another"),
        (vec!["# ///", "x = 1", "# /// script"], 4, "two comments"),
        (
            vec![&format!("# dependencies = [{many}]")],
            2,
            "more than 256 packages",
        ),
        (
            vec![&format!("# tool.sandbox-net.allow = [{rules}]")],
            2,
            "more than 16 rules",
        ),
        (vec![&format!("# {long}")], 1, "longer than 64.0 KiB"),
    ] {
        let lines = [&["# /// script"][..], &content, &["# ///"]].concat();
        let refused = parse(&lines).unwrap_err();
        assert!(refused.problem.contains(part), "{refused}");
        assert_eq!(refused.line, line, "{refused}");
        assert_eq!(refused.to_string().lines().count(), 1, "{refused}");
    }
    let refused = parse(&["import os", "# /// script", "# a = 1"]).unwrap_err();
    assert!(refused.to_string().starts_with("line 2: ") && refused.problem.contains("has no end"));
}

#[test]
fn a_file_of_requirements_has_one_on_each_line_and_nothing_else() {
    let text = "# all\nrequests>=2 # newer\n\n  six\nrich[jupyter]; python_version > '3'\n";
    let found = parse_requirements(text).unwrap();
    assert_eq!(
        found,
        ["requests>=2", "six", "rich[jupyter]; python_version > '3'"]
    );
    for (line, part) in [
        ("-r other.txt", "has an option"),
        ("--index-url https://a.example", "has an option"),
        ("-e .", "has an option"),
        ("six==1.0 --hash=sha256:00", "has an option"),
        ("https://a.example/six.whl", "can"),
        ("six @ https://a.example/six.tar.gz", "names a URL"),
        ("git+https://a.example/six", "cannot be used"),
        ("./six-1.0-py3-none-any.whl", "it is a path"),
        ("../six", "it is a path"),
        ("six==", "cannot be used"),
        ("six \\", "cannot be used"),
    ] {
        let refused = parse_requirements(&format!("rich\n{line}\n"))
            .unwrap_err()
            .to_string();
        assert!(
            refused.starts_with("line 2: ") && refused.contains(part),
            "{refused}"
        );
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
}

#[test]
fn a_byte_order_mark_is_ignored_at_the_start_and_nowhere_else() {
    let lines = ["# /// script", "# dependencies = ['six']", "# ///"];
    let script = lines.join("\n");
    let plain = ScriptMetadata::parse(&script);
    assert_eq!(plain.clone().unwrap().unwrap().dependencies(), ["six"]);
    assert_eq!(ScriptMetadata::parse(&format!("\u{feff}{script}")), plain);
    for elsewhere in [
        format!("\u{feff}\u{feff}{script}"),
        format!("\n\u{feff}{script}"),
    ] {
        assert_eq!(ScriptMetadata::parse(&elsewhere), Ok(None));
    }
    let fault = parse(&["\u{feff}# /// script", "# x", "# ///"]).unwrap_err();
    assert!(fault.to_string().starts_with("line 2: "), "{fault}");

    let packages = parse_requirements("\u{feff}six\nrequests<3\n");
    assert_eq!(packages.unwrap(), ["six", "requests<3"]);
    assert!(parse_requirements("six\n\u{feff}requests\n").is_err());
}
