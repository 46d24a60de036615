//! Models of a listener's limit.

use std::sync::Arc;
use std::task::Poll;

use loom::thread;

use super::stats::{ListenerHandle, Shared, Slot};
use crate::sync::model::{check, run};

fn wait_for_room(shared: &Shared, max: usize) {
    run(|cx| match shared.has_room(max, cx) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    });
}

#[test]
fn a_connection_that_closes_makes_room_for_the_next() {
    check(Some(3), || {
        let shared = Arc::new(Shared::default());
        let handle = ListenerHandle::new(Arc::clone(&shared));
        let closing = [(); 2].map(|()| {
            let slot = Slot::new(&shared);
            thread::spawn(move || drop(slot))
        });
        // It takes both of them, and either may be the last.
        wait_for_room(&shared, 1);
        let slot = Slot::new(&shared);
        assert_eq!(handle.stats().open, 1);
        drop(slot);
        for thread in closing {
            thread.join().expect("the thread does not panic");
        }
        assert_eq!(handle.stats().open, 0);
    });
}

#[test]
fn there_are_never_more_connections_than_the_limit() {
    check(Some(3), || {
        let shared = Arc::new(Shared::default());
        let handle = ListenerHandle::new(Arc::clone(&shared));
        let threads = [(); 3].map(|()| {
            wait_for_room(&shared, 1);
            let slot = Slot::new(&shared);
            let handle = handle.clone();
            thread::spawn(move || {
                assert_eq!(handle.stats().open, 1);
                drop(slot);
            })
        });
        for thread in threads {
            thread.join().expect("the thread does not panic");
        }
        assert_eq!(handle.stats().open, 0);
    });
}
