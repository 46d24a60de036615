//! Models of handles that ask while the connection's task goes to sleep, or ends.
//!
//! The transport is the whole of it, over a mock. Each call of tokio's `oneshot`,
//! which takes the answer of a PING, is one step here.

use loom::thread;

use super::*;
use crate::proto::stream_state::StreamState;
use crate::sync::model::{block_on, check, run};
use crate::{FlowControl, WindowBudget};

fn read(io: &mut Transport<Mock>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut space = [0; 100];
    Pin::new(io).poll_read(cx, &mut ReadBuf::new(&mut space))
}

fn frame() -> Frame {
    let stream = StreamId::new(1).expect("it is one");
    Frame::extension(FrameType(0xbe), Flags::NONE, stream, vec![7])
}

/// What a connection may come to, and that nothing that was asked for is left then.
fn ends() -> [fn(Transport<Mock>, &Mock) -> Option<Transport<Mock>>; 4] {
    [
        |io, _| {
            drop(io);
            None
        },
        |mut io, _| {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut io).poll_shutdown(&mut cx).is_ready());
            Some(io)
        },
        |mut io, mock| {
            let mut cx = Context::from_waker(Waker::noop());
            mock.state().fail_at = Some(0);
            mock.state().wire.clear();
            // The first flush may be answered early.
            let _ = Pin::new(&mut io).poll_write(&mut cx, &data(1));
            let _ = Pin::new(&mut io).poll_flush(&mut cx);
            let _ = Pin::new(&mut io).poll_flush(&mut cx);
            assert!(io.handle().is_closed());
            Some(io)
        },
        |mut io, mock| {
            let mut cx = Context::from_waker(Waker::noop());
            mock.state().eof = true;
            assert!(read(&mut io, &mut cx).is_ready());
            drop(io);
            None
        },
    ]
}

#[test]
fn a_frame_that_is_accepted_is_sent() {
    check(Some(3), || {
        let mock = Mock::new(POLITE);
        // It has slept already, as another task.
        let mut io = started(&mock, Config::default());
        let handle = io.handle();
        let sender = thread::spawn(move || {
            for _ in 0..2 {
                handle.send_frames([frame()]).expect("there is room");
            }
        });
        run(|cx| {
            assert!(read(&mut io, cx).is_pending());
            match parse(&mock.state().wire).len() == 2 {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        sender.join().expect("the thread does not panic");
    });
}

#[test]
fn a_frame_that_is_asked_for_while_the_connection_ends_is_sent_or_dropped() {
    for end in ends() {
        check(Some(3), move || {
            let mock = Mock::new(POLITE);
            let io = started(&mock, Config::default());
            let handle = io.handle();
            let shared = Arc::clone(&io.inner.shared);
            let sender = thread::spawn(move || handle.send_frames([frame()]));
            let ended = end(io, &mock);
            let sent = sender.join().expect("the thread does not panic");
            assert!(matches!(sent, Ok(()) | Err(HandleError::Closed)));
            let wire = mock.state().wire.ends_with(&[0xbe, 0, 0, 0, 0, 1, 7]);
            assert!(sent.is_ok() || !wire, "what was refused is not sent");
            assert!(!shared.has_requests());
            assert!(shared.next().is_none());
            drop(ended);
            assert_eq!(Arc::strong_count(&shared), 1);
        });
    }
}

#[test]
fn a_ping_is_answered() {
    check(Some(3), || {
        let mock = Mock::new(POLITE);
        let mut io = started(&mock, Config::default());
        let handle = io.handle();
        let pinger = thread::spawn(move || block_on(handle.ping()));
        run(|cx| {
            assert!(read(&mut io, cx).is_pending());
            let wire = std::mem::take(&mut mock.state().wire);
            if wire.is_empty() {
                return Poll::Pending;
            }
            let payload = parse(&wire)[0].payload.clone();
            mock.deliver(&encode(&[raw(FrameType::PING, Flags::ACK, 0, payload)]));
            Poll::Ready(())
        });
        let mut cx = Context::from_waker(Waker::noop());
        assert!(read(&mut io, &mut cx).is_pending());
        let answer = pinger.join().expect("the thread does not panic");
        assert!(answer.is_ok());
    });
}

#[test]
fn a_ping_that_waits_while_the_connection_ends_is_answered() {
    for end in ends() {
        check(Some(3), move || {
            let mock = Mock::new(POLITE);
            let mut io = started(&mock, Config::default());
            let handle = io.handle();
            let pinger = thread::spawn(move || block_on(handle.ping()));
            // It may go out here, or wait.
            let mut cx = Context::from_waker(Waker::noop());
            assert!(read(&mut io, &mut cx).is_pending());
            let ended = end(io, &mock);
            let answer = pinger.join().expect("the thread does not panic");
            assert_eq!(answer, Err(HandleError::Closed));
            drop(ended);
        });
    }
}

#[test]
fn a_ping_that_waits_while_the_connection_turns_out_to_be_another_is_answered() {
    check(None, || {
        let shared = Shared::new(true, false);
        let handle = ConnectionHandle::new(Arc::clone(&shared));
        let pinger = thread::spawn(move || block_on(handle.ping()));
        shared.not_http2();
        let answer = pinger.join().expect("the thread does not panic");
        let error = answer.expect_err("nobody answers");
        assert!(matches!(error, HandleError::NotHttp2 | HandleError::Closed));
        assert!(!shared.has_requests());
        assert!(shared.next().is_none());
    });
}

#[test]
fn requests_of_many_threads_stay_within_the_bounds() {
    check(Some(3), || {
        let shared = Shared::new(true, false);
        let threads = [(); 2].map(|()| {
            let handle = ConnectionHandle::new(Arc::clone(&shared));
            thread::spawn(move || handle.send_frames(vec![Frame::ping([0; 8]); 20]))
        });
        // To be sent is not to be acknowledged.
        let sent = usize::from(shared.next().is_some());
        let results = threads.map(|thread| thread.join().expect("the thread does not panic"));
        let accepted = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(accepted, 1, "there is room for 32 PINGs");
        let left = std::iter::from_fn(|| shared.next()).count();
        assert_eq!(sent + left, 20);
        assert!(!shared.has_requests());
    });
}

/// A server's transport whose client has sent as much DATA as it may, and the stream.
fn stopped(mock: &Mock) -> (Transport<Mock>, Arc<StreamState>) {
    let flow = FlowControl::new()
        .initial_window(WINDOW)
        .ceilings(WINDOW, 4 * WINDOW)
        .budget(WindowBudget::new(0))
        .pings(false);
    let config = Config::default().stream_handles(true).flow_control(flow);
    let mut io = Transport::server(mock.clone(), config);
    let polls = Polls::new();
    let stack = |io: &mut Transport<Mock>, frames: &[Raw]| {
        let octets = encode(frames);
        let written = polls.write(io, &octets);
        assert!(matches!(written, Poll::Ready(Ok(n)) if n == octets.len()));
        polls.flush_for_good(io);
    };
    let peer = |io: &mut Transport<Mock>, octets: &[u8]| {
        mock.deliver(octets);
        while polls.read(io).is_ready() {}
    };
    peer(&mut io, &[&PREFACE[..], &encode(&[settings(&[])])].concat());
    stack(&mut io, &[settings(&[(4, 1 << 20)])]);
    let ack = raw(FrameType::SETTINGS, Flags::ACK, 0, Vec::new());
    let request = raw(FrameType::HEADERS, Flags::END_HEADERS, 1, vec![0x82]);
    peer(&mut io, &encode(&[ack, request]));
    let stream = StreamId::new(1).expect("it is one");
    let state = io.inner.shared.find_stream(stream).expect("it is open");
    state.watch(None, None);
    for octets in [16_384, 16_384, 16_384, 16_383] {
        peer(&mut io, &data(octets));
    }
    let grant = WINDOW.to_be_bytes().to_vec();
    stack(
        &mut io,
        &[raw(FrameType::WINDOW_UPDATE, Flags::NONE, 1, grant)],
    );
    mock.state().wire.clear();
    (io, state)
}

/// The least there is.
const WINDOW: u32 = 65_535;

/// The credit that the peer was told of.
fn told(mock: &Mock) -> u32 {
    let frames = parse(&mock.state().wire);
    let updates = frames
        .iter()
        .filter(|frame| (frame.kind, frame.stream) == (FrameType::WINDOW_UPDATE, 1));
    updates
        .map(|frame| u32::from_be_bytes(frame.payload[..].try_into().expect("it is 4 octets")))
        .sum()
}

#[test]
fn w2_a_peer_that_waits_is_told_once_enough_is_consumed() {
    check(Some(3), || {
        let mock = Mock::new(POLITE);
        let (mut io, state) = stopped(&mock);
        let shared = Arc::clone(&io.inner.shared);
        let consumer = thread::spawn(move || {
            // Half of the window is worth an update.
            for octets in [WINDOW / 2 + 1, WINDOW / 2] {
                if state.consume(octets.into()) {
                    shared.note_consumed(StreamId::new(1).expect("it is one"));
                }
            }
        });
        run(|cx| {
            assert!(read(&mut io, cx).is_pending());
            match told(&mock) == WINDOW {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        consumer.join().expect("the thread does not panic");
    });
}

#[test]
fn w2_a_peer_that_waits_is_told_once_the_application_wants_no_more() {
    check(Some(3), || {
        let mock = Mock::new(POLITE);
        let (mut io, state) = stopped(&mock);
        let shared = Arc::clone(&io.inner.shared);
        let consumer = thread::spawn(move || {
            if state.unwatch() {
                shared.note_consumed(StreamId::new(1).expect("it is one"));
            }
        });
        run(|cx| {
            assert!(read(&mut io, cx).is_pending());
            match told(&mock) == WINDOW {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        consumer.join().expect("the thread does not panic");
    });
}
