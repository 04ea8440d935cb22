//! Fakes of OpenAI's API and of the hub of models.

use sandbox_net_tests::{ApiAnswer, ApiRequest, pattern, sha256};
use serde_json::{Value, json};

use super::asked_before;

/// The commit that the hub's repository is at.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Where the files of that commit, and of its branch, are.
const RESOLVED: [&str; 2] = [
    "/team/model/resolve/main/",
    "/team/model/resolve/0123456789abcdef0123456789abcdef01234567/",
];

/// The answers of OpenAI's API, and of a model that writes code on request.
pub(super) fn openai(request: &ApiRequest, _: &str, before: &[ApiRequest]) -> ApiAnswer {
    let text = request.text();
    let model = json!({"id": "m", "object": "model", "created": 1, "owned_by": "us"});
    match (request.method.as_str(), request.path()) {
        _ if request.field("authorization") == Some("Bearer sk-bad") => {
            let error = json!({
                "message": "Incorrect API key provided: sk-bad.", "type": "invalid_request_error",
                "param": null, "code": "invalid_api_key",
            });
            ApiAnswer::json(401, json!({ "error": error }))
        }
        ("POST", "/v1/chat/completions")
            if text.contains(r#""stream": true"#) || text.contains(r#""stream":true"#) =>
        {
            ApiAnswer::new(200, "text/event-stream", events())
        }
        ("POST", "/v1/chat/completions") if text.contains("weather in") => {
            ApiAnswer::json(200, completion(code(&text)))
        }
        ("POST", "/v1/chat/completions") if is_first_of_openai(request, before) => {
            ApiAnswer::json(500, json!({"error": {"message": "try again"}}))
                .with("retry-after-ms", "10")
        }
        ("POST", "/v1/chat/completions") => ApiAnswer::json(200, completion("Grüße!")),
        ("GET", "/v1/models") => ApiAnswer::json(200, json!({"object": "list", "data": [model]})),
        ("POST", "/v1/files") => ApiAnswer::json(
            200,
            json!({"id": "file-1", "object": "file", "bytes": 9, "created_at": 1,
                   "filename": "a.jsonl", "purpose": "batch", "status": "processed"}),
        ),
        _ => ApiAnswer::json(404, json!({"error": {"message": "not found"}})),
    }
}

/// Whether it should be asked again, in the way of OpenAI's own client.
fn is_first_of_openai(request: &ApiRequest, before: &[ApiRequest]) -> bool {
    request.field("authorization") == Some("Bearer sk-1") && asked_before(request, before) == 0
}

/// The model's answer about the weather: first a call, then the text.
fn code(conversation: &str) -> &'static str {
    match conversation.contains("rain in") {
        false => "Thought: I ask.\n<code>\nfound = weather(\"Köln\")\nprint(found)\n</code>",
        true => "Thought: I know.\n<code>\nfinal_answer(found.upper())\n</code>",
    }
}

fn completion(content: &str) -> Value {
    json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": content},
        }],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    })
}

fn events() -> String {
    let event = |content: &str| {
        let data = json!({
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}],
        });
        format!("data: {data}\n\n")
    };
    let events: String = ["Grü", "ße", "!"].into_iter().map(event).collect();
    events + "data: [DONE]\n\n"
}

/// The answers of the hub, which also has a model.
pub(super) fn hub(request: &ApiRequest, origin: &str, before: &[ApiRequest]) -> ApiAnswer {
    let path = request.path();
    let files = [
        ("config.json", br#"{"kind": "small"}"#.to_vec()),
        ("data/large.bin", pattern(300_000).to_vec()),
    ];
    if path.starts_with("/v1/") {
        return openai(request, origin, before);
    }
    if let Some(name) = RESOLVED.iter().find_map(|start| path.strip_prefix(start)) {
        let Some((_, bytes)) = files.into_iter().find(|(known, _)| *known == name) else {
            return ApiAnswer::new(404, "text/plain", "Entry not found")
                .with("x-error-code", "EntryNotFound");
        };
        let tag = format!("\"{}\"", &sha256(&bytes)[..40]);
        return ApiAnswer::new(200, "application/octet-stream", bytes)
            .with("etag", tag)
            .with("x-repo-commit", COMMIT);
    }
    let listed = files.iter().map(|(name, bytes)| {
        json!({"type": "file", "oid": &sha256(bytes)[..40], "size": bytes.len(), "path": name})
    });
    match path.strip_prefix("/api/models/team/model") {
        Some(rest) if rest.starts_with("/tree/") => ApiAnswer::json(200, listed.collect::<Value>()),
        Some(_) => {
            let siblings: Vec<Value> = files
                .iter()
                .map(|(name, _)| json!({"rfilename": name}))
                .collect();
            ApiAnswer::json(
                200,
                json!({"_id": "1", "id": "team/model", "modelId": "team/model", "sha": COMMIT,
                       "private": false, "tags": [], "downloads": 0, "likes": 0,
                       "siblings": siblings}),
            )
        }
        None => ApiAnswer::json(404, json!({"error": "Repository not found"}))
            .with("x-error-code", "RepoNotFound")
            .with("x-error-message", "Repository not found"),
    }
}
