//! Handlers, bodies and rules that panic: the task that does is gone, and what it
//! had goes back. The rest fares as on hyper alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use framewright::layer::FlowControlLayer;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tower_layer::Layer;

use crate::common;
use crate::ends::{self, BoxError, Client, Exec, Handler, Outcome, Panics, Setup, World};
use crate::executor::{Executor, Join, made_to_panic};
use crate::wire::{self, Shape, Wire, report};

#[derive(Clone, Copy, Debug)]
enum Where {
    /// In the server, at this path.
    Server(&'static str),
    /// In a body of the client's.
    Client,
}

/// Five requests, the third of which meets a panic, while the second is under way.
async fn converse(client: &Client, place: Where) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::of(client.download(1, 300).await, "")];
    let panics = async {
        let (path, body) = match place {
            Where::Server(path) => (path, common::full("x".repeat(700)).boxed()),
            Where::Client => ("/echo", Panics { left: 2 }.boxed()),
        };
        let request = Request::post(format!("http://test{path}"));
        let response = client.send(request.body(body).expect("good")).await?;
        common::read(response.into_body()).await?;
        Ok::<_, BoxError>(())
    };
    let (first, second) = tokio::join!(client.echo(2, 9_000), panics);
    outcomes.extend([Outcome::of(first, ""), Outcome::of(second, "")]);
    outcomes.push(Outcome::of(client.echo(3, 300).await, ""));
    outcomes.push(Outcome::of(client.download(4, 300).await, ""));
    outcomes
}

/// How it all comes out.
#[derive(Debug, PartialEq, Eq)]
struct Fares {
    requests: Option<Vec<Outcome>>,
    driver: Outcome,
    server: Outcome,
    /// Tasks that have panicked.
    panics: usize,
    /// Tasks that wait for those.
    waiting: Vec<&'static str>,
}

fn run(setup: Setup, shape: Shape, place: Where) -> Fares {
    let (world, executor) = (World::new(setup), Executor::default());
    let exec = Exec::Hand(executor.clone());
    let (wire, client, server) = Wire::new(shape, None);
    let io = world.server_io(server);
    let server = executor.spawn("the server", ends::serve(world.clone(), exec.clone(), io));
    let io = world.client_io(client);
    let (of, tasks) = (world.clone(), executor.clone());
    let drivers = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&drivers);
    let requests = executor.spawn("requests", async move {
        let (client, driver) = Client::connect(&of, exec, io).await.expect("connected");
        to.lock().push(tasks.spawn("the driver", driver));
        converse(&client, place).await
    });
    executor.run();
    wire::count_faults(1);
    let about = format!("{setup:?}, {shape:?}, {place:?}");
    let drivers = drivers.lock();
    let outcome = |result: Option<hyper::Result<()>>| {
        result.map_or(Outcome::Dropped, |result| Outcome::of(result, ""))
    };
    let fares = Fares {
        requests: requests.take(),
        driver: outcome(drivers.first().and_then(Join::take)),
        server: outcome(server.take()),
        panics: executor.panics(),
        waiting: executor.unfinished(),
    };
    executor.shut_down();
    assert!(wire.is_released(), "an end is kept, {about}");
    world.check(&about);
    fares
}

#[test]
fn a_panic_stays_where_it_is() {
    let places = [
        Where::Server("/panic/call"),
        Where::Server("/panic/future"),
        Where::Server("/panic/reading"),
        Where::Server("/panic/body"),
        Where::Client,
    ];
    for shape in Shape::ALL {
        for place in places {
            let bare = run(Setup::Bare, shape, place);
            assert_eq!(bare.panics, 1, "one task has panicked, {place:?}");
            for setup in [Setup::Default, Setup::Loaded] {
                let fares = run(setup, shape, place);
                assert_eq!(fares, bare, "{setup:?}, {shape:?}, {place:?}");
            }
        }
    }
    report("panics", 45);
}

/// A rule of a layer panics, once.
#[test]
fn a_panic_in_a_rule_of_a_layer_harms_no_other_request() {
    let (world, executor) = (World::new(Setup::Loaded), Executor::default());
    let exec = Exec::Hand(executor.clone());
    let (wire, client, server) = Wire::new(Shape::Narrow, None);
    let io = world.server_io(server);
    let calls = Arc::new(AtomicU64::new(0));
    let layer = FlowControlLayer::new().classify(move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) == 1 {
            made_to_panic();
        }
        None
    });
    let service = TowerToHyperService::new(layer.layer(Handler(world.clone())));
    let builder = hyper::server::conn::http2::Builder::new(exec.clone());
    let serving = builder.serve_connection(TokioIo::new(io), service);
    let server = executor.spawn("the server", serving);
    let io = world.client_io(client);
    let (of, tasks) = (world.clone(), executor.clone());
    let requests = executor.spawn("requests", async move {
        let (client, driver) = Client::connect(&of, exec, io).await.expect("connected");
        tasks.spawn("the driver", driver);
        let mut outcomes = Vec::new();
        for seed in 0..4 {
            outcomes.push(client.echo(seed, 2_000).await.is_ok());
        }
        outcomes
    });
    executor.run();
    wire::count_faults(1);
    assert!(executor.unfinished().is_empty() && wire.is_released());
    assert_eq!(executor.panics(), 1);
    // Where the panic is caught is hyper's affair; here in the task of its stream.
    assert_eq!(requests.take().expect("done"), [true, false, true, true]);
    assert!(server.take().expect("done").is_ok());
    executor.shut_down();
    world.check(&"a rule that panics");
}
