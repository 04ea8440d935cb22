//! The JSON Schema of policy files, for editors and other tools.

use serde_json::{Value, json};

use super::Document;

/// Returns the JSON Schema (draft 2020-12) of a policy file, read as JSON.
///
/// It has every key with its type, range and meaning. Only [`Document::parse`] checks the grammar
/// of rules, and what is refused about secrets beyond the form of their keys.
#[must_use]
pub fn policy_schema() -> Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    // A document in memory has neither a version nor an end.
    schema["properties"]["version"] = json!({
        "const": 1,
        "description": "The version of this format.",
        "type": "integer",
    });
    schema["properties"]["end"] = json!({
        "additionalProperties": false,
        "description": "The last line of the file, so that one that is cut off is noticed.",
        "type": "object",
    });
    schema["required"] = json!(["version", "end"]);
    tidy(&mut schema);
    schema.sort_all_objects();
    schema
}

/// Returns [`policy_schema`] as it is in `policy.schema.json`.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", policy_schema())
}

/// Removes what comes from Rust and does not apply to TOML: formats such as `uint64`, defaults that
/// TOML cannot write, and line breaks within the paragraphs of doc comments.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, value| key != "format" && !(key == "default" && value.is_null()));
            if let Some(Value::String(text)) = object.get_mut("description") {
                let paragraphs = text.split("\n\n").map(|text| text.replace('\n', " "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(elements) => elements.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::read;
    use super::*;

    const MINIMAL: &str = "version = 1\n[end]\n";
    const SECRET: [(&str, &str); 3] = [
        ("name", "name = \"a\""),
        ("rule", "rule = \"https://a.test\""),
        ("source", "source = { env = \"A\" }"),
    ];

    fn keys(schema: &Value) -> BTreeSet<&str> {
        let properties = schema["properties"].as_object().unwrap();
        properties.keys().map(String::as_str).collect()
    }

    fn required(schema: &Value) -> BTreeSet<&str> {
        let required = schema["required"].as_array().unwrap();
        required.iter().map(|key| key.as_str().unwrap()).collect()
    }

    #[test]
    fn the_schema_file_is_the_generated_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy.schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, schema_text()).unwrap();
        }
        let file = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file == schema_text(),
            "policy.schema.json is out of date: \
             run 'UPDATE_SCHEMA=1 cargo test -p sandbox-net-policy'"
        );
    }

    #[test]
    fn the_schema_has_the_keys_that_the_parser_knows() {
        let schema = policy_schema();
        let definitions = &schema["$defs"];
        for (table, known) in [
            (&schema, read::DOCUMENT),
            (&definitions["Budgets"], read::BUDGETS),
            (&definitions["Secret"], read::SECRET),
            (&definitions["TlsGrants"], read::TLS),
            (&definitions["FieldGrants"], read::FIELD),
        ] {
            assert_eq!(keys(table), known.iter().copied().collect());
            assert_eq!(table["additionalProperties"], false);
        }
        let sources = definitions["SecretSource"]["oneOf"].as_array().unwrap();
        let source_keys: BTreeSet<_> = sources.iter().flat_map(keys).collect();
        assert_eq!(source_keys, read::SOURCE.iter().copied().collect());
        for source in sources {
            assert_eq!(keys(source), required(source));
            assert_eq!(source["additionalProperties"], false);
        }
    }

    #[test]
    fn the_schema_requires_the_keys_that_the_parser_requires() {
        let schema = policy_schema();
        assert_eq!(required(&schema), BTreeSet::from(["version", "end"]));
        assert!(Document::parse(MINIMAL).is_ok());
        let expected: BTreeSet<_> = SECRET.iter().map(|(key, _)| *key).collect();
        assert_eq!(required(&schema["$defs"]["Secret"]), expected);
        for (missing, _) in [("nothing", "")].iter().chain(&SECRET) {
            let there = SECRET.iter().filter(|(key, _)| key != missing);
            let lines: Vec<_> = there.map(|(_, line)| *line).collect();
            let text = format!("version = 1\n[[secret]]\n{}\n[end]\n", lines.join("\n"));
            let is_ok = Document::parse(&text).is_ok();
            assert_eq!(is_ok, *missing == "nothing", "{text}");
        }
    }

    #[test]
    fn the_schema_of_tls_grants_requires_what_the_parser_requires() {
        let grants = &policy_schema()["$defs"]["TlsGrants"];
        assert_eq!(required(grants), BTreeSet::from(["hosts"]));
        for (values, is_ok) in [
            ("hosts = ['a.test']\nunverified = true", true),
            ("unverified = true", false),
            ("hosts = []\nunverified = true", false),
        ] {
            let text = format!("version = 1\n[[tls]]\n{values}\n[end]\n");
            assert_eq!(Document::parse(&text).is_ok(), is_ok, "{text}");
        }
        assert_eq!(grants["properties"]["hosts"]["minItems"], 1);
        for key in keys(grants).difference(&required(grants)) {
            assert_eq!(grants["properties"][key]["type"], "boolean", "{key}");
        }
    }

    #[test]
    fn the_schema_of_field_grants_requires_what_the_parser_requires() {
        let grants = &policy_schema()["$defs"]["FieldGrants"];
        assert_eq!(required(grants), BTreeSet::from(["names", "hosts"]));
        for (values, is_ok) in [
            ("hosts = ['a.test']\nnames = ['x-host']", true),
            ("names = ['x-host']", false),
            ("hosts = ['a.test']", false),
            ("hosts = []\nnames = ['x-host']", false),
            ("hosts = ['a.test']\nnames = []", false),
        ] {
            let text = format!("version = 1\n[[field]]\n{values}\n[end]\n");
            assert_eq!(Document::parse(&text).is_ok(), is_ok, "{text}");
        }
        for key in ["names", "hosts"] {
            assert_eq!(grants["properties"][key]["minItems"], 1);
        }
    }

    #[test]
    fn the_schema_has_the_ranges_that_the_parser_accepts() {
        let schema = policy_schema();
        for key in read::BUDGETS {
            let budget = &schema["$defs"]["Budgets"]["properties"][key];
            assert_eq!(budget["type"], "integer", "{key}");
            let [least, most] = ["minimum", "maximum"].map(|end| budget[end].as_i64().unwrap());
            let (least, most) = (i128::from(least), i128::from(most));
            for number in [least - 1, least, most, most + 1] {
                let text = format!("version = 1\nbudgets.{key} = {number}\n[end]\n");
                let is_ok = Document::parse(&text).is_ok();
                assert_eq!(is_ok, (least..=most).contains(&number), "{text}");
            }
        }
    }

    #[test]
    fn the_schema_has_the_modes_and_types_that_the_parser_accepts() {
        let schema = policy_schema();
        let modes = schema["$defs"]["Mode"]["oneOf"].as_array().unwrap();
        let modes: Vec<_> = modes
            .iter()
            .map(|mode| mode["const"].as_str().unwrap())
            .collect();
        assert_eq!(
            modes,
            super::super::Mode::ALL.map(super::super::Mode::as_str)
        );
        let samples = [
            ("string", "\"a.test\""),
            ("integer", "1"),
            ("boolean", "true"),
            ("array", "[\"a\"]"),
        ];
        let secret = &schema["$defs"]["Secret"];
        let secret_head = SECRET.map(|(_, line)| line).join("\n");
        for key in ["allow", "deny", "ask"] {
            for (kind, value) in samples {
                let is_ok =
                    Document::parse(&format!("version = 1\n{key} = {value}\n[end]\n")).is_ok();
                assert_eq!(
                    is_ok,
                    schema["properties"][key]["type"] == kind,
                    "{key} = {value}"
                );
            }
        }
        for key in keys(secret).difference(&required(secret)) {
            for (kind, value) in samples {
                let text =
                    format!("version = 1\n[[secret]]\n{secret_head}\n{key} = {value}\n[end]\n");
                let is_ok = Document::parse(&text).is_ok();
                assert_eq!(is_ok, secret["properties"][key]["type"] == kind, "{text}");
            }
        }
    }
}
