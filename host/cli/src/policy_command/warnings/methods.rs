//! Warns about methods that nobody has registered: most of them are slips of the keyboard.

use sandbox_net::policy::{Document, Rule};

use super::Parts;

/// The [registered methods](https://www.iana.org/assignments/http-methods/http-methods.xhtml), and `PURGE`, which
/// caches have.
const REGISTERED: [&str; 41] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "PURGE",
];

/// The methods of a document's rules that are none of them, one line each.
pub(super) fn unknown(document: &Document) -> Vec<String> {
    let lists = [
        ("allow", &document.allow),
        ("deny", &document.deny),
        ("ask", &document.ask),
    ];
    let all = lists.into_iter().flat_map(|(list, rules)| {
        let rules = rules.iter();
        rules.flat_map(move |rule| of(rule).map(move |method| (list, rule, method)))
    });
    all.map(|(list, rule, method)| {
        format!("'{method}' in '{rule}' of '{list}' is no registered method: is it written as it is sent?")
    })
    .collect()
}

fn of(rule: &Rule) -> impl Iterator<Item = &str> {
    let methods = Parts::of(rule).methods.trim_end().split(',');
    methods.filter(|method| !method.is_empty() && !REGISTERED.contains(method))
}
