//! Runtimes that go away with connections on them: whoever waits elsewhere is told,
//! and all comes back.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use framewright::{ConnectionHandle, HandleError};
use http::Request;
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};

use crate::common;
use crate::ends::{self, BoxError, Client, Exec, Setup, World};
use crate::wire::{self, End, Shape, Wire, report};

/// What is not done by then hangs.
const LONG: Duration = Duration::from_secs(60);

fn runtime(threads: usize) -> Runtime {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build().expect("a runtime")
}

/// Runs what may hang.
fn bounded<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, waiting) = mpsc::channel();
    thread::spawn(move || done.send(run()));
    match waiting.recv_timeout(LONG) {
        Ok(done) => done,
        Err(error) => panic!("{what}: {error}"),
    }
}

/// Waits for something on a thread of its own.
fn elsewhere<T: Send + 'static>(
    waits: impl Future<Output = T> + Send + 'static,
) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        runtime(1).block_on(async { tokio::time::timeout(LONG, waits).await.expect("it is told") })
    })
}

/// PINGs that are asked for all the time, until one is not answered.
fn wait_for(connection: ConnectionHandle) -> thread::JoinHandle<HandleError> {
    elsewhere(async move {
        loop {
            if let Err(error) = connection.ping().await {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

/// A client with much under way both ways, some of which nobody takes.
fn begin(far: &Runtime, world: &World, end: End) -> Client {
    let (of, io) = (world.clone(), world.client_io(end));
    let client = far.spawn(async move {
        let connected = Client::connect(&of, Exec::Tokio, io).await;
        let (client, driver) = connected.expect("connected");
        tokio::spawn(driver);
        for seed in 0..3 {
            let client = client.clone();
            let body = common::Pattern::new(seed, 400_000, 50_000).boxed();
            let request = Request::post("http://test/echo").body(body).expect("good");
            tokio::spawn(async move {
                let response = client.send(request).await?;
                common::read(response.into_body()).await?;
                Ok::<_, BoxError>(())
            });
        }
        let mut bodies = Vec::new();
        for _ in 0..2 {
            let response = client.get("/bytes?len=2000000&chunk=60000").await;
            let mut body = response.expect("a response").into_body();
            body.frame().await.expect("DATA").expect("DATA");
            bodies.push(body);
        }
        tokio::spawn(async move {
            let _bodies = bodies;
            std::future::pending::<()>().await;
        });
        client
    });
    far.block_on(client).expect("no panic")
}

/// Drops the server's runtime, then the client's, or the other way round.
fn shut_down(setup: Setup, shape: Shape, threads: usize, client_first: bool) {
    let about = format!("{setup:?}, {shape:?}, {threads} threads, client first: {client_first}");
    let told = about.clone();
    bounded(&about, move || {
        let world = World::new(setup);
        let (near, far) = (runtime(threads), runtime(2));
        let near = match threads {
            1 => {
                // One thread drives it, until it is told to go.
                let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
                let handle = near.handle().clone();
                let thread = thread::spawn(move || {
                    let _ = near.block_on(stopped);
                    drop(near);
                });
                (Some((stop, thread)), handle, None)
            }
            _ => (None, near.handle().clone(), Some(near)),
        };
        let (driven, handle, owned) = near;
        let (_wire, client_end, server_end) = Wire::new(shape, None);
        let io = world.server_io(server_end);
        handle.spawn(ends::serve(world.clone(), Exec::Tokio, io));
        let client = begin(&far, &world, client_end);
        let waiting: Vec<_> = world.connections().into_iter().map(wait_for).collect();
        wire::count_faults(2);
        let mut far = Some(far);
        if client_first {
            drop(far.take());
        }
        match driven {
            Some((stop, thread)) => {
                drop(stop);
                thread.join().expect("no panic");
            }
            None => drop(owned),
        }
        if let Some(far) = far {
            // The client's end sees the wire end.
            let closed = world.connections();
            far.block_on(async {
                while !closed.iter().all(ConnectionHandle::is_closed) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            let refused = far.block_on(client.get("/bytes"));
            assert!(refused.is_err(), "{told}");
            drop(far);
        }
        drop(client);
        for answers in waiting {
            let error = answers.join().expect("told");
            assert_eq!(error, HandleError::Closed, "{told}");
        }
        for connection in world.connections() {
            assert!(connection.is_closed());
            assert_eq!(
                elsewhere(connection.ping()).join().expect("told"),
                Err(HandleError::Closed)
            );
        }
        world.check(&told);
    });
}

#[test]
fn a_runtime_goes_away_under_connections() {
    let mut runs = 0;
    for setup in [Setup::Default, Setup::Loaded] {
        for shape in [Shape::Modest] {
            for threads in [1, 2] {
                for client_first in [false, true] {
                    shut_down(setup, shape, threads, client_first);
                    runs += 1;
                }
            }
        }
    }
    report("runtimes shut down", runs);
}
