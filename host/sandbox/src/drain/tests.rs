//! Writers that are slow, that fail, and that never return.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// A writer that tells when a write begins, waits for leave, and tells what it wrote.
struct Gated {
    begun: Sender<()>,
    leave: Receiver<io::Result<()>>,
    written: Sender<Vec<u8>>,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.begun.send(());
        self.leave.recv().unwrap_or(Ok(()))?;
        let _ = self.written.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Gate {
    begun: Receiver<()>,
    leave: Sender<io::Result<()>>,
    written: Receiver<Vec<u8>>,
}

impl Gate {
    fn let_pass(&self, writes: usize) {
        (0..writes).for_each(|_| self.leave.send(Ok(())).unwrap());
    }

    fn written(&self) -> Vec<Vec<u8>> {
        self.written.try_iter().collect()
    }
}

fn gated() -> (Gate, Drain) {
    let (begin, begun) = channel();
    let (leave, wait) = channel();
    let (tell, written) = channel();
    let writer = Gated {
        begun: begin,
        leave: wait,
        written: tell,
    };
    let gate = Gate {
        begun,
        leave,
        written,
    };
    (gate, Drain::new(Arc::new(Mutex::new(writer))))
}

#[tokio::test]
async fn a_write_waits_until_it_is_done_and_does_not_block_its_thread() {
    let (gate, drain) = gated();
    let mut stream = drain.stream();
    let mut writing = std::pin::pin!(stream.blocking_write_and_flush(Bytes::from_static(b"one")));
    // The runtime has one thread: a write that blocked it would never come back here.
    let waited = tokio::time::timeout(Duration::from_millis(20), &mut writing).await;
    assert!(waited.is_err());
    gate.let_pass(1);
    writing.await.unwrap();
    assert_eq!(gate.written(), [b"one"]);
}

#[tokio::test]
async fn what_waits_for_the_writer_is_bounded_and_stays_in_order() {
    let (gate, drain) = gated();
    let mut stream = drain.stream();
    let mut sent = Vec::new();
    while let room @ 1.. = stream.check_write().unwrap() {
        let piece = vec![b'a' + u8::try_from(sent.len() % 26).unwrap(); room.min(4096)];
        stream.write(Bytes::from(piece.clone())).unwrap();
        sent.push(piece);
    }
    assert_eq!(sent.concat().len(), QUEUE);
    assert!(matches!(
        stream.write(Bytes::from_static(b"more")),
        Err(StreamError::Trap(_))
    ));
    gate.let_pass(sent.len());
    stream.written().await;
    assert_eq!(gate.written(), sent);
}

#[tokio::test]
async fn flushes_that_wait_for_the_writer_are_one() {
    let (gate, drain) = gated();
    let mut stream = drain.stream();
    stream.write(Bytes::from_static(b"one")).unwrap();
    for _ in 0..1000 {
        stream.flush().unwrap();
        assert_eq!(stream.stream.progress().flushes, 1);
    }
    gate.let_pass(2);
    let next = stream.blocking_write_and_flush(Bytes::from_static(b"two"));
    next.await.unwrap();
    assert_eq!(gate.written(), [b"one", b"two"]);
}

#[tokio::test]
async fn an_error_of_the_writer_is_one_of_the_guests_write_and_the_next_write_is_tried() {
    let (gate, drain) = gated();
    let mut stream = drain.stream();
    gate.leave
        .send(Err(io::ErrorKind::StorageFull.into()))
        .unwrap();
    gate.let_pass(1);
    let failed = stream.blocking_write_and_flush(Bytes::from_static(b"lost"));
    let Err(StreamError::LastOperationFailed(error)) = failed.await else {
        panic!("the writer failed");
    };
    let error = error.downcast::<io::Error>().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let next = stream.blocking_write_and_flush(Bytes::from_static(b"kept"));
    next.await.unwrap();
    assert_eq!(gate.written(), [b"kept"]);
}

#[tokio::test]
async fn what_is_not_written_when_a_run_ends_is_dropped() {
    let (gate, drain) = gated();
    let (mut first, mut second) = (drain.stream(), drain.stream());
    first.write(Bytes::from_static(b"begun")).unwrap();
    first.write(Bytes::from_static(b"dropped")).unwrap();
    gate.begun.recv().unwrap();
    assert!(first.close(Duration::ZERO).await);
    // The next run of the same sandbox waits for the write that was begun, and for no other.
    gate.let_pass(2);
    let next = second.blocking_write_and_flush(Bytes::from_static(b"next"));
    next.await.unwrap();
    assert!(!second.close(Duration::ZERO).await);
    assert_eq!(gate.written(), [&b"begun"[..], b"next"]);
}

#[tokio::test]
async fn a_writer_that_panics_is_an_error_of_the_write() {
    struct Panics;
    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("a fault of the embedder's writer")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let drain = Drain::new(Arc::new(Mutex::new(Panics)));
    for _ in 0..2 {
        let mut stream = drain.stream();
        let failed = stream
            .blocking_write_and_flush(Bytes::from_static(b"x"))
            .await;
        assert!(matches!(failed, Err(StreamError::LastOperationFailed(_))));
    }
}
