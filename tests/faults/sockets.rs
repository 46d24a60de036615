//! Real TCP that is reset, and Listener and Connector that are dropped half-way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use framewright::{Connector, HandleError, Listener};
use http::Uri;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

use crate::common;
use crate::ends::{self, BoxError, Client, Exec, Outcome, Setup, World};
use crate::executor;
use crate::half_close;
use crate::pki::{Authority, provider};
use crate::wire::{self, Side, report};

async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), test)
        .await
        .expect("the test hangs")
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.expect("connected"), far.expect("accepted").0)
}

fn reset(tcp: TcpStream) {
    SockRef::from(&tcp)
        .set_linger(Some(Duration::ZERO))
        .expect("open");
    drop(tcp);
    wire::count_faults(1);
}

/// The peer's socket is gone, whichever call has met it.
fn is_reset(outcome: &Outcome) -> bool {
    let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    kinds.iter().any(|kind| *outcome == Outcome::Io(*kind))
}

async fn ended(world: &World) {
    // What hyper has spawned may still be about to see it.
    while world.connections().iter().any(|handle| !handle.is_closed())
        || world.pool.stats().outstanding > 0
        || world.budget.used() > 0
        || world.streams().iter().any(|stream| !stream.stats().closed)
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_client_resets_tcp_at_several_stages() {
    let octets = half_close::record(Side::Client);
    let mut runs = 0;
    for setup in [Setup::Bare, Setup::Default, Setup::Loaded] {
        for at in (0..octets.len()).step_by(29) {
            let world = World::new(setup);
            let (mut client, tcp) = pair().await;
            let io = world.server_io(tcp);
            let server = tokio::spawn(ends::serve(world.clone(), Exec::Tokio, io));
            let handle = world.connections().pop();
            client.write_all(&octets[..at]).await.expect("written");
            if at > 24 {
                // The first octets of the answer, so that it is under way.
                let _ = client.read(&mut [0; 9]).await;
            }
            let waiting = handle.map(|handle| tokio::spawn(handle.ping()));
            reset(client);
            let outcome = bounded(server).await.expect("no panic");
            let outcome = Outcome::of(outcome, "");
            assert!(is_reset(&outcome), "{outcome:?}, {setup:?}, after {at}");
            if let Some(waiting) = waiting {
                let answer = bounded(waiting).await.expect("no panic");
                assert_eq!(answer, Err(HandleError::Closed));
            }
            bounded(ended(&world)).await;
            world.check(&format!("{setup:?}, after {at}"));
            runs += 1;
        }
    }
    report("TCP resets by the client", runs);
}

#[tokio::test]
async fn a_server_resets_tcp_at_several_stages() {
    let octets = half_close::record(Side::Server);
    let mut runs = 0;
    for setup in [Setup::Bare, Setup::Default, Setup::Loaded] {
        for at in (30..octets.len()).step_by(61) {
            let world = World::new(setup);
            let (mut server, tcp) = pair().await;
            let io = world.client_io(tcp);
            let connected = Client::connect(&world, Exec::Tokio, io).await;
            let (client, driver) = connected.expect("connected");
            let driver = tokio::spawn(driver);
            let of = client.clone();
            // Never answered in full: what is replayed ends before.
            let request = tokio::spawn(async move {
                of.echo(1, 200_000).await?;
                Ok::<_, BoxError>(())
            });
            server.read_exact(&mut [0; 100]).await.expect("a request");
            server.write_all(&octets[..at]).await.expect("written");
            reset(server);
            let outcome = bounded(request).await.expect("no panic");
            assert!(outcome.is_err(), "{setup:?}, after {at}");
            drop(client);
            let _ = bounded(driver).await.expect("no panic");
            bounded(ended(&world)).await;
            world.check(&format!("{setup:?}, after {at}"));
            runs += 1;
        }
    }
    report("TCP resets by the server", runs);
}

/// A connection that is dialled, accepted, or shaken hands on, and dropped at any of
/// those: the next one is good.
#[tokio::test]
async fn a_connector_and_a_listener_are_dropped_at_each_await() {
    let authority = Authority::new();
    let world = World::new(Setup::Loaded);
    let server = authority.leaf(&["localhost"]).server(&["h2"]);
    let mut listener = Listener::builder()
        .tls(Arc::new(server))
        .config(world.config())
        .bind("127.0.0.1:0")
        .await
        .expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let told = listener.handle();
    let to = world.clone();
    let serving = tokio::spawn(async move {
        loop {
            // Given up at each of its first polls, which loses no connection.
            let mut polls = 1;
            let stream = loop {
                if let Some(accepted) = executor::cut(listener.accept(), polls).await {
                    break accepted.expect("a connection").0;
                }
                wire::count_faults(1);
                polls += 1;
                tokio::task::yield_now().await;
            };
            to.watch(stream.handle());
            tokio::spawn(ends::serve(to.clone(), Exec::Tokio, Box::new(stream)));
        }
    });
    let connector = Connector::builder()
        .provider(provider())
        .with_roots(authority.roots())
        .config(world.config())
        .build()
        .expect("a connector");
    let uri: Uri = format!("https://localhost:{port}").parse().expect("good");
    let mut polls = 0;
    loop {
        let mut connector = connector.clone();
        let dialled = executor::cut(connector.call(uri.clone()), polls).await;
        polls += 1;
        let Some(io) = dialled else {
            wire::count_faults(1);
            continue;
        };
        let io = io.expect("connected");
        world.watch(io.handle());
        let mut builder = hyper::client::conn::http2::Builder::new(Exec::Tokio);
        world_apply(&world, &mut builder);
        let (mut sender, driver) = builder.handshake(io).await.expect("connected");
        let driver = tokio::spawn(driver);
        let downloaded = bounded(common::download(&mut sender, 1, 9_000, 900)).await;
        downloaded.expect("a connection after all");
        drop(sender);
        bounded(driver).await.expect("no panic").expect("no error");
        break;
    }
    assert!(polls > 2, "{polls} polls");
    bounded(async {
        while told.stats().open != 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ended(&world).await;
    })
    .await;
    world.check(&"listener and connector");
    serving.abort();
    report("dials dropped", polls as u64);
}

fn world_apply(world: &World, builder: &mut hyper::client::conn::http2::Builder<Exec>) {
    world.flow().apply(builder);
}
