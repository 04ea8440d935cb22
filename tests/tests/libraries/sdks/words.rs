//! Fakes of the APIs of Slack, Notion and Elasticsearch.

use sandbox_net_tests::{ApiAnswer, ApiRequest};
use serde_json::{Value, json};

use super::{asked_before, parameter, plain};

/// The answers of Slack's API.
pub(super) fn slack(request: &ApiRequest, origin: &str, before: &[ApiRequest]) -> ApiAnswer {
    let ok = |mut answer: Value| {
        answer["ok"] = json!(true);
        ApiAnswer::json(200, answer)
    };
    let text = request.text();
    match request.path() {
        "/api/auth.test" => ok(json!({"user": "bot", "team": "T1"})),
        "/api/chat.postMessage" => ok(json!({"channel": "C1", "ts": "1.2"})),
        "/api/conversations.list" => {
            let cursor = parameter(&request.target, "cursor") + &parameter(&text, "cursor");
            match cursor.as_str() {
                "" => ok(json!({
                    "channels": [{"id": "C1"}, {"id": "C2"}],
                    "response_metadata": {"next_cursor": "two"},
                })),
                _ => ok(json!({
                    "channels": [{"id": "C3"}], "response_metadata": {"next_cursor": ""},
                })),
            }
        }
        "/api/files.getUploadURLExternal" => {
            ok(json!({"upload_url": format!("{origin}/upload/1"), "file_id": "F1"}))
        }
        "/upload/1" => ApiAnswer::new(200, "text/plain", "OK"),
        "/api/files.completeUploadExternal" => ok(json!({"files": [{"id": "F1"}]})),
        "/api/users.info" if asked_before(request, before) == 0 => {
            ApiAnswer::json(429, json!({"ok": false, "error": "ratelimited"}))
                .with("retry-after", "1")
        }
        "/api/users.info" => ok(json!({"user": {"name": "ada"}})),
        "/hook/T1" => ApiAnswer::new(200, "text/html", "ok"),
        _ => ApiAnswer::json(200, json!({"ok": false, "error": "message_not_found"})),
    }
}

/// The answers of Notion's API.
pub(super) fn notion(request: &ApiRequest, _: &str, _: &[ApiRequest]) -> ApiAnswer {
    let user = |id: &str| json!({"object": "user", "id": id});
    match (request.method.as_str(), request.path()) {
        ("POST", "/v1/pages") => ApiAnswer::json(200, json!({"object": "page", "id": "p2"})),
        ("GET", "/v1/users") => {
            let is_first = parameter(&request.target, "start_cursor").is_empty();
            let results = match is_first {
                true => json!([user("u1"), user("u2")]),
                false => json!([user("u3")]),
            };
            let next = is_first.then_some("two");
            ApiAnswer::json(
                200,
                json!({"object": "list", "results": results, "has_more": is_first,
                       "next_cursor": next}),
            )
        }
        ("GET", path) if path.starts_with("/v1/users/") => {
            ApiAnswer::json(200, user(&path["/v1/users/".len()..]))
        }
        _ => ApiAnswer::json(
            404,
            json!({"object": "error", "status": 404, "code": "object_not_found",
                   "message": "Could not find page"}),
        ),
    }
}

/// The answers of Elasticsearch. Requests with the field `Content-Encoding` are compressed.
pub(super) fn elasticsearch(request: &ApiRequest, _: &str, _: &[ApiRequest]) -> ApiAnswer {
    let hits = |ids: &[&str]| {
        let hits: Vec<Value> = ids
            .iter()
            .map(|id| json!({"_id": id, "_index": "books"}))
            .collect();
        json!({"total": {"value": 3, "relation": "eq"}, "hits": hits})
    };
    let body = String::from_utf8_lossy(&plain(request)).into_owned();
    let shards = json!({"total": 1, "successful": 1, "skipped": 0, "failed": 0});
    let (status, answer) = match (request.method.as_str(), request.path()) {
        ("GET", "/") => (
            200,
            json!({"version": {"number": "9.5.0", "build_flavor": "default"}}),
        ),
        ("PUT" | "POST", "/_bulk") => {
            let lines = body
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let ids =
                lines.filter_map(|line: Value| line["index"]["_id"].as_str().map(String::from));
            let items: Vec<Value> = ids
                .map(|id| json!({"index": {"_id": id, "status": 201, "result": "created"}}))
                .collect();
            (200, json!({"took": 1, "errors": false, "items": items}))
        }
        ("PUT", "/books/_doc/%C3%A4%2F1" | "/books/_doc/ä%2F1") => {
            (201, json!({"_id": "ä/1", "result": "created"}))
        }
        ("POST", "/books/_search") if !parameter(&request.target, "scroll").is_empty() => (
            200,
            json!({"_scroll_id": "s1", "hits": hits(&["1", "2"]), "_shards": shards,
                   "timed_out": false}),
        ),
        ("POST", "/books/_search") => (200, json!({"hits": hits(&["1", "2"]), "_shards": shards})),
        ("POST", "/_search/scroll") => {
            let ids: &[&str] = if body.contains("s1") { &["3"] } else { &[] };
            (
                200,
                json!({"_scroll_id": "s2", "hits": hits(ids), "_shards": shards}),
            )
        }
        ("DELETE", "/_search/scroll") => (200, json!({"succeeded": true})),
        _ => (404, json!({"_index": "books", "found": false})),
    };
    ApiAnswer::json(status, answer).with("x-elastic-product", "Elasticsearch")
}
