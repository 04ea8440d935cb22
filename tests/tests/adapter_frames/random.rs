//! Random frames.

use bytes::Bytes;

use crate::exchanges::head;
use crate::frames::command::*;
use crate::frames::{Reply, Tls, WHOLE, connect, frame, poll, request};
use crate::guest::{CONTROL, Guest};
use crate::mock::{DnsFailure, ErrorCode};

const FRAMES: u32 = 300_000;

/// The xorshift generator of Marsaglia's paper, with its constants.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A frame that is valid, or almost.
fn sensible(random: &mut Random, ids: &[u32]) -> Vec<u8> {
    let id = match ids.is_empty() || random.one_in(20) {
        true => random.next() as u32,
        false => random.choose(ids),
    };
    let command = random.choose(&[
        1, 2, 3, 4, 5, 5, 5, 6, 6, 7, 8, 8, 9, 9, 9, 10, 10, 10, 11, 12,
    ]);
    let body = random.bytes(300);
    match command {
        RESOLVE => frame(command, 0, 0, b"host.example"),
        CONNECT => frame(command, 0, 80, &connect(random.next(), b"host.example")),
        START_TLS => {
            let tls = Tls {
                name: b"name",
                alpn: &[b"h2", &[b'x'; 9]],
                roots: &vec![&body[..]; random.below(5)],
                certificates: &[&body],
                key: b"key",
            };
            frame(command, id, random.below(7) as u32, &tls.payload())
        }
        REQUEST => {
            let arg = random.below(3) as u32;
            if random.one_in(3) {
                let payload = request(body.len() as u64, b"POST", b"/", &[]);
                return frame(command, id, 1 | WHOLE, &[&payload[..], &body].concat());
            }
            let size = if arg == 1 { random.next() } else { 0 };
            let fields = vec![(&b"name"[..], &body[..]); random.below(30)];
            frame(command, id, arg, &request(size, b"POST", &body, &fields))
        }
        WRITE => frame(command, id, random.choose(&[0, 0, WHOLE]), &body),
        READ | HEAD if random.one_in(2) => {
            let timeout = (random.below(1000) as u64).to_le_bytes();
            frame(command, id, random.below(200_000) as u32, &timeout)
        }
        READ => frame(command, id, 1 + random.below(200_000) as u32, b""),
        POLL => {
            let count = random.below(9);
            let entries: Vec<(u32, u8)> = (0..count)
                .map(|_| (id, random.choose(&[1, 1, 2, 3, 4, 7])))
                .collect();
            frame(command, 0, 0, &poll(random.below(1000) as u64, &entries))
        }
        _ => frame(command, id, 0, b""),
    }
}

/// A frame that is damaged somewhere, or random bytes.
fn any_frame(random: &mut Random, ids: &[u32]) -> Vec<u8> {
    let mut bytes = sensible(random, ids);
    match random.below(10) {
        0 => bytes = random.bytes(100),
        1 => bytes.truncate(random.below(bytes.len() + 1)),
        2 => bytes.extend(random.bytes(20)),
        3 | 4 => {
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
        }
        _ => {}
    }
    if random.one_in(2) && bytes.len() >= 16 {
        let size = (bytes.len() - 16) as u32;
        bytes[12..16].copy_from_slice(&size.to_le_bytes());
    }
    // No test should wait for hours.
    if matches!(bytes.get(1), Some(&(POLL | HEAD | READ))) && bytes.len() >= 24 {
        bytes[18..24].fill(0);
    }
    bytes
}

/// Changes something outside of the program.
fn happen(random: &mut Random, guest: &mut Guest) {
    let host = guest.host();
    if random.one_in(10) {
        host.refusal = Some(ErrorCode::Dns(DnsFailure::Temporary));
    }
    if !host.connections.is_empty() && random.one_in(3) {
        let connection = &host.connections[random.below(host.connections.len())];
        let phase = random.choose(&[Some(Ok(())), Some(Err(())), None]);
        let phase = phase.map(|phase: Result<(), ()>| phase.map_err(|()| ErrorCode::Reset));
        connection.send_modify(|state| state.phase = phase);
    }
    if !host.lookups.is_empty() && random.one_in(3) {
        let lookup = &host.lookups[random.below(host.lookups.len())];
        let answer = random.choose(&[Some(Ok(())), Some(Err(())), None]);
        let answer = answer.map(|it: Result<(), ()>| it.map_err(|()| ErrorCode::Reset));
        lookup.send_modify(|state| state.answer = answer);
    }
    if !host.exchanges.is_empty() {
        let exchange = &host.exchanges[random.below(host.exchanges.len())];
        let what = random.below(8);
        let bytes = random.bytes(1000);
        exchange.send_modify(|state| match what {
            0 => state.head = Some(Ok(head(&[(b"name", &bytes)]))),
            1 => state.permit = bytes.len(),
            2 | 3 => state.received = Bytes::from(bytes),
            4 => state.ended = true,
            5 => state.continued = true,
            6 => state.trailers = vec![(bytes.clone(), bytes)],
            _ => state.broken = bytes.len() < 100,
        });
    }
    for list in [host.connections.len(), host.exchanges.len()] {
        assert!(list < 1_000_000);
    }
    host.connections.truncate(50);
    host.lookups.truncate(50);
    let old = host.exchanges.len().saturating_sub(50);
    host.exchanges.drain(..old);
}

#[tokio::test]
async fn no_frame_traps_and_every_frame_gets_a_reply() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut guest = Guest::new().await;
    let mut ids = Vec::new();
    let mut seen = [0_u32; 256];
    for _ in 0..FRAMES {
        let bytes = any_frame(&mut random, &ids);
        let cut = random.below(bytes.len() + 1);
        let parts = [&bytes[..cut], &bytes[cut..]];
        assert_eq!(guest.write(CONTROL, &parts).await, Ok(bytes.len() as u32));
        let code = match guest.reply().await {
            Reply::Ok { value, payload } => {
                if (payload.is_empty() || bytes[1] == REQUEST)
                    && value > 0xFFF
                    && matches!(bytes[1], CONNECT | REQUEST | RESOLVE)
                {
                    ids.push(value);
                }
                0
            }
            Reply::Pending | Reply::Continue => 1,
            Reply::Error { code, .. } => code,
        };
        seen[usize::from(code)] += 1;
        if ids.len() > 100 {
            let id = ids.remove(random.below(100));
            guest.call(CLOSE, id, 0, b"").await;
        }
        happen(&mut random, &mut guest);
    }
    for code in [0, 1, 2, 10, 11, 128, 129, 130, 131] {
        assert!(seen[code] > 0, "no frame got {code}");
    }
}
