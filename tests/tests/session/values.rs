//! The forms of a turn's value.

use sandbox_net::{TurnEnd, TurnOptions};

use crate::{session, text, turn};

#[tokio::test]
async fn a_value_is_shown_as_text_and_as_json_where_it_has_that_form() {
    let (_sandbox, mut session) = session().await;
    for (code, expected, json) in [
        ("7", "7", Some("7")),
        ("True", "True", Some("true")),
        ("1.5", "1.5", Some("1.5")),
        ("float('nan')", "nan", None),
        ("[float('inf')]", "[inf]", None),
        ("'ä\"'", "'ä\"'", Some(r#""\u00e4\"""#)),
        (
            "{'a': [1, None, (2,)]}",
            "{'a': [1, None, (2,)]}",
            Some(r#"{"a": [1, null, [2]]}"#),
        ),
        ("{1, 2}", "{1, 2}", None),
        ("b'x'", "b'x'", None),
        ("l = []; l.append(l); l", "[[...]]", None),
        ("'\\ud800'", "'\\ud800'", Some(r#""\ud800""#)),
    ] {
        let outcome = turn(&mut session, code).await;
        let value = outcome
            .value
            .unwrap_or_else(|| panic!("{code}: {:?}", outcome.exception));
        assert_eq!(value.text, expected, "{code}");
        assert_eq!(value.json.as_deref(), json, "{code}");
        assert_eq!(value.mime, [], "{code}");
    }
}

#[tokio::test]
async fn a_value_has_the_forms_that_notebooks_show() {
    let (_sandbox, mut session) = session().await;
    let code = "\
class Picture:
    def _repr_html_(self): return '<b>it</b>'
    def _repr_png_(self): return b'\\x89PNG', {'width': 3}
    def _repr_svg_(self): raise NotImplementedError
    def _repr_latex_(self): return None
    def _repr_json_(self): return {'n': 1}
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {'text/plain': 'p', 'application/x.own': 'own', 'text/markdown': '*it*'}, {}

Picture()";
    let outcome = turn(&mut session, code).await;
    let value = outcome.value.expect("a value");
    assert!(
        value.text.starts_with("<__main__.Picture object at 0x"),
        "{}",
        value.text
    );
    let expected = [
        ("application/x.own", "own"),
        ("text/markdown", "*it*"),
        ("text/html", "<b>it</b>"),
        ("image/png", "iVBORw=="),
        ("application/json", r#"{"n": 1}"#),
    ];
    let found: Vec<_> = value
        .mime
        .iter()
        .map(|(name, data)| (&**name, &**data))
        .collect();
    assert_eq!(found, expected);
    // The class itself is not shown so, nor is what answers to every name.
    let outcome = turn(&mut session, "Picture").await;
    assert_eq!(outcome.value.expect("a value").mime, []);
    let code = "from unittest.mock import MagicMock\nMagicMock(name='m')";
    let outcome = turn(&mut session, code).await;
    assert_eq!(outcome.value.expect("a value").mime, []);
    // What fails is told, and the others are shown.
    let code = "class Bad:\n    def _repr_html_(self): return 1 / 0\n    def _repr_latex_(self): return '$x$'\n\nBad()";
    let outcome = turn(&mut session, code).await;
    assert!(
        outcome.stderr_text().contains("ZeroDivisionError"),
        "{}",
        outcome.stderr_text()
    );
    let value = outcome.value.expect("a value");
    assert_eq!(value.form("text/latex"), Some("$x$"));
    let code = "class Broken:\n    def __repr__(self): return 1 / 0\n\nBroken()";
    let outcome = turn(&mut session, code).await;
    assert_eq!(outcome.end, TurnEnd::Raised);
    assert_eq!(text(&mut session, "1").await, "1");
}

#[tokio::test]
async fn what_does_not_fit_the_reply_is_left_out_and_that_is_told() {
    let (_sandbox, mut session) = session().await;
    let options = || TurnOptions::new().reply_limit(4096);
    for (code, is_truncated) in [
        ("'x' * 1000", false),
        ("'ä' * 100_000", true),
        ("'x' * 50_000_000", true),
    ] {
        let outcome = session.exec_with(code, options()).await.expect("a turn");
        let value = outcome.value.expect("a value");
        assert_eq!(outcome.truncated, is_truncated, "{code}");
        assert!(value.text.len() <= 4096, "{}", value.text.len());
        assert_eq!(value.json.is_none(), is_truncated, "{code}");
    }
    let code = "class Big:\n    def _repr_html_(self): return 'x' * 10_000\n\nBig()";
    let outcome = session.exec_with(code, options()).await.expect("a turn");
    assert!(outcome.truncated);
    assert_eq!(outcome.value.expect("a value").mime, []);
    let outcome = session.exec("Big()").await.expect("a turn");
    let value = outcome.value.expect("a value");
    assert_eq!(
        (outcome.truncated, value.form("text/html").map(str::len)),
        (false, Some(10_000))
    );
    let code = "raise ValueError('y' * 100_000)";
    let outcome = session.exec_with(code, options()).await.expect("a turn");
    assert!(outcome.truncated);
    let error = outcome.exception.expect("an exception");
    assert_eq!(error.type_name, "ValueError");
    assert!(
        error.message.starts_with("yyy") && error.message.len() + error.traceback.len() <= 4096
    );
    // Beyond the mailbox, whole.
    assert_eq!(text(&mut session, "'z' * 100_000").await.len(), 100_002);
}
