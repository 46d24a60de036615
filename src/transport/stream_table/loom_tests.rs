//! Models of layers and handlers that find and use a stream while the connection's
//! task goes on, or the stream or the connection ends. A look into the registry is
//! one step here.

use std::task::Poll;

use loom::thread;

use super::*;
use crate::sync::model::{check, run};

const STREAM: StreamId = match StreamId::new(1) {
    Some(stream) => stream,
    None => panic!("it is one"),
};

const OWN: Priority = Priority::new(1);

/// A connection with one stream, and what a layer finds it by.
fn one_stream() -> (Arc<Shared>, Arc<StreamState>, Vec<u8>) {
    let shared = Shared::new(false, true);
    let state = shared.open_stream(STREAM);
    let field = shared.tagger().expect("it marks").field(STREAM);
    (shared, state, field[3 + tag::NAME.len()..].to_vec())
}

#[test]
fn what_is_said_and_consumed_reaches_the_connection() {
    check(Some(3), || {
        let (shared, _, tag) = one_stream();
        let handler = thread::spawn(move || {
            let (shared, stream) = connection(&tag).expect("it is open");
            assert!(shared.say(stream, Say::Own(OWN)));
            shared.note_consumed(stream);
        });
        let (mut say, mut consumed) = (None, None);
        run(|cx| {
            shared.register(cx.waker().clone());
            if shared.has_says() {
                say = say.or_else(|| shared.next_say());
            }
            if shared.has_says() {
                consumed = consumed.or_else(|| shared.next_consumed());
            }
            match say.is_some() && consumed.is_some() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        assert_eq!(say, Some((STREAM, Say::Own(OWN))));
        assert_eq!(consumed, Some(STREAM));
        assert!(!shared.has_says());
        handler.join().expect("the thread does not panic");
    });
}

#[test]
fn of_two_streams_that_are_consumed_the_connection_heeds_both() {
    check(Some(2), || {
        let shared = Shared::new(false, true);
        let consumers = [1, 3].map(|stream| {
            let stream = StreamId::new(stream).expect("it is one");
            shared.open_stream(stream);
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.note_consumed(stream))
        });
        let mut heeded = 0;
        run(|cx| {
            shared.register(cx.waker().clone());
            while shared.has_says() && shared.next_consumed().is_some() {
                heeded += 1;
            }
            match heeded {
                2 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        });
        for consumer in consumers {
            consumer.join().expect("the thread does not panic");
        }
    });
}

#[test]
fn nothing_is_left_of_a_stream_that_ends_while_it_is_used() {
    type End = fn(&Shared);
    let ends: [(End, bool); 3] = [
        (|shared| shared.close_stream(STREAM), true),
        (Shared::close, false),
        (
            |shared| {
                shared.close_stream(STREAM);
                shared.close();
            },
            false,
        ),
    ];
    for (end, is_open) in ends {
        check(Some(3), move || {
            let (shared, state, tag) = one_stream();
            let handler = thread::spawn(move || {
                let Some((shared, stream)) = connection(&tag) else {
                    return;
                };
                let found = shared.find_stream(stream).is_some();
                let said = shared.say(stream, Say::Own(OWN));
                assert!(found || !said, "it does not open again");
                shared.note_consumed(stream);
            });
            end(&shared);
            handler.join().expect("the thread does not panic");
            assert!(state.is_closed());
            assert!(!shared.has_says());
            assert_eq!(shared.next_say(), None);
            assert_eq!(shared.next_consumed(), None);
            assert_eq!(shared.open_streams(), 0);
            let number = shared.tagger().expect("it marks").connection;
            assert_eq!(shard(number).read().contains_key(&number), is_open);
            assert_eq!(Arc::strong_count(&shared), 1);
            assert_eq!(Arc::strong_count(&state), 1);
        });
    }
}

#[test]
fn whoever_holds_a_connection_last_takes_it_out_of_the_registry() {
    check(None, || {
        let (shared, _, tag) = one_stream();
        let number = shared.tagger().expect("it marks").connection;
        let layer = thread::spawn(move || {
            if let Some((shared, stream)) = connection(&tag) {
                assert!(shared.find_stream(stream).is_some());
            }
        });
        assert!(shared.find_stream(STREAM).is_some());
        drop(shared);
        layer.join().expect("the thread does not panic");
        assert!(!shard(number).read().contains_key(&number));
    });
}
