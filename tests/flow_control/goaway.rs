//! Connections that end while bodies are on their way.

use bytes::Bytes;
use framewright::FrameType;
use http::Request;
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::audit::Stack;
use crate::bounded;
use crate::common::{self, Pattern, pattern};
use crate::ends::{Client, End, Handler, Server, pattern_digest, text, until};
use crate::raw::frame;
use crate::sender::{Sender, ok};

const OCTETS: u64 = 20_000_000;

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

/// What a client uploads arrives, though the server has said goodbye.
#[tokio::test]
async fn a_server_that_shuts_down_gracefully() {
    for (end, budget) in ways() {
        bounded(async {
            let server = Server::start(end.clone(), Handler::common()).await;
            let client = Client::connect(&end, server.address).await;
            let body = Pattern::new(1, OCTETS, 50_000).boxed();
            let request = Request::post("http://test/digest").body(body);
            let upload = client.send(request.expect("good"));
            let shutdown = async {
                let connection = server.connection().await;
                until(|| connection.stats().inbound_octets > 1_000_000).await;
                server.shut_down();
            };
            let (response, ()) = tokio::join!(upload, shutdown);
            let (len, hash) = pattern_digest(1, OCTETS);
            let said = text(response.expect("a response")).await;
            assert_eq!(said, format!("{len} {hash} false"));
            until(|| client.is_closed()).await;
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

/// And what a client downloads.
#[tokio::test]
async fn a_peer_that_says_goodbye_in_mid_download() {
    for (end, budget) in ways() {
        bounded(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let sending = tokio::spawn(async move {
                let (tcp, _) = listener.accept().await.expect("a client");
                let mut sender = Sender::server(tcp, Stack::known()).await;
                sender.until(|me| me.begun == [1]).await;
                sender.open(1, &ok(1, None)).await;
                let mut body: Bytes = pattern(1, OCTETS).into();
                sender.part(1, &mut body, 3_000_000).await;
                // The last stream is 1, and nothing is wrong.
                let goodbye = [0, 0, 0, 1, 0, 0, 0, 0];
                sender.send(&frame(FrameType::GOAWAY, 0, 0, &goodbye)).await;
                sender.round_trip().await;
                sender.audit.goaway();
                sender.bodies([(1, body)]).await;
                // hyper's client closes the connection after that.
                while sender.receive().await {}
            });
            let client = Client::connect(&end, address).await;
            let response = client.get("/").await;
            let (seen, _) = common::read(response.into_body()).await.expect("whole");
            assert_eq!(seen, pattern_digest(1, OCTETS));
            until(|| client.is_closed()).await;
            drop(client);
            sending.await.expect("no panic");
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

/// A connection that is cut off gives all of its budget back.
#[tokio::test]
async fn a_connection_that_breaks_off() {
    for (end, budget) in ways() {
        bounded(async {
            let server = Server::start(end.clone(), Handler::common()).await;
            for i in 0..10 {
                let mut sender = Sender::client(server.address, Stack::known()).await;
                sender
                    .open(1, &crate::sender::post(1, "/digest", None))
                    .await;
                let mut body: Bytes = pattern(1, OCTETS).into();
                sender.part(1, &mut body, i * 1_000_000).await;
            }
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}
