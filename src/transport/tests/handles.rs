//! What handles may ask for, and when.

use std::task::Wake;

use super::mock::Told;
use super::*;

/// A socket that is blocked for good.
fn blocked() -> Mock {
    Mock::new(Manners {
        pending: 16,
        ..POLITE
    })
}

#[test]
fn b3_a_handle_cannot_fill_memory_while_the_socket_is_blocked() {
    let mut io = started(&Mock::new(POLITE), Config::default());
    io.inner.io = blocked();
    let polls = Polls::new();
    let handle = io.handle();
    let stream = StreamId::new(1).unwrap();
    let mut accepted = 0;
    for _ in 0..1_000 {
        let frame = Frame::extension(FrameType(0xbe), Flags::NONE, stream, vec![0; 16_000]);
        accepted += 16_009 * usize::from(handle.send_frames([frame]).is_ok());
        assert!(polls.read(&mut io).is_pending());
    }
    assert!(accepted < 256 * 1024, "{accepted} octets were accepted");
}

#[test]
fn requests_that_found_no_room_go_out_once_there_is_some() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default().batch(1_024, 1_024));
    let polls = Polls::new();
    let stream = StreamId::new(1).unwrap();
    let frame = Frame::extension(FrameType(0xbe), Flags::NONE, stream, vec![0; 900]);
    io.handle().send_frames(vec![frame; 40]).unwrap();
    // The task is not kept for long, but is woken again.
    let mut wakes = usize::MAX;
    while polls.wakes() != wakes {
        wakes = polls.wakes();
        assert!(polls.read(&mut io).is_pending());
    }
    assert_eq!(parse(&mock.state().wire).len(), 40);
}

#[test]
fn a_busy_handle_does_not_keep_the_task() {
    // Each write asks for more, as another thread might.
    let told = Told::new((None::<ConnectionHandle>, 0), |(handle, writes), buf| {
        *writes += 1;
        assert!(*writes < 1_000, "it never ends");
        if let Some(handle) = handle {
            let frame = Frame::priority_update(StreamId::new(1).unwrap(), "u=1");
            handle.send_frames([frame]).unwrap();
        }
        Poll::Ready(Ok(buf.len()))
    });
    let mut io = Transport::client(told, Config::default());
    let polls = Polls::new();
    for part in [&PREFACE[..], &encode(&[settings(&[])])] {
        assert!(polls.write(&mut io, part).is_ready());
    }
    assert!(polls.read(&mut io).is_pending());
    let handle = io.handle();
    handle.send_frames([Frame::ping([0; 8])]).unwrap();
    io.get_mut().state.0 = Some(handle);
    let wakes = polls.wakes();
    assert!(polls.read(&mut io).is_pending());
    assert!(polls.wakes() > wakes, "the rest goes out at the next poll");
}

#[test]
fn a_ping_that_is_asked_for_at_the_end_is_answered() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    let mut early = Box::pin(io.handle().ping());
    assert!(polls.read(&mut io).is_pending());
    let mut late = Box::pin(io.handle().ping());
    mock.state().eof = true;
    assert!(polls.read(&mut io).is_ready());
    assert!(
        Pin::new(&mut io)
            .poll_shutdown(&mut polls.context())
            .is_ready()
    );
    for ping in [&mut early, &mut late] {
        let answer = ping.as_mut().poll(&mut polls.context());
        assert_eq!(answer, Poll::Ready(Err(HandleError::Closed)));
    }
}

#[test]
fn unanswered_pings_are_bounded_and_hold_up_nothing_else() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    let handle = io.handle();
    for n in 0..32 {
        handle.send_frames([Frame::ping([n; 8])]).unwrap();
        assert!(polls.read(&mut io).is_pending());
    }
    let more = [Frame::ping([0; 8])];
    assert_eq!(handle.send_frames(more.clone()), Err(HandleError::Full));
    let update = Frame::priority_update(StreamId::new(1).unwrap(), "u=1");
    handle.send_frames([update]).unwrap();
    assert!(polls.read(&mut io).is_pending());
    assert_eq!(parse(&mock.state().wire).len(), 33);
    mock.deliver(&encode(&[raw(FrameType::PING, Flags::ACK, 0, vec![7; 8])]));
    assert!(
        polls.read(&mut io).is_pending(),
        "nothing of it is for the stack"
    );
    assert_eq!(handle.send_frames(more), Ok(()));
}

#[test]
fn a_request_wakes_the_task_that_sleeps_and_goes_out_with_no_flush_of_the_stack() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    assert!(polls.read(&mut io).is_pending());
    assert_eq!(polls.wakes(), 0);
    io.handle().send_frames([Frame::ping([0; 8])]).unwrap();
    assert_eq!(polls.wakes(), 1);
    assert!(polls.read(&mut io).is_pending());
    assert_eq!(parse(&mock.state().wire).len(), 1);
}

#[test]
fn a_waker_may_use_a_handle_as_it_is_dropped() {
    struct Task(ConnectionHandle);
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Task {
        fn drop(&mut self) {
            let _ = self.0.is_closed();
        }
    }
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mock = Mock::new(POLITE);
        let mut io = started(&mock, Config::default());
        for _ in 0..2 {
            let waker = Waker::from(Arc::new(Task(io.handle())));
            let mut space = [0; 10];
            let mut buf = ReadBuf::new(&mut space);
            let _ = Pin::new(&mut io).poll_read(&mut Context::from_waker(&waker), &mut buf);
            mock.forget_wakers();
        }
        drop(io);
        done.send(()).unwrap();
    });
    let bound = Duration::from_secs(30);
    assert!(wait.recv_timeout(bound).is_ok(), "a deadlock");
}

#[test]
fn rfc9218_7_1_only_a_clients_handle_sets_priorities() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let (handle, polls) = (io.handle(), Polls::new());
    let stream = StreamId::new(5).unwrap();
    let priority = crate::Priority::new(1).incremental(true);
    handle.set_priority(stream, priority).unwrap();
    let error = handle
        .set_priority(StreamId::CONNECTION, priority)
        .unwrap_err();
    assert!(matches!(error, HandleError::Frame(_)), "{error}");
    assert!(polls.read(&mut io).is_pending());
    let wire = parse(&mock.state().wire);
    assert_eq!(wire.len(), 1);
    assert_eq!(wire[0].kind, FrameType::PRIORITY_UPDATE);
    assert_eq!(wire[0].payload, b"\0\0\0\x05u=1, i");

    let server = Transport::server(mock, Config::default());
    let refused = server.handle().set_priority(stream, priority);
    assert_eq!(refused, Err(HandleError::NotClient));
    let update = Frame::priority_update(stream, priority);
    let refused = server.handle().send_frames([update]);
    assert_eq!(refused, Err(HandleError::NotClient));
}
