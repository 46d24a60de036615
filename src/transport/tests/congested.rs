//! Sockets that are full, and what is asked of a transport meanwhile.

use super::mock::Told;
use super::*;

const BLOCK: Flags = Flags(4);

/// As OpenSSL: what was offered and refused has to come again, whole. A
/// client with two uploads; the IO is of no known type.
fn retry(frames: &[Raw]) {
    #[derive(Default)]
    struct Strict {
        record: Vec<u8>,
        blocked: bool,
        wire: Vec<u8>,
    }
    let io = Told::new(Strict::default(), |strict, buf| {
        assert!(
            buf.starts_with(&strict.record),
            "a bad retry: {} octets, then {}; the same as far as they go: {}",
            strict.record.len(),
            buf.len(),
            strict.record.starts_with(buf),
        );
        if strict.blocked {
            strict.record = buf.to_vec();
            return Poll::Pending;
        }
        strict.record.clear();
        strict.wire.extend(buf);
        Poll::Ready(Ok(buf.len()))
    });
    let mut io = Transport::client(io, Config::default().defer_flush(false));
    let polls = Polls::new();
    for part in [&PREFACE[..], &encode(&[settings(&[])])] {
        assert!(polls.write(&mut io, part).is_ready());
    }
    polls.flush_for_good(&mut io);
    for stream in [1, 3] {
        let headers = raw(FrameType::HEADERS, BLOCK, stream, vec![0x83]);
        assert!(polls.write(&mut io, &encode(&[headers])).is_ready());
        polls.flush_for_good(&mut io);
    }
    io.get_mut().state.blocked = true;
    let octets = encode(frames);
    let mut rest = &octets[..];
    if let Poll::Ready(Ok(n)) = polls.write(&mut io, rest) {
        rest = &rest[n..];
        let _ = polls.flush(&mut io);
    }
    io.get_mut().state.blocked = false;
    while !rest.is_empty() {
        let Poll::Ready(Ok(n)) = polls.write(&mut io, rest) else {
            panic!("the socket is free");
        };
        rest = &rest[n..];
    }
    polls.flush_for_good(&mut io);
}

#[test]
fn f4_frames_that_were_offered_are_not_joined() {
    retry(&[
        raw(FrameType::DATA, Flags::NONE, 1, vec![1; 100]),
        raw(FrameType::DATA, Flags::NONE, 1, vec![1; 100]),
    ]);
}

#[test]
fn b3_no_less_is_offered_than_before() {
    retry(&[raw(FrameType::DATA, Flags::NONE, 1, vec![1; 16_000])]);
}

/// The queue is full of what the peer takes no more, since its SETTINGS have
/// lowered the window; the socket is free. The stack cannot write the
/// acknowledgement, so h2 does not read, and nobody is woken.
#[test]
fn b3_a_write_waits_for_the_socket_alone() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default().queue(64 << 10, 64 << 10));
    let polls = Polls::new();
    // 1 MiB of window, of which the stack is told little by little.
    mock.deliver(&encode(&[settings(&[(4, 1 << 20)])]));
    while polls.read(&mut io).is_ready() {}
    for stream in [1, 3] {
        let headers = raw(FrameType::HEADERS, BLOCK, stream, vec![0x83]);
        assert!(polls.write(&mut io, &encode(&[headers])).is_ready());
    }
    for _ in 0..4 {
        for stream in [1, 3] {
            let _ = polls.write(&mut io, &data_on(stream, 16_000));
            polls.flush_for_good(&mut io);
        }
        while polls.read(&mut io).is_ready() {}
    }
    // The socket is full.
    mock.state().manners_mut().pending = 16;
    while !io.inner.streams.is_full() {
        assert!(polls.write(&mut io, &data_on(1, 16_000)).is_ready());
        for _ in 0..2 {
            let _ = polls.flush(&mut io);
        }
    }
    mock.deliver(&encode(&[settings(&[(4, 0)])]));
    // It is free again, and takes all there is.
    mock.state().manners_mut().pending = 0;
    while polls.read(&mut io).is_ready() {}
    let _ = polls.flush(&mut io);
    assert!(io.inner.streams.is_full() && io.inner.streams.is_overdrawn());
    mock.forget_wakers();
    let wakes = polls.wakes();
    let ack = encode(&[raw(FrameType::SETTINGS, Flags::ACK, 0, vec![])]);
    if polls.write(&mut io, &ack).is_pending() {
        assert!(
            mock.become_ready() || polls.wakes() > wakes,
            "nobody wakes it"
        );
    }
}

/// The head of a response comes after the client has reset its stream.
#[test]
fn t1_a_late_response_does_not_stay_in_the_table_of_streams() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default().stream_handles(true));
    let polls = Polls::new();
    let before = io.inner.shared.open_streams();
    for i in 0..100 {
        let stream = 2 * i + 1;
        let request = [
            raw(
                FrameType::HEADERS,
                BLOCK.with(Flags::END_STREAM),
                stream,
                vec![0x82],
            ),
            raw(FrameType::RST_STREAM, Flags::NONE, stream, vec![0, 0, 0, 8]),
        ];
        assert!(polls.write(&mut io, &encode(&request)).is_ready());
        polls.flush_for_good(&mut io);
        mock.deliver(&encode(&[raw(
            FrameType::HEADERS,
            BLOCK,
            stream,
            vec![0x88],
        )]));
        while polls.read(&mut io).is_ready() {}
    }
    assert_eq!(io.inner.shared.open_streams(), before);
}

/// "`HandleError::Full` if 64 frames or 64 KiB wait already".
#[test]
fn b3_what_handles_ask_for_is_bounded_while_frames_are_queued() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    for stream in [1, 3] {
        let headers = raw(FrameType::HEADERS, BLOCK, stream, vec![0x83]);
        assert!(polls.write(&mut io, &encode(&[headers])).is_ready());
    }
    polls.flush_for_good(&mut io);
    mock.state().manners_mut().pending = 16;
    for _ in 0..2 {
        let _ = polls.write(&mut io, &data_on(1, 16_000));
        let _ = polls.flush(&mut io);
        let _ = polls.flush(&mut io);
    }
    assert!(io.inner.write.is_queueing());
    let frame = || {
        Frame::from_parts(
            FrameType(0xee),
            Flags::NONE,
            StreamId::CONNECTION,
            vec![0; 16_000],
        )
    };
    let mut sent = 0;
    while io.handle().send_frames([frame()]).is_ok() {
        sent += 16_000;
        let _ = polls.read(&mut io);
        assert!(sent < 16 << 20, "{sent} octets wait, of 4 MiB");
    }
}

/// As TLS: all that is written is taken, and a flush is Pending while the
/// socket is full.
#[test]
fn b6_a_flush_that_is_pending_below_is_a_full_socket() {
    struct Buffers(Vec<u8>);
    impl AsyncRead for Buffers {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }
    impl AsyncWrite for Buffers {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.extend(buf);
            Poll::Ready(Ok(buf.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.0.len() < 10_000 {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let mut io = Transport::client(Buffers(Vec::new()), Config::default());
    let polls = Polls::new();
    for part in [&PREFACE[..], &encode(&[settings(&[])])] {
        assert!(polls.write(&mut io, part).is_ready());
    }
    polls.flush_for_good(&mut io);
    for stream in [1, 3] {
        let headers = raw(FrameType::HEADERS, BLOCK, stream, vec![0x83]);
        assert!(polls.write(&mut io, &encode(&[headers])).is_ready());
        polls.flush_for_good(&mut io);
    }
    let _ = polls.write(&mut io, &data_on(1, 16_000));
    let _ = polls.flush(&mut io);
    let flushed = polls.flush(&mut io);
    assert!(
        flushed.is_ready(),
        "the stack may hand over what is more urgent"
    );
    assert!(io.inner.write.is_queueing());
}
