//! Many connections under one budget, whose readers read slowly or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use framewright::{StreamHandle, WindowBudget};
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use crate::bounded;
use crate::common::Digest;
use crate::ends::{Client, End, Handler, INITIAL, Server, pattern_digest, stream_of, until};

const BUDGET: u64 = 64 << 20;
const OCTETS: u64 = 3_000_000;

/// As many as there are file descriptors for, two a connection.
fn connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| {
        let rest = line.strip_prefix("Max open files")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    if files.unwrap_or(0) > 4_000 {
        1_000
    } else {
        250
    }
}

/// How a connection's reader goes about it.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    AsItComes,
    Slowly,
    NotYet,
}

impl Reads {
    fn of(connection: usize) -> Self {
        match connection % 4 {
            0 => Self::AsItComes,
            1 => Self::Slowly,
            _ => Self::NotYet,
        }
    }
}

/// The bounds that hold at any time.
fn check(budget: &WindowBudget, streams: &[StreamHandle]) {
    assert!(budget.used() <= BUDGET, "{budget:?}");
    let (mut windows, mut unconsumed, mut shares) = (0, 0, 0);
    let mut floors = 0;
    for stream in streams {
        let stats = stream.stats();
        let connection = stream.connection().stats();
        unconsumed += stats.unconsumed_octets;
        shares += connection.window_budget;
        // One that has ended has no window, but may have what it holds.
        windows += match stats.closed {
            true => stats.unconsumed_octets,
            false => stats.receive_window.max(stats.unconsumed_octets),
        };
        floors += INITIAL;
    }
    // The figures are of moments one after the other, so that what moves from one to
    // another may count twice; nothing moves between these tasks while this runs.
    assert!(windows <= BUDGET + floors, "{windows} of {floors}");
    assert!(unconsumed <= BUDGET + floors, "{unconsumed} of {floors}");
    assert!(shares <= BUDGET, "{shares}");
}

#[tokio::test]
async fn they_keep_within_it() {
    bounded(async {
        let budget = WindowBudget::new(BUDGET);
        let server = Server::start(End::unmanaged(), Handler::common()).await;
        let end = End::under(&budget);
        let count = connections();
        let (release, released) = tokio::sync::watch::channel(false);
        let mut streams = Vec::new();
        let mut readers = JoinSet::new();
        let mut finished = BTreeSet::new();
        for i in 0..count {
            let client = Client::connect(&end, server.address).await;
            let seed = i as u64 % 8;
            let path = format!("/bytes?seed={seed}&len={OCTETS}&chunk=30000");
            let response = client.get(&path).await;
            streams.push(stream_of(&response));
            let mut released = released.clone();
            readers.spawn(async move {
                if Reads::of(i) == Reads::NotYet {
                    let _ = released.wait_for(|released| *released).await;
                }
                let mut body = response.into_body();
                let mut digest = Digest::default();
                while let Some(frame) = body.frame().await {
                    digest.update(frame.expect("no error").data_ref().expect("DATA"));
                    if Reads::of(i) == Reads::Slowly && !*released.borrow() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                drop(client);
                (i, digest.finish() == pattern_digest(seed, OCTETS))
            });
            if i % 20 == 0 {
                check(&budget, &streams);
            }
        }
        // Those that read as it comes do not wait for those that do not.
        let fast = (0..count).filter(|i| Reads::of(*i) == Reads::AsItComes);
        let fast: BTreeSet<_> = fast.collect();
        while !fast.is_subset(&finished) {
            let (i, is_right) = readers.join_next().await.expect("more").expect("no panic");
            assert!(is_right, "{i}");
            finished.insert(i);
            check(&budget, &streams);
        }
        release.send_replace(true);
        while let Some(done) = readers.join_next().await {
            let (i, is_right) = done.expect("no panic");
            assert!(is_right, "{i}");
            if i % 10 == 0 {
                check(&budget, &streams);
            }
        }
        until(|| budget.used() == 0).await;
    })
    .await;
}
