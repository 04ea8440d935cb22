use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::*;

fn made(memory: &HostMemory) -> (PipeWriter, OutputReader) {
    pipe(memory).unwrap()
}

fn is_broken(result: StreamResult<()>) -> bool {
    let Err(StreamError::LastOperationFailed(error)) = result else {
        return false;
    };
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[tokio::test]
async fn bytes_arrive_while_the_program_runs_and_the_rest_after_its_end() {
    let memory = HostMemory::new(1 << 20);
    let (mut writer, mut reader) = made(&memory);
    writer.write(Bytes::from_static(b"first")).unwrap();
    assert_eq!(reader.next().await.unwrap(), "first");
    let nothing = timeout(Duration::from_millis(10), reader.next()).await;
    assert!(nothing.is_err(), "no end before the program's");
    writer.write(Bytes::from_static(b"second\nthird")).unwrap();
    assert_eq!(writer.last(), b"firstsecond\nthird");
    drop(writer);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "second\nthird");
    assert_eq!(memory.used(), 0, "the queue is given back at the end");
}

#[tokio::test]
async fn the_program_waits_where_nobody_reads() {
    let memory = HostMemory::new(1 << 20);
    let (mut writer, mut reader) = made(&memory);
    assert_eq!(writer.check_write().unwrap(), QUEUE);
    writer.write(vec![7; QUEUE].into()).unwrap();
    assert_eq!(writer.check_write().unwrap(), 0);
    let waits = timeout(Duration::from_millis(10), writer.ready()).await;
    assert!(waits.is_err());
    let mut one = [0; 1];
    reader.read_exact(&mut one).await.unwrap();
    writer.ready().await;
    assert_eq!(writer.check_write().unwrap(), 1);
    // A guest that ignores its room is ended, and costs no more memory.
    assert!(matches!(
        writer.write(vec![7; 2].into()),
        Err(StreamError::Trap(_))
    ));
    assert_eq!(memory.used(), QUEUE);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_a_broken_pipe_and_wakes_the_program() {
    let memory = HostMemory::new(1 << 20);
    let (mut writer, reader) = made(&memory);
    writer.write(vec![7; QUEUE].into()).unwrap();
    let (ready, ()) = tokio::join!(timeout(Duration::from_secs(5), writer.ready()), async {
        tokio::task::yield_now().await;
        drop(reader);
    });
    ready.expect("it is woken");
    for result in [
        writer.check_write().map(drop),
        writer.write(Bytes::from_static(b"x")),
        writer.flush(),
    ] {
        assert!(is_broken(result));
    }
    assert_eq!(memory.used(), 0);
}

#[tokio::test]
async fn the_end_comes_although_the_guest_still_has_its_stream() {
    let memory = HostMemory::new(1 << 20);
    let (writer, mut reader) = made(&memory);
    let kept = writer.clone();
    writer.close();
    assert_eq!(reader.next().await, None);
    assert!(is_broken(kept.room().map(drop)));
}

#[test]
fn a_sandbox_without_memory_gets_no_pipe() {
    let memory = HostMemory::new(1 << 10);
    let error = pipe(&memory).err().expect("there is no room");
    assert!(matches!(error, Error::HostMemory));
}
