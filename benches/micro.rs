//! What the smallest parts cost: frame heads, pooled buffers and the choice of the
//! next stream.
//!
//! `cargo bench --bench micro`, under a minute; add a word to run only what
//! has it in its name.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use framewright::{BufferPool, Flags, FrameType, Head, PoolConfig, Priority, StreamId};

/// The scheduler is not public, so its source is taken in.
#[allow(unused, reason = "not all of it is measured")]
#[path = "../src/proto"]
mod proto {
    pub(crate) mod head {
        pub(crate) use framewright::StreamId;
    }
    pub(crate) mod priority {
        pub(crate) use framewright::Priority;
    }
    pub(crate) mod scheduler;
    pub(crate) mod stream_map;
}
use proto::scheduler::Scheduler;

/// Heads in the buffer: 9 KiB, so that the first-level cache holds them.
const HEADS: usize = 1024;

fn heads() -> Vec<Head> {
    (0..HEADS as u32)
        .map(|i| Head {
            length: i.wrapping_mul(2_654_435_761) >> 8,
            kind: FrameType((i % 11) as u8),
            flags: Flags((i % 64) as u8),
            stream: StreamId::from_wire(i.wrapping_mul(40_503)),
        })
        .collect()
}

/// A head read an octet at a time, as one would write it first.
fn decode_naively(octets: &[u8]) -> Head {
    let mut length = 0;
    for &octet in &octets[..3] {
        length = length << 8 | u32::from(octet);
    }
    let mut stream = 0;
    for &octet in &octets[5..9] {
        stream = stream << 8 | u32::from(octet);
    }
    Head {
        length,
        kind: FrameType(octets[3]),
        flags: Flags(octets[4]),
        stream: StreamId::from_wire(stream),
    }
}

/// A head written an octet at a time.
fn encode_naively(head: Head, out: &mut [u8]) {
    for (i, octet) in out[..3].iter_mut().enumerate() {
        *octet = (head.length >> (16 - 8 * i)) as u8;
    }
    out[3] = head.kind.0;
    out[4] = head.flags.0;
    for (i, octet) in out[5..9].iter_mut().enumerate() {
        *octet = (head.stream.get() >> (24 - 8 * i)) as u8;
    }
}

/// One iteration is all heads: divide by 1,024 for one, or read the elements a
/// second.
fn frame_heads(c: &mut Criterion) {
    let heads = heads();
    let mut wire = vec![0; HEADS * Head::LEN];
    for (head, out) in heads.iter().zip(wire.chunks_exact_mut(Head::LEN)) {
        out.copy_from_slice(&head.encode());
    }

    let mut group = c.benchmark_group("head");
    group.throughput(Throughput::ElementsAndBytes {
        elements: HEADS as u64,
        bytes: wire.len() as u64,
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            for octets in black_box(&wire).as_chunks::<{ Head::LEN }>().0 {
                black_box(Head::decode(octets));
            }
        });
    });
    group.bench_function("decode naively", |b| {
        b.iter(|| {
            for octets in black_box(&wire).chunks_exact(Head::LEN) {
                black_box(decode_naively(octets));
            }
        });
    });
    group.bench_function("encode", |b| {
        b.iter(|| {
            for (head, out) in black_box(&heads)
                .iter()
                .zip(wire.chunks_exact_mut(Head::LEN))
            {
                out.copy_from_slice(&head.encode());
            }
            black_box(&mut wire);
        });
    });
    group.bench_function("encode naively", |b| {
        b.iter(|| {
            for (&head, out) in black_box(&heads)
                .iter()
                .zip(wire.chunks_exact_mut(Head::LEN))
            {
                encode_naively(head, out);
            }
            black_box(&mut wire);
        });
    });
    group.finish();
}

/// What to put a payload of `n` octets in.
type Take = fn(&BufferPool, usize);

const TAKES: [(&str, Take); 3] = [
    ("pool", |pool, n| drop(black_box(pool.acquire(n)))),
    ("vec zeroed", |_, n| drop(black_box(vec![0_u8; n]))),
    ("vec reserved", |_, n| {
        drop(black_box(Vec::<u8>::with_capacity(n)));
    }),
];

fn name(octets: usize) -> String {
    format!("{} KiB", octets >> 10)
}

fn one_thread(c: &mut Criterion) {
    let pool = BufferPool::new(PoolConfig::default());
    let mut group = c.benchmark_group("one thread");
    for octets in BufferPool::CLASSES {
        for (what, take) in TAKES {
            group.bench_function(BenchmarkId::new(what, name(octets)), |b| {
                b.iter(|| take(&pool, black_box(octets)));
            });
        }
    }

    // The shelf that all threads share, without a thread cache before it.
    let shared = BufferPool::new(PoolConfig::default().max_per_thread(0));
    group.bench_function("pool, shelf only/16 KiB", |b| {
        b.iter(|| TAKES[0].1(&shared, black_box(16 << 10)));
    });

    // A batch: more buffers at once than a thread keeps for itself.
    for held in [8, 32] {
        let mut batch = Vec::with_capacity(held);
        group.throughput(Throughput::Elements(held as u64));
        group.bench_function(format!("pool, {held} at once/16 KiB"), |b| {
            b.iter(|| {
                batch.extend((0..held).map(|_| pool.acquire(black_box(16 << 10))));
                batch.clear();
            });
        });
    }
    group.finish();
}

/// Time of `iterations` on each of two threads that run at once.
fn on_two_threads(iterations: u64, run: impl Fn() + Sync) -> Duration {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            scope.spawn(|| {
                run(); // The first of a thread makes its cache.
                start.wait();
                let begin = Instant::now();
                for _ in 0..iterations {
                    run();
                }
                begin.elapsed()
            })
        });
        threads
            .into_iter()
            .map(|thread| thread.join().expect("the thread does not panic"))
            .max()
            .unwrap_or_default()
    })
}

fn two_threads(c: &mut Criterion) {
    let pool = BufferPool::new(PoolConfig::default());
    let shared = BufferPool::new(PoolConfig::default().max_per_thread(0));
    let mut group = c.benchmark_group("two threads");
    for octets in [BufferPool::CLASSES[2], BufferPool::CLASSES[4]] {
        for (what, take) in TAKES {
            group.bench_function(BenchmarkId::new(what, name(octets)), |b| {
                b.iter_custom(|n| on_two_threads(n, || take(&pool, black_box(octets))));
            });
        }
    }
    group.bench_function("pool, shelf only/16 KiB", |b| {
        b.iter_custom(|n| on_two_threads(n, || TAKES[0].1(&shared, black_box(16 << 10))));
    });
    group.finish();
}

/// Streams that wait, and a frame of 16 KiB of whichever is next.
fn next_stream(c: &mut Criterion) {
    const FRAME: usize = 16 << 10;
    let stream = |id: u32| StreamId::from_wire(2 * id + 1);
    let mut group = c.benchmark_group("scheduler");
    for streams in [1, 64, 4096] {
        for (kind, priority) in [
            ("in order", Priority::default()),
            ("in turn", Priority::default().incremental(true)),
        ] {
            let full = || {
                let mut scheduler = Scheduler::default();
                for id in 0..streams {
                    scheduler.insert(stream(id), priority);
                }
                scheduler
            };
            let name = |what| BenchmarkId::new(format!("{kind}, {what}"), streams);

            // A frame of a long stream.
            let mut scheduler = full();
            group.bench_function(name("a frame"), |b| {
                b.iter(|| {
                    if let Some(next) = scheduler.next() {
                        scheduler.served(next, FRAME);
                    }
                });
            });

            // A stream of one frame, for which another comes.
            let (mut scheduler, mut id) = (full(), streams);
            group.bench_function(name("a short stream"), |b| {
                b.iter(|| {
                    if let Some(next) = scheduler.next() {
                        scheduler.served(next, FRAME);
                        scheduler.remove(next);
                    }
                    scheduler.insert(stream(id), priority);
                    id += 1;
                });
            });

            // Windows close and open, of whichever streams.
            let (mut scheduler, mut id) = (full(), 0);
            group.bench_function(name("a closed window"), |b| {
                b.iter(|| {
                    scheduler.remove(stream(id % streams));
                    black_box(scheduler.next());
                    scheduler.insert(stream(id % streams), priority);
                    id = id.wrapping_add(1_021);
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = micro;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(400))
        .sample_size(40)
        .without_plots();
    targets = frame_heads, next_stream, one_thread, two_threads
}
criterion_main!(micro);
