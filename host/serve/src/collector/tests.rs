//! What happens to lines while nobody takes them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;

use serde_json::{Value, json};

use super::*;

const ROOM: usize = 2;
const PATIENCE: Duration = Duration::from_secs(60);

fn line(number: usize) -> AuditLine {
    let line = json!({
        "type": "decision", "time": "2026-11-21T10:20:30.123Z", "sandbox": "acme/1", "sequence": number,
        "stage": "connect", "target": "a.test:443", "method": null, "verdict": "deny",
        "rule": "default-deny", "reason": "no-rule", "address": null,
    });
    serde_json::from_value(line).unwrap()
}

/// Reads the numbers of the lines of each message, and refuses messages with more lines than so many.
fn take_up_to(listener: &TcpListener, most: usize, expected: usize) -> Vec<u64> {
    let status = |message: &Value| match sequences(message).count() > most {
        true => 413,
        false => 200,
    };
    answered(listener, status, expected)
}

/// Answers with these statuses, then with 200.
fn take(listener: &TcpListener, mut statuses: Vec<u16>, expected: usize) -> Vec<u64> {
    let status = |_: &Value| match statuses.is_empty() {
        true => 200,
        false => statuses.remove(0),
    };
    answered(listener, status, expected)
}

/// The numbers of the lines that were taken.
fn answered(
    listener: &TcpListener,
    mut status: impl FnMut(&Value) -> u16,
    expected: usize,
) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < expected {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        while let Some(message) = read(&mut stream) {
            let status = status(&message);
            if status == 200 {
                numbers.extend(sequences(&message));
            }
            let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
            let answer = head + "content-length: 2\r\n\r\n{}";
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if numbers.len() >= expected {
                break;
            }
        }
    }
    numbers
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some(serde_json::from_slice(&body).unwrap())
}

fn sequences(message: &Value) -> impl Iterator<Item = u64> {
    let records = &message["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
    let records = records.as_array().expect("records").iter();
    records.map(|record| {
        let body = record["body"]["stringValue"].as_str().expect("a text");
        assert_eq!(record["severityText"], "WARN");
        serde_json::from_str::<Value>(body).unwrap()["sequence"]
            .as_u64()
            .unwrap()
    })
}

fn collector(address: SocketAddr) -> Arc<Collector> {
    let collector = Collector::with(ROOM, format!("http://{address}/v1/logs"));
    Arc::new(collector.unwrap())
}

#[test]
fn a_collector_that_fails_gets_each_line_again_and_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let collector = collector(listener.local_addr().unwrap());
    let taking = thread::spawn(move || take(&listener, vec![503, 429, 500], 5));
    for number in 0..5 {
        collector.write(&line(number)).unwrap();
    }
    assert!(collector.flush(PATIENCE));
    assert_eq!(taking.join().unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn what_waits_for_a_collector_is_bounded_and_nothing_is_lost() {
    const ALL: usize = 1000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let collector = collector(address);
    let written = Arc::new(AtomicUsize::new(0));
    let writing = {
        let (collector, written) = (Arc::clone(&collector), Arc::clone(&written));
        thread::spawn(move || {
            for number in 0..ALL {
                collector.write(&line(number)).unwrap();
                written.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    while written.load(Ordering::SeqCst) <= ROOM {
        thread::yield_now();
    }
    assert!(
        !collector.flush(Duration::from_millis(200)),
        "nobody takes it"
    );
    assert!(collector.is_stuck());
    // What waits, and one message that is sent again.
    assert!(written.load(Ordering::SeqCst) <= ROOM + TOGETHER);
    let listener = TcpListener::bind(address).unwrap();
    let taken = take(&listener, Vec::new(), ALL);
    writing.join().unwrap();
    let all: Vec<u64> = (0..1000).collect();
    assert_eq!(taken, all);
}

#[test]
fn messages_that_are_too_long_for_a_proxy_are_sent_in_parts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let collector = Collector::with(WAITING, format!("http://{address}/v1/logs")).unwrap();
    let taking = thread::spawn(move || take_up_to(&listener, 4, 40));
    for number in 0..40 {
        collector.write(&line(number)).unwrap();
    }
    assert!(collector.flush(PATIENCE));
    let all: Vec<u64> = (0..40).collect();
    assert_eq!(taking.join().unwrap(), all);
    assert!(!collector.is_stuck());
}

#[test]
fn a_collector_that_nobody_waits_for_ends_its_thread() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let collector = collector(address);
    collector.write(&line(1)).unwrap();
    let state = Arc::downgrade(&collector.state);
    drop(collector);
    while state.strong_count() > 0 {
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_operator_is_told_once_a_minute_however_often_it_fails() {
    let state = State::default();
    let begin = Instant::now();
    let told = |second| state.may_tell(begin + Duration::from_secs(second));
    let told: Vec<_> = [0, 0, 1, 59, 60, 61, 119, 120, 600, 601].map(told).into();
    let expected = [
        true, false, false, false, true, false, false, true, true, false,
    ];
    assert_eq!(told, expected);
}
