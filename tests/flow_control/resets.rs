//! Streams that are reset, by either end and in whatever state, take no credit
//! with them: a large body comes after thousands of them.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::audit::Stack;
use crate::bounded;
use crate::common::{self, full, pattern};
use crate::ends::{Client, End, Handler, STREAM, Server, pattern_digest, until};
use crate::sender::{Sender, ok, post};

const TIMES: u32 = 3_000;
const AFTER: u64 = 100_000_000;
/// More than all windows at their floors, in the end.
const PART: usize = 20_000;

fn ways() -> [(End, framewright::WindowBudget); 3] {
    [(true, true), (true, false), (false, true)].map(|(layer, schedule)| {
        let (end, budget) = End::managed();
        let end = End {
            layer,
            schedule,
            ..end
        };
        (end, budget)
    })
}

/// `/digest` is answered at the end of the body, `/refused` at once and with what
/// has come of it unread, `/half` when a half was read.
fn handler() -> Handler {
    Handler::new(async |mut request: Request<common::ServiceBody>| {
        match request.uri().path() {
            "/refused" => {}
            "/half" => {
                let mut seen = 0;
                while seen < PART / 2 {
                    match request.body_mut().frame().await {
                        Some(Ok(frame)) => seen += frame.data_ref().map_or(0, Bytes::len),
                        _ => break,
                    }
                }
            }
            _ => {
                return common::answer(request)
                    .await
                    .unwrap_or_else(|never| match never {});
            }
        }
        Response::new(full(String::new()))
    })
}

#[tokio::test]
async fn a_client_resets_what_it_uploads() {
    for (end, budget) in ways() {
        bounded(async {
            let server = Server::start(end, handler()).await;
            let mut sender = Sender::client(server.address, Stack::known()).await;
            sender.round_trip().await;
            let body: Bytes = pattern(1, PART as u64).into();
            for i in 0..TIMES {
                let id = 2 * i + 1;
                sender.open(id, &post(id, "/digest", None)).await;
                // From nothing to all of it.
                let mut part = body.clone();
                let octets = (i as usize * 997) % PART;
                sender.part(id, &mut part, octets).await;
                sender.cancel(id).await;
                if i % 50 == 49 {
                    sender.round_trip().await;
                }
            }
            sender.upload(2 * TIMES + 1, 1, AFTER).await;
            let stats = server.connections()[0].stats();
            assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

#[tokio::test]
async fn a_server_refuses_what_is_uploaded() {
    for (end, budget) in ways() {
        bounded(async {
            let server = Server::start(end, handler()).await;
            let mut sender = Sender::client(server.address, Stack::known()).await;
            sender.round_trip().await;
            let body: Bytes = pattern(1, PART as u64).into();
            for i in 0..TIMES {
                let id = 2 * i + 1;
                let path = if i % 2 == 0 { "/refused" } else { "/half" };
                sender.open(id, &post(id, path, None)).await;
                let mut part = body.clone();
                sender.part(id, &mut part, PART).await;
                if i % 50 == 49 {
                    sender
                        .until(|me| me.reset.contains(&id) && me.ended.contains(&id))
                        .await;
                    sender.round_trip().await;
                }
            }
            sender.upload(2 * TIMES + 1, 1, AFTER).await;
            let stats = server.connections()[0].stats();
            assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

#[tokio::test]
async fn a_client_drops_what_it_downloads() {
    for (end, budget) in ways() {
        bounded(async {
            let server = Server::start(End::unmanaged(), Handler::common()).await;
            let client = Client::connect(&end, server.address).await;
            for i in 0..u64::from(TIMES) {
                let len = 1_000_000;
                let path = format!("/bytes?seed={i}&len={len}&chunk=20000");
                let mut body = client.get(&path).await.into_body();
                if i % 3 > 0 {
                    let frame = body.frame().await.expect("some").expect("no error");
                    assert!(frame.is_data());
                }
            }
            client.download(1, AFTER).await;
            let stats = client.connection.stats();
            assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

#[tokio::test]
async fn a_server_breaks_off_what_is_downloaded() {
    for (end, budget) in ways() {
        bounded(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let sending = tokio::spawn(async move {
                let (tcp, _) = listener.accept().await.expect("a client");
                let mut sender = Sender::server(tcp, Stack::known()).await;
                let body: Bytes = pattern(1, PART as u64).into();
                for i in 0..TIMES {
                    let id = 2 * i + 1;
                    sender.until(|me| me.begun.contains(&id)).await;
                    sender.open(id, &ok(id, None)).await;
                    sender.part(id, &mut body.clone(), PART).await;
                    sender.cancel(id).await;
                    sender.begun.clear();
                }
                sender.round_trip().await;
                let id = 2 * TIMES + 1;
                sender.until(|me| me.begun.contains(&id)).await;
                sender.open(id, &ok(id, None)).await;
                sender.bodies([(id, pattern(1, AFTER).into())]).await;
                sender.round_trip().await;
            });
            let client = Client::connect(&end, address).await;
            for i in 0..TIMES {
                // The reset may overtake the response.
                let request = Request::get("http://test/").body(full(String::new()));
                let response = client.send(request.expect("good")).await;
                // A third reads it, a third drops it, a third does before the reset.
                if i % 3 == 0 {
                    if let Ok(response) = response {
                        assert!(common::read(response.into_body()).await.is_err());
                    }
                } else if i % 3 == 1 {
                    tokio::task::yield_now().await;
                }
            }
            let response = client.get("/").await;
            let (seen, _) = common::read(response.into_body()).await.expect("whole");
            assert_eq!(seen, pattern_digest(1, AFTER));
            sending.await.expect("no panic");
            let stats = client.connection.stats();
            assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

/// More in all than the stack grants a connection at once, so that what is not given
/// back shows.
#[test]
fn what_is_reset_comes_to_more_than_all_windows() {
    assert!(u64::from(TIMES) * PART as u64 / 2 > u64::from(STREAM));
}
