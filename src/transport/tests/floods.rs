//! Managed receive windows where much comes at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{FlowControl, WindowBudget};

/// Handles that are open after a peer has opened `streams` which the stack, h2,
/// ignores, since it has said goodbye.
async fn after_goodbye(config: Config, streams: u32) -> usize {
    let (client, server) = tokio::io::duplex(1 << 20);
    let io = Transport::server(server, config.stream_handles(true).defer_flush(false));
    let shared = Arc::clone(&io.inner.shared);
    let (goodbye, said) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let mut connection = h2::server::handshake(io).await.unwrap();
        let first = connection.accept().await.unwrap().unwrap();
        connection.graceful_shutdown();
        goodbye.send(()).unwrap();
        while let Some(Ok(_)) = connection.accept().await {}
        drop(first);
    });
    let (mut reading, mut writing) = tokio::io::split(client);
    let headers = |stream| {
        raw(
            FrameType::HEADERS,
            Flags::END_HEADERS,
            stream,
            vec![0x83, 0x86, 0x84],
        )
    };
    let mut octets = PREFACE.to_vec();
    octets.extend(encode(&[settings(&[]), headers(1)]));
    writing.write_all(&octets).await.unwrap();
    said.await.unwrap();
    // Answers PINGs and SETTINGS until the second GOAWAY.
    let mut goaways = 0;
    while goaways < 2 {
        let mut head = [0; 9];
        reading.read_exact(&mut head).await.unwrap();
        let head = Head::decode(&head);
        let mut payload = vec![0; head.length as usize];
        reading.read_exact(&mut payload).await.unwrap();
        let is_ack = head.flags.contains(Flags::ACK);
        match head.kind {
            FrameType::GOAWAY => goaways += 1,
            FrameType::PING if !is_ack => {
                let ack = raw(FrameType::PING, Flags::ACK, 0, payload);
                writing.write_all(&encode(&[ack])).await.unwrap();
            }
            FrameType::SETTINGS if !is_ack => {
                let ack = raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]);
                writing.write_all(&encode(&[ack])).await.unwrap();
            }
            _ => {}
        }
    }
    let drain = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = reading.read_to_end(&mut all).await;
        parse(&all).len()
    });
    for n in 1..=streams {
        writing
            .write_all(&encode(&[headers(2 * n + 1)]))
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!serving.is_finished(), "the first stream is open");
    let open = shared.open_streams();
    drop(writing);
    serving.abort();
    let _ = drain.await;
    open
}

#[tokio::test]
async fn streams_that_h2_ignores_are_bounded() {
    let without = after_goodbye(Config::default(), 20_000).await;
    let flow = FlowControl::default().budget(WindowBudget::new(1 << 30));
    let with = after_goodbye(Config::default().flow_control(flow), 20_000).await;
    assert!(without < 1_000, "{without} without managed windows");
    assert!(
        with < 1_000,
        "{with} with managed windows, {without} without"
    );
}

#[test]
fn b3_updates_that_found_no_room_go_out_once_there_is_some() {
    let mock = Mock::new(POLITE);
    let flow = FlowControl::default()
        .initial_window(65_535)
        .budget(WindowBudget::new(0));
    let config = Config::default()
        .batch(1_024, 1_024)
        .stream_handles(true)
        .defer_flush(false)
        .flow_control(flow);
    let mut io = Transport::server(mock.clone(), config);
    let shared = Arc::clone(&io.inner.shared);
    let polls = Polls::new();
    let ack = raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]);
    mock.deliver(PREFACE);
    mock.deliver(&encode(&[settings(&[])]));
    while polls.read(&mut io).is_ready() {}
    let more = raw(
        FrameType::WINDOW_UPDATE,
        Flags::NONE,
        0,
        (1_u32 << 30).to_be_bytes().to_vec(),
    );
    let first = encode(&[settings(&[(4, 16 << 20)]), ack.clone(), more]);
    let mut at = 0;
    while at < first.len() {
        let Poll::Ready(Ok(n)) = polls.write(&mut io, &first[at..]) else {
            panic!()
        };
        at += n;
    }
    polls.flush_for_good(&mut io);
    mock.deliver(&encode(&[ack]));
    // Each stream's application consumes nothing, so that its peer has to wait.
    const STREAMS: u32 = 400;
    let mut states = Vec::new();
    for n in 0..STREAMS {
        let stream = 2 * n + 1;
        let flags = Flags::END_HEADERS;
        mock.deliver(&encode(&[raw(
            FrameType::HEADERS,
            flags,
            stream,
            vec![0x83],
        )]));
        while polls.read(&mut io).is_ready() {}
        let id = StreamId::new(stream).unwrap();
        let state = shared.open_stream(id);
        state.watch(None, None);
        states.push((id, state));
        for octets in [16_384, 16_384, 16_384, 16_383] {
            mock.deliver(&data_on(stream, octets));
        }
        while polls.read(&mut io).is_ready() {}
    }
    let updates = |mock: &Mock| {
        let frames = parse(&mock.state().wire);
        let is_update = |f: &&Raw| f.kind == FrameType::WINDOW_UPDATE && f.stream > 0;
        frames.iter().filter(is_update).count()
    };
    assert_eq!(updates(&mock), 0);
    // All are dropped.
    for (id, state) in &states {
        if state.unwatch() {
            shared.note_consumed(*id);
        }
    }
    // Polled as long as it is woken.
    let mut wakes = 0;
    while polls.wakes() != wakes {
        wakes = polls.wakes();
        while polls.read(&mut io).is_ready() {}
    }
    assert_eq!(updates(&mock), STREAMS as usize);
}
