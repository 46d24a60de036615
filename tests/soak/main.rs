//! Everything at once, for as long as one likes: `FRAMEWRIGHT_SOAK` is the number
//! of minutes.
//!
//! ```sh
//! FRAMEWRIGHT_SOAK=60 cargo test --release --test soak -- --nocapture
//! ```
//!
//! Some two dozen connections at a time between hyper's clients and servers, over
//! TLS and in clear text, over loopback and over [links](link), with the transport
//! at both ends or at one: requests small and large, slow readers and such as stall,
//! resets in flight, priorities that change, PINGs; and each connection comes to one
//! of the ends that connections come to. Each octet that arrives is compared.
//!
//! What goes wrong and was not done on purpose is a failure, and so is whatever takes
//! two minutes. Now and then there is a rest: no request is in flight, and but for a
//! few idle ones no connection is open. Then nothing may be left over, of buffers and
//! of the windows' budget; and what the process holds must not grow from rest to rest.
//!
//! `FRAMEWRIGHT_SOAK_SEED` repeats the choices of a run, though not their timing.

mod body;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod life;
#[path = "../common/link.rs"]
mod link;
mod memory;
#[path = "../common/pki.rs"]
mod pki;
mod random;
mod report;
mod rest;
mod servers;
mod service;
mod tally;
mod violations;
mod work;
mod world;

use std::env;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, SystemTime};

use framewright::ConnectorStats;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::clients::{Dialer, End};
use self::life::{Route, Routes, lasting, slot};
use self::pki::Authority;
use self::random::Random;
use self::report::Report;
use self::tally::say;
use self::world::{HANG, Line, World};

/// How many minutes.
const MINUTES: &str = "FRAMEWRIGHT_SOAK";
const SEED: &str = "FRAMEWRIGHT_SOAK_SEED";

/// Connections at a time: such as come and go, and such as last.
const SLOTS: u64 = 20;
const LASTING: u64 = 4;

/// What the allocator of the C library is told, so that what is free goes back to
/// the system. It reads them when a process starts.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

#[test]
fn nothing_breaks_hangs_or_grows() {
    let Ok(minutes) = env::var(MINUTES) else {
        say(format_args!(
            "skipped: {MINUTES} is to say how many minutes, as in\n    \
             {MINUTES}=60 cargo test --release --test soak -- --nocapture"
        ));
        return;
    };
    let minutes: f64 = minutes.parse().expect("a number of minutes");
    if env::var_os(ALLOCATOR[0].0).is_none() {
        start_again().expect("this program, once more");
    }
    let seed = match env::var(SEED) {
        Ok(seed) => seed.parse().expect("a seed is a number"),
        Err(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |now| now.as_micros() as u64),
    };
    say(format_args!("{minutes} minutes, {SEED}={seed}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let time = Duration::from_secs_f64(minutes * 60.0);
    violations::show();
    let report = runtime.block_on(run(time, Random::new(seed)));
    say(&report);
    let wrong = report.wrong();
    assert!(wrong.is_empty(), "{SEED}={seed}: {wrong:#?}");
}

/// In place of this process, with the allocator's settings.
#[cfg(unix)]
fn start_again() -> io::Result<()> {
    use std::os::unix::process::CommandExt;

    let mut this = std::process::Command::new(env::current_exe()?);
    Err(this.args(env::args_os().skip(1)).envs(ALLOCATOR).exec())
}

#[cfg(not(unix))]
fn start_again() -> io::Result<()> {
    Ok(())
}

async fn run(time: Duration, mut random: Random) -> Report {
    let world = Arc::new(World::new());
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let servers = [
        servers::listener(&world, None).await,
        servers::listener(&world, Some(leaf.server(&["h2"]))).await,
        servers::tcp(&world, true, random.fork()).await,
        servers::tcp(&world, false, random.fork()).await,
    ];
    let lines: Vec<Arc<Line>> = [
        (0, 100, 20),
        (1, 200, 5),
        (1, 50, 40),
        (2, 100, 10),
        (3, 100, 2),
    ]
    .map(|(server, mbits, delay): (usize, u64, u64)| {
        let address = servers[server].address;
        Arc::new(Line::new(address, mbits * 1_000_000, delay).expect("a link"))
    })
    .into();
    let route = |shares, name, end, server: usize, on: &[usize]| Route {
        shares,
        name,
        end,
        address: servers[server].address,
        lines: on.iter().map(|at| Arc::clone(&lines[*at])).collect(),
    };
    let all = vec![
        route(3, "connector to listener", End::Connector, 0, &[0]),
        route(
            4,
            "connector to listener, TLS",
            End::ConnectorTls,
            1,
            &[1, 2],
        ),
        route(3, "transport to transport", End::Transport, 2, &[3]),
        route(1, "connector to transport", End::Connector, 2, &[3]),
        route(1, "hyper to listener", End::Stock, 0, &[0]),
        route(1, "hyper to listener, TLS", End::StockTls, 1, &[1]),
        route(1, "hyper to transport", End::Stock, 2, &[]),
        route(1, "transport to hyper", End::Transport, 3, &[3 + 1]),
        route(1, "connector to hyper", End::Connector, 3, &[3 + 1]),
    ];
    let routes = Arc::new(Routes {
        world: Arc::clone(&world),
        dialer: Dialer::new(&world, &authority),
        all,
    });
    let mut slots = JoinSet::new();
    for _ in 0..SLOTS {
        slots.spawn(slot(Arc::clone(&routes), random.fork()));
    }
    for _ in 0..LASTING {
        slots.spawn(lasting(Arc::clone(&routes), random.fork()));
    }
    let cutting = tokio::spawn(cut(Arc::clone(&world), lines.clone(), random.fork()));

    let rests = rest::rests(&world, time).await;

    // The last rest has told all to stop.
    let ended = timeout(HANG, async {
        while let Some(ended) = slots.join_next().await {
            if let Err(error) = ended {
                world
                    .tally
                    .fail(format_args!("a connection's task: {error}"));
            }
        }
    });
    if ended.await.is_err() {
        world
            .tally
            .fail(format_args!("{} connections do not end", slots.len()));
        slots.abort_all();
    }
    cutting.abort();
    for server in servers {
        server.task.abort();
    }
    let left = rest::left_over(&world, 0, 0).await;
    let ConnectorStats {
        full_handshakes,
        resumed_handshakes,
        ..
    } = routes.dialer.stats();
    let handshakes = (full_handshakes, resumed_handshakes);
    // What the links' threads have is not the runtime's.
    drop((routes, lines));
    Report::new(&world, handshakes, rests, left)
}

/// Cuts a link now and then.
async fn cut(world: Arc<World>, lines: Vec<Arc<Line>>, mut random: Random) {
    loop {
        sleep(Duration::from_millis(random.between(500, 6_000))).await;
        if !world.resting.load(SeqCst) {
            let line = &lines[random.below(lines.len() as u64) as usize];
            line.cut(&world);
        }
    }
}
