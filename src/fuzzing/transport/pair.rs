use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::Executor as _;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::sync::oneshot;

use super::executor::{Executor, Tasks};
use super::setup;
use crate::fuzzing::Source;
use crate::transport::tests::mock::{Manners, Mock};
use crate::{BufferPool, PoolConfig, Transport};

/// A request, by its numbers of octets.
#[derive(Clone, Debug)]
struct Exchange {
    up: Vec<usize>,
    down: usize,
    /// The request ends so, after its last octet.
    resets: bool,
    /// The response is dropped after so many octets.
    drops: Option<usize>,
    /// It begins when all before it is done.
    waits: bool,
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let size = || prop_oneof![0..300_usize, 0..40_000_usize, 0..200_000_usize];
    (
        prop::collection::vec(size(), 0..4),
        size(),
        prop::bool::weighted(0.15),
        prop::option::weighted(0.15, size()),
        any::<bool>(),
    )
        .prop_map(|(up, down, resets, drops, waits)| Exchange {
            up,
            down,
            resets,
            drops,
            waits,
        })
}

/// The octets from `at` on: all bodies are the same.
fn pattern(at: usize, n: usize) -> Bytes {
    (at..at + n).map(|i| (i / 251 + i) as u8).collect()
}

/// Every octet of every body arrives, and all ends.
pub(super) fn fuzz(mut source: Source<'_>) {
    let pool = BufferPool::new(PoolConfig::default());
    let [near, far] = [(), ()].map(|()| source.draw(&setup(&pool)));
    let exchanges = source.each(8, &exchange());
    // A pair moves far more than a model: not by single octets.
    let mocks = [near.1, far.1].map(|manners| {
        Mock::new(Manners {
            most: manners.most.max(4_000),
            ..manners
        })
    });
    let executor = Executor::default();
    let server = hyper::server::conn::http2::Builder::new(executor.clone())
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(Transport::server(mocks[1].clone(), far.0)),
            hyper::service::service_fn(answer),
        );
    executor.execute(async move {
        // Its client leaves it without a word where all is done.
        let _ = server.await;
    });
    let done = Arc::new(AtomicUsize::new(0));
    let count = exchanges.len();
    let io = Transport::client(mocks[0].clone(), near.0);
    let mut client = h2::client::Builder::new();
    if near.1.seed % 2 == 0 {
        // Of all that is to come nobody has to say more.
        client
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 23);
    }
    let client = run(client, io, exchanges, executor.clone(), Arc::clone(&done));
    executor.execute(client);
    let mut tasks = Tasks::default();
    loop {
        tasks.run(&executor);
        // The network: it moves when nobody else does.
        let mut moves = false;
        for (from, to) in [(0, 1), (1, 0)] {
            let octets = std::mem::take(&mut mocks[from].state().wire);
            moves |= !octets.is_empty();
            mocks[to].deliver(&octets);
            if mocks[from].state().shut_down {
                let was = std::mem::replace(&mut mocks[to].state().eof, true);
                moves |= !was;
            }
        }
        for mock in &mocks {
            moves |= mock.become_ready();
        }
        if !moves {
            break;
        }
    }
    assert_eq!(done.load(Ordering::SeqCst), count, "requests hang");
    assert_eq!(tasks.len(), 0, "connections hang");
    drop(tasks);
    assert_eq!(pool.stats().outstanding, 0, "buffers are kept");
}

async fn run(
    builder: h2::client::Builder,
    io: Transport<Mock>,
    exchanges: Vec<Exchange>,
    executor: Executor,
    done: Arc<AtomicUsize>,
) {
    let (mut client, connection) = builder.handshake(io).await.expect("a handshake");
    executor.execute(async move {
        connection.await.expect("a sound connection");
    });
    let mut ends: Vec<oneshot::Receiver<()>> = Vec::new();
    for exchange in exchanges {
        while exchange.waits
            && let Some(end) = ends.pop()
        {
            end.await.expect("it is done");
        }
        client = client.ready().await.expect("room for a stream");
        let up: usize = exchange.up.iter().sum();
        let request = Request::post(format!("http://a/{up}/{}", exchange.down));
        let request = request.body(()).expect("a request");
        let (response, mut body) = client.send_request(request, false).expect("a stream");
        let mut at = 0;
        for n in &exchange.up {
            let sent = body.send_data(pattern(at, *n), false);
            // The server may have answered and reset it.
            sent.expect("an open stream");
            at += n;
        }
        if exchange.resets {
            body.send_reset(h2::Reason::CANCEL);
        } else {
            body.send_data(Bytes::new(), true).expect("an end");
        }
        let done = Arc::clone(&done);
        let (is_done, end) = oneshot::channel();
        ends.push(end);
        executor.execute(async move {
            if !exchange.resets {
                receive(response, &exchange).await;
            }
            done.fetch_add(1, Ordering::SeqCst);
            let _ = is_done.send(());
        });
    }
}

async fn receive(response: h2::client::ResponseFuture, exchange: &Exchange) {
    let mut body = response.await.expect("a response").into_body();
    let mut at = 0;
    while let Some(data) = body.data().await {
        let data = data.expect("a sound body");
        assert!(
            data == pattern(at, data.len()),
            "octets are lost or changed"
        );
        at += data.len();
        body.flow_control()
            .release_capacity(data.len())
            .expect("what has come");
        if exchange.drops.is_some_and(|drops| at > drops) {
            return;
        }
    }
    assert_eq!(at, exchange.down);
}

/// Reads the request, and gives it what it asks for.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, mut body) = request.into_parts();
    let mut numbers = parts.uri.path().split('/').skip(1);
    let mut number = || {
        numbers
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number")
    };
    let (up, down): (usize, usize) = (number(), number());
    let mut at = 0;
    while let Some(frame) = body.frame().await {
        // It was reset.
        let Ok(frame) = frame else {
            return Ok(Response::default());
        };
        let data = frame.into_data().expect("no trailers");
        assert!(
            data == pattern(at, data.len()),
            "octets are lost or changed"
        );
        at += data.len();
    }
    assert_eq!(at, up);
    Ok(Response::new(Full::new(pattern(0, down))))
}
