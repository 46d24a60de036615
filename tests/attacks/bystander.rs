//! The connection of somebody who means no harm, while others do.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::PATIENCE;
use crate::victim::{Kind, befriend};

/// What became of its requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bystander {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) slowest: Duration,
}

/// One that is there, and has had an answer.
pub(crate) struct Standing {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Bystander>,
}

impl Standing {
    pub(crate) fn by(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = mpsc::channel();
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let friend = befriend(Kind::Bare, port).await;
                let mut by = Bystander::default();
                while by.requests < 8 || !told.load(Relaxed) {
                    let began = Instant::now();
                    let (path, body, expected): (_, &[u8], _) = match by.requests % 2 {
                        0 => ("/bytes?20000", b"", 20_000),
                        _ => ("/read", &[b'y'; 700], 700),
                    };
                    let asked = tokio::time::timeout(PATIENCE, friend.ask(path, body)).await;
                    by.requests += 1;
                    by.failures += u64::from(asked != Ok(Some(expected)));
                    by.slowest = by.slowest.max(began.elapsed());
                    if by.requests == 8 {
                        let _ = ready.send(());
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                by
            })
        });
        is_ready.recv_timeout(PATIENCE).expect("the victim answers");
        Self { stop, thread }
    }

    pub(crate) fn leave(self) -> Bystander {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("no panic")
    }
}
