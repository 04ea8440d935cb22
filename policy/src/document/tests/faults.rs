//! The errors for texts that are not policy files.

use super::message;

#[test]
fn a_text_that_is_no_document_is_refused_with_the_line_and_what_is_wrong() {
    for (text, expected) in [
        (
            "",
            "the policy is empty and would deny everything: begin it with 'version = 1'",
        ),
        (
            " \t\r\n# version = 1\n",
            "the policy is empty and would deny everything: begin it with 'version = 1'",
        ),
        (
            "allow = ['a.test']",
            "'version = 1' is missing: begin the policy with it \
             (the file may be cut off, or is not a policy)",
        ),
        (
            "alow = ['a.test']\nversion = 2",
            "line 2: the policy has version 2, but this sandbox-net reads version 1",
        ),
        (
            "version = '1'",
            "line 1: version: expected the number 1, found \"1\"",
        ),
        (
            "version = 1.0",
            "line 1: version: expected the number 1, found 1.0",
        ),
        ("hello", "line 1: not TOML: key with no value, expected `=`"),
        (
            "version = 1\nallow = [\n  'a.test',\n",
            "line 3: not TOML: unclosed array, expected `]`",
        ),
        (
            "version = 1\nmode = \"report",
            "line 2: not TOML: invalid basic string, expected `\"`",
        ),
        (
            "version = 1\nmode = 'ask'\n\nmode = 'ask'",
            "line 4: the key 'mode' appears twice: remove one",
        ),
        (
            "version = 1\n[budgets]\n[budgets]",
            "line 3: the key 'budgets' appears twice: remove one",
        ),
        (
            "version = 1\nmode = 'enforced'",
            "line 2: mode: expected 'enforce', 'report' or 'ask', found \"enforced\"",
        ),
        (
            "version = 1\nmode = 1979-05-27",
            "line 2: mode: expected a string, found a date or time",
        ),
        (
            "version = 1\nallow = 'a.test'",
            "line 2: allow: expected a list of strings in '[' and ']', found \"a.test\"",
        ),
        (
            "version = 1\nallow = [\n  'a.test',\n  3,\n]",
            "line 4: allow: expected a string, found 3",
        ),
        (
            "version = 1\n[[deny]]",
            "line 2: deny: expected a string, found a table",
        ),
        (
            "version = 1\nsecret = ['a']",
            "line 2: secret: expected a table, [[secret]], found \"a\"",
        ),
        (
            "version = 1\n[secret]\nname = 'a'",
            "line 2: secret: expected tables that begin with '[[secret]]', found a table",
        ),
        (
            "version = 1\n[tls]\nhosts = ['a.test']",
            "line 2: tls: expected tables that begin with '[[tls]]', found a table",
        ),
        (
            "version = 1\n[[tls]]\nunverified = true",
            "line 2: 'hosts' is missing in [[tls]]",
        ),
        (
            "version = 1\n[[tls]]\nhosts = []\nunverified = true",
            "line 3: hosts: name at least one host, such as 'https://legacy.example.com'",
        ),
        (
            "version = 1\n[[tls]]\nhosts = ['a.test']\nunverified = false",
            "line 2: nothing is granted: set 'unverified', 'unverified_name', 'own_roots' or \
             'client_certificates' to true",
        ),
        (
            "version = 1\n[[tls]]\nhosts = ['a.test']\nunverified-name = true",
            "line 4: unknown key 'unverified-name' in [[tls]]; did you mean 'unverified_name'?",
        ),
        (
            "version = 1\n[[tls]]\nhosts = ['a.test']\nverify = false",
            "line 4: unknown key 'verify' in [[tls]]; known keys: 'hosts', 'unverified', \
             'unverified_name', 'own_roots', 'client_certificates'",
        ),
        (
            "version = 1\n[[tls]]\nhosts = ['a.test']\nunverified = 1",
            "line 4: unverified: expected true or false, found 1",
        ),
        (
            "version = 1\n[[tls]]\nhosts = [\n'a.test',\n'GET a.test']\nunverified = true",
            "line 5: hosts: 'GET a.test' names methods, but TLS starts before the method is known: \
             remove them",
        ),
        (
            "version = 1\n[[tls]]\nhosts = ['a.test/x']\nunverified = true",
            "line 3: hosts: 'a.test/x' has a path, but TLS starts before the path is known: remove \
             it",
        ),
        (
            "version = 1\n[[tls]]\nhosts = ['a.test to 10.0.0.1']\nunverified = true",
            "line 3: hosts: 'a.test to 10.0.0.1' has a 'to' list: move it to the rule that allows \
             the host",
        ),
        (
            "version = 1\n[[tls]]\nhosts = ['*.com']\nunverified = true",
            "line 3: the rule '*.com' is refused: '*.com' would allow a whole public suffix, \
             where anybody can register a name: write a longer domain, such as '*.example.com'",
        ),
        (
            "version = 1\nbudgets = 3",
            "line 2: budgets: expected a table, [budgets], found 3",
        ),
    ] {
        assert_eq!(message(text), expected, "{text}");
    }
}

#[test]
fn a_rule_is_refused_with_its_line_and_without_its_password() {
    for (text, expected) in [
        (
            "version = 1\n\nallow = ['a.test', '*.com']",
            "line 3: the rule '*.com' is refused: '*.com' would allow a whole public suffix, \
             where anybody can register a name: write a longer domain, such as '*.example.com'",
        ),
        (
            "version = 1\ndeny = [\n'a.test',\n'ftp://a.test']",
            "line 4: the rule 'ftp://a.test' is refused: unknown scheme 'ftp': \
             write 'http://' or 'https://', or remove the scheme to mean both",
        ),
        (
            "version = 1\nask = ['https://me:password@a.test']",
            "line 2: the rule is refused: a rule cannot contain user information: write 'https://a.test'",
        ),
        (
            "version = 1\nask = [\"a\\nb\"]",
            "line 2: the rule 'a\\nb' is refused: '\\n' cannot be part of a host name",
        ),
    ] {
        assert_eq!(message(text), expected, "{text}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_key_that_was_meant() {
    let secret = "name = 'a'\nrule = 'a.test'\n";
    for (lines, expected) in [
        (
            "\n\nalow = []",
            "line 4: unknown key 'alow'; did you mean 'allow'?",
        ),
        (
            "b = 1\nallow = 1\na = 2",
            "line 2: unknown key 'b'; known keys: 'version', 'mode', 'allow', 'deny', 'ask', \
             'budgets', 'secret', 'tls', 'field', 'tunnel', 'end'",
        ),
        (
            "[[secrets]]",
            "line 2: unknown key 'secrets'; did you mean 'secret'?",
        ),
        (
            "Mode = 'ask'",
            "line 2: unknown key 'Mode'; did you mean 'mode'?",
        ),
        (
            "[budgets]\nhosts = 1\nrequests-per-second = 1",
            "line 4: unknown key 'requests-per-second' in [budgets]; \
             did you mean 'requests_per_second'?",
        ),
        (
            "[budgets]\ntime = 1",
            "line 3: unknown key 'time' in [budgets]; known keys: 'requests', \
             'requests_per_second', 'connections', 'bytes_up', 'bytes_down', 'response_head', \
             'hosts', 'seconds', 'host_memory', 'lookups', 'connections_per_second', 'denials'",
        ),
        (
            &format!("[[secret]]\n{secret}header = []"),
            "line 5: unknown key 'header' in [[secret]]; did you mean 'headers'?",
        ),
        (
            &format!("[[secret]]\n{secret}source = {{ files = 'a' }}"),
            "line 5: unknown key 'files' in source; did you mean 'file'?",
        ),
        (
            "\"a\\nb\" = 1\n",
            "line 2: unknown key 'a\\nb'; known keys: 'version', 'mode', 'allow', 'deny', 'ask', \
             'budgets', 'secret', 'tls', 'field', 'tunnel', 'end'",
        ),
    ] {
        assert_eq!(
            message(&format!("version = 1\n{lines}")),
            expected,
            "{lines}"
        );
    }
}

#[test]
fn a_budget_is_refused_unless_it_is_a_number_in_its_range() {
    for (line, expected) in [
        (
            "requests = \"ten\"",
            "requests: expected a whole number of at least 0, found \"ten\"",
        ),
        (
            "requests = -1",
            "requests: expected a whole number of at least 0, found -1",
        ),
        (
            "requests = 1e3",
            "requests: expected a whole number of at least 0, found 1e3",
        ),
        (
            "bytes_up = 9223372036854775808",
            "bytes_up: expected a whole number of at most 9223372036854775807, \
             found 9223372036854775808",
        ),
        (
            "bytes_down = 0xffff_ffff_ffff_ffff_ffff",
            "bytes_down: expected a whole number of at most 9223372036854775807, \
             found 0xffffffffffffffffffff",
        ),
        (
            "hosts = 4294967296",
            "hosts: expected a whole number of at most 4294967295, found 4294967296",
        ),
        (
            "requests_per_second = 0",
            "requests_per_second: expected a whole number of at least 1, found 0",
        ),
        (
            "response_head = 0",
            "response_head: expected a whole number of at least 1, found 0",
        ),
        (
            "host_memory = 0",
            "host_memory: expected a whole number of at least 1, found 0",
        ),
        (
            "connections_per_second = 0",
            "connections_per_second: expected a whole number of at least 1, found 0",
        ),
        (
            "seconds = 0",
            "seconds: expected a whole number of at least 1, found 0",
        ),
        (
            "connections = true",
            "connections: expected a whole number of at least 0, found true",
        ),
    ] {
        let text = format!("version = 1\n[budgets]\n{line}");
        assert_eq!(message(&text), format!("line 3: {expected}"), "{line}");
    }
}

#[test]
fn a_secret_is_refused_at_the_line_of_its_fault() {
    const GOOD: [&str; 3] = [
        "name = 'a'",
        "rule = 'https://a.test'",
        "source = { env = 'A' }",
    ];
    let source = "line 5: source: write { env = \"NAME\" }, { file = \"PATH\" } or \
                  { command = [\"PROGRAM\"] }; do not write the secret itself into the policy";
    let [name, rule, env] = GOOD;
    for (lines, expected) in [
        (&[rule, env][..], "line 2: 'name' is missing in [[secret]]"),
        (&[name, env], "line 2: 'rule' is missing in [[secret]]"),
        (&[name, rule], "line 2: 'source' is missing in [[secret]]"),
        (
            &["name = 'A'", rule, env],
            "line 3: name: write 1 to 64 of a-z, 0-9, '_' and '-'",
        ),
        (
            &[name, "rule = 'http://a.test'", env],
            "line 4: rule: 'http://' would send the secret without TLS; write 'https://', \
             or set plain_http = true",
        ),
        (&[name, rule, "source = 'the-secret-itself'"], source),
        (&[name, rule, "source = {}"], source),
        (&[name, rule, "source = { env = 'A', file = 'b' }"], source),
        (
            &[name, rule, "source.env = 3"],
            "line 5: env: expected a string, found 3",
        ),
        (
            &[name, rule, "source.env = 'A=the-secret-itself'"],
            "line 5: source: a variable name cannot be empty or contain '=' or NUL",
        ),
        (
            &[name, rule, "source.command = []"],
            "line 5: source: a command begins with a program and cannot contain NUL",
        ),
        (
            &[name, rule, "source.file = ''"],
            "line 5: source: a file path cannot be empty or contain NUL",
        ),
        (
            &[name, rule, env, "headers = [", "'x-key',", "'Proxy-X']"],
            "line 8: headers: 'proxy-x' is set by the host; a secret cannot go there",
        ),
        (
            &[name, rule, env, "headers = ['authorization: Bearer abc']"],
            "line 6: headers: write names of header fields, such as 'authorization' or 'x-api-key'",
        ),
        (
            &[name, rule, env, "headers = []"],
            "line 6: headers: the secret is never sent; name a header or a query parameter, or set \
             basic",
        ),
        (
            &[name, rule, env, "query = ['']"],
            "line 6: query: write names of query parameters, such as 'key'",
        ),
        (
            &[name, rule, env, "env = ''"],
            "line 6: env: a variable name cannot be empty or contain '=' or NUL",
        ),
        (
            &[name, rule, env, "", "[[secret]]", name, rule, env],
            "line 7: name: another secret is already called 'a'",
        ),
        (
            &[
                name,
                rule,
                env,
                "[[secret]]",
                "name = 'b'",
                "env = 'A'",
                rule,
                env,
            ],
            "line 6: env: another secret already has the guest's variable 'A'",
        ),
    ] {
        let text = format!("version = 1\n[[secret]]\n{}", lines.join("\n"));
        assert_eq!(message(&text), expected, "{text}");
    }
}
