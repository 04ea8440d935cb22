//! Properties that hold for every peer, however odd.

use proptest::prelude::*;

use crate::error::EgressError;
use crate::test_support::{Server, egress, get, ok};

/// Bytes that look more or less like a response.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"HTTP/1.0 404\n".to_vec()),
        Just(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Just(b"Content-Length: 5\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Connection: close\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"5\r\nhello\r\n".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(pieces, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_answer_gives_a_response_or_a_failure_and_the_next_request_works(answer in answers()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (first, second) = runtime.block_on(async {
            let good = ok("good");
            let server = Server::start(move |mut stream, number| {
                let answer = if number == 0 { answer.clone() } else { good.clone().into_bytes() };
                async move {
                    crate::test_support::read_request(&mut stream).await;
                    crate::test_support::write(&mut stream, &answer).await;
                }
            })
            .await;
            let origin = server.http();
            let egress = egress();
            let first = get(&egress, &origin).await;
            (first, get(&egress, &origin).await)
        });
        if let Err(error) = first {
            let is_expected = matches!(
                error,
                EgressError::Protocol(_) | EgressError::Limit(_) | EgressError::Reset
            );
            prop_assert!(is_expected, "{:?}", error);
        }
        prop_assert_eq!(second.unwrap().1, "good");
    }
}
