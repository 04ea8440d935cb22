//! Fakes of the APIs of Stripe and Twilio.

use sandbox_net_tests::{ApiAnswer, ApiRequest};
use serde_json::{Value, json};

use super::{asked_before, parameter};

/// The answers of Stripe's API.
pub(super) fn stripe(request: &ApiRequest, _: &str, before: &[ApiRequest]) -> ApiAnswer {
    let text = request.text();
    let customer = |id: &str| json!({"id": id, "object": "customer", "email": "ä@example.com"});
    let answer = match (request.method.as_str(), request.path()) {
        ("POST", "/v1/customers") => {
            let mut made = customer("cus_1");
            made["metadata"] = json!({"order": parameter(&text, "metadata[order]")});
            ApiAnswer::json(200, made)
        }
        ("GET", "/v1/customers") => {
            let after = parameter(&request.target, "starting_after");
            let (ids, has_more) = match after.as_str() {
                "" => (["cus_1", "cus_2"].as_slice(), true),
                _ => (["cus_3"].as_slice(), false),
            };
            let data: Vec<Value> = ids.iter().map(|id| customer(id)).collect();
            let url = request.path();
            ApiAnswer::json(
                200,
                json!({"object": "list", "url": url, "has_more": has_more, "data": data}),
            )
        }
        ("GET", "/v1/customers/cus_1") => ApiAnswer::json(200, customer("cus_1")),
        ("POST", "/v1/payment_intents") if asked_before(request, before) == 0 => ApiAnswer::json(
            500,
            json!({"error": {"message": "try again", "type": "api_error"}}),
        )
        .with("stripe-should-retry", "true"),
        ("POST", "/v1/payment_intents") => ApiAnswer::json(
            200,
            json!({"id": "pi_1", "object": "payment_intent", "amount": 100}),
        ),
        ("POST", "/v1/charges") => {
            let error = json!({
                "type": "card_error", "code": "card_declined", "message": "Your card was declined."
            });
            ApiAnswer::json(402, json!({ "error": error }))
        }
        _ => {
            let error = json!({
                "type": "invalid_request_error", "code": "resource_missing", "param": "id",
                "message": format!("No such customer: '{}'", request.path()),
            });
            ApiAnswer::json(404, json!({ "error": error }))
        }
    };
    answer.with("request-id", "req_1")
}

/// The answers of Twilio's API.
pub(super) fn twilio(request: &ApiRequest, _: &str, _: &[ApiRequest]) -> ApiAnswer {
    const MESSAGES: &str = "/2010-04-01/Accounts/AC1/Messages.json";
    let message = |sid: &str| {
        json!({
            "sid": sid, "status": "queued", "account_sid": "AC1",
            "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        })
    };
    match (request.method.as_str(), request.path()) {
        _ if request.field("authorization").is_none() => {
            ApiAnswer::json(401, json!({"code": 20003, "message": "Authenticate"}))
        }
        ("POST", MESSAGES) if parameter(&request.text(), "To") == "nobody" => ApiAnswer::json(
            400,
            json!({
                "code": 21211, "message": "Invalid 'To' Phone Number: nobody", "status": 400,
                "more_info": "https://www.twilio.com/docs/errors/21211",
            }),
        ),
        ("POST", MESSAGES) => ApiAnswer::json(201, message("SM1")),
        ("GET", MESSAGES) => {
            let (sids, next) = match parameter(&request.target, "Page").as_str() {
                "" => (
                    ["SM1", "SM2"].as_slice(),
                    json!(format!("{MESSAGES}?PageSize=2&Page=1")),
                ),
                _ => (["SM3"].as_slice(), Value::Null),
            };
            let messages: Vec<Value> = sids.iter().map(|sid| message(sid)).collect();
            ApiAnswer::json(
                200,
                json!({"messages": messages, "next_page_uri": next, "page_size": 2}),
            )
        }
        ("DELETE", _) => ApiAnswer::new(204, "application/json", ""),
        _ => ApiAnswer::json(404, json!({"code": 20404, "message": "not found"})),
    }
}
