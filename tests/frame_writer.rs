//! Requests made by hand with `FrameWriter`, read by a real HTTP/2 server.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use framewright::{BufferPool, EndStream, Frame, FrameWriter, Padding, Priority, StreamId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the server saw of one request.
#[derive(Debug, PartialEq)]
struct Request {
    path: String,
    long: usize,
    body: Vec<u8>,
    trailer: Option<String>,
}

/// Serves one connection until the client closes it.
async fn serve(listener: TcpListener) -> BTreeMap<u32, Request> {
    let (tcp, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        .max_frame_size(20_000)
        .max_header_list_size(1 << 20)
        .handshake::<_, Bytes>(tcp)
        .await
        .unwrap();
    let mut tasks = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tasks.push(tokio::spawn(async move {
            let id = request.body().stream_id().as_u32();
            let path = request.uri().path().to_owned();
            let long = request
                .headers()
                .get("long")
                .map_or(0, http::HeaderValue::len);
            let mut stream = request.into_body();
            let mut body = Vec::new();
            while let Some(chunk) = stream.data().await {
                let chunk = chunk.unwrap();
                let _ = stream.flow_control().release_capacity(chunk.len());
                body.extend_from_slice(&chunk);
            }
            let trailers = stream.trailers().await.unwrap();
            let trailer = trailers.map(|map| map["check"].to_str().unwrap().to_owned());
            respond
                .send_response(http::Response::new(()), true)
                .unwrap();
            let request = Request {
                path,
                long,
                body,
                trailer,
            };
            (id, request)
        }));
    }
    let mut requests = BTreeMap::new();
    for task in tasks {
        let (id, request) = task.await.unwrap();
        requests.insert(id, request);
    }
    requests
}

/// A field as an HPACK literal without indexing (RFC 7541, section 6.2.2).
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        // An integer with a prefix of 7 bits (RFC 7541, section 5.1).
        let mut length = text.len();
        if length < 127 {
            block.push(length as u8);
        } else {
            block.push(127);
            length -= 127;
            while length >= 128 {
                block.push(length as u8 | 0x80);
                length >>= 7;
            }
            block.push(length as u8);
        }
        block.extend_from_slice(text.as_bytes());
    }
}

fn request_block(path: &str, long: usize) -> Vec<u8> {
    let mut block = Vec::new();
    field(&mut block, ":method", "POST");
    field(&mut block, ":scheme", "http");
    field(&mut block, ":authority", "test.example");
    field(&mut block, ":path", path);
    if long > 0 {
        field(&mut block, "long", &"x".repeat(long));
    }
    block
}

/// Reads frames until every stream was answered. Acknowledges SETTINGS, with
/// the limit that they bring.
async fn read_answers(
    mut read: tokio::net::tcp::OwnedReadHalf,
    writer: &FrameWriter,
    wake: &tokio::sync::Notify,
    mut streams: usize,
) {
    while streams > 0 {
        let mut head = [0; 9];
        read.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        read.read_exact(&mut payload).await.unwrap();
        match (head[3], head[4]) {
            (1, flags) => streams -= usize::from(flags & 1),
            (4, 0) => {
                for parameter in payload.chunks(6) {
                    if parameter[..2] == [0, 5] {
                        let limit = u32::from_be_bytes(parameter[2..].try_into().unwrap());
                        writer.set_max_frame_size(limit).unwrap();
                    }
                }
                writer.push(Frame::settings_ack()).unwrap();
                wake.notify_one();
            }
            (6, 0) => {
                let payload = payload.try_into().unwrap();
                writer.push(Frame::ping_ack(payload)).unwrap();
                wake.notify_one();
            }
            (3 | 7, _) => panic!("the server refuses: {head:?} {payload:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_real_server_reads_what_is_written_by_hand() {
    const STREAMS: u32 = 12;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener));
    let (read, mut io) = TcpStream::connect(address).await.unwrap().into_split();
    io.write_all(PREFACE).await.unwrap();

    let writer = FrameWriter::new(BufferPool::default());
    let wake = tokio::sync::Notify::new();
    writer.push(Frame::settings([(4, 1 << 20)])).unwrap();
    let mut expected = BTreeMap::new();
    for n in 0..STREAMS {
        let id = 2 * n + 1;
        let stream = StreamId::new(id).unwrap();
        let path = format!("/request/{n}");
        let long = if n % 4 == 0 { 50_000 } else { 0 };
        let block = request_block(&path, long);
        writer.push_headers(stream, block, EndStream::No).unwrap();
        let priority = Priority::new(n as u8 % 8).incremental(n % 2 == 0);
        writer.set_priority(stream, priority);

        // The credit that every server gives: 65,535 octets for all of them.
        let body: Vec<u8> = (0..5_000).map(|i| (i * (n + 3)) as u8).collect();
        let chunks = body[..3_000].chunks(700).map(Bytes::copy_from_slice);
        writer.push_data(stream, chunks, EndStream::No).unwrap();
        let trailer = (n % 3 == 0).then(|| format!("sum-{n}"));
        let end = match trailer {
            Some(_) => EndStream::No,
            None => EndStream::Yes,
        };
        let padding = Padding::Octets(7 * n as u16);
        writer
            .push_data_region(stream, &body, 3_000, 2_000, padding, end)
            .unwrap();
        if let Some(trailer) = &trailer {
            let mut block = Vec::new();
            field(&mut block, "check", trailer);
            writer.push_headers(stream, block, EndStream::Yes).unwrap();
        }
        let request = Request {
            path,
            long,
            body,
            trailer,
        };
        expected.insert(id, request);
    }
    let write = async {
        loop {
            writer.flush_to(&mut io).await.unwrap();
            wake.notified().await;
        }
    };
    let read = read_answers(read, &writer, &wake, STREAMS as usize);
    timeout(Duration::from_secs(20), async {
        tokio::select! {
            () = read => {}
            () = write => {}
        }
    })
    .await
    .expect("the server answers");
    drop(io);
    let seen = timeout(Duration::from_secs(20), server).await;
    assert_eq!(seen.expect("the server ends").unwrap(), expected);
}

/// 24 MB through one stream, in credit as the server gives it.
#[tokio::test]
async fn a_large_body_passes_a_real_server_with_few_write_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener));
    let (mut read, mut io) = TcpStream::connect(address).await.unwrap().into_split();
    io.write_all(PREFACE).await.unwrap();
    let writer = FrameWriter::new(BufferPool::default());
    writer.push(Frame::settings([])).unwrap();
    let stream = StreamId::new(1).unwrap();
    let block = request_block("/large", 0);
    writer.push_headers(stream, block, EndStream::No).unwrap();
    let body: Bytes = (0..24_000_000u32).map(|i| (i >> 7) as u8).collect();

    let (mut sent, mut credit) = (0, [65_535_i64; 2]);
    let (mut frames, mut calls) = (0, 0);
    let transfer = async {
        loop {
            let room = credit[0].min(credit[1]).max(0) as usize;
            let piece = room.min(body.len() - sent);
            if piece > 0 {
                let end = if sent + piece == body.len() {
                    EndStream::Yes
                } else {
                    EndStream::No
                };
                let chunk = body.slice(sent..sent + piece);
                writer.push_data(stream, [chunk], end).unwrap();
                sent += piece;
                credit = credit.map(|credit| credit - piece as i64);
            }
            let report = writer.flush_to(&mut io).await.unwrap();
            frames += report.frames;
            calls += report.write_calls;
            let mut head = [0; 9];
            read.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            read.read_exact(&mut payload).await.unwrap();
            match (head[3], head[4]) {
                (1, _) => break,
                (3 | 7, _) => panic!("the server refuses: {head:?} {payload:?}"),
                (4, 0) => {
                    writer.push(Frame::settings_ack()).unwrap();
                    for parameter in payload.chunks(6) {
                        if parameter[..2] == [0, 4] {
                            let window = u32::from_be_bytes(parameter[2..].try_into().unwrap());
                            credit[1] += i64::from(window) - 65_535;
                        }
                    }
                }
                (8, _) => {
                    let increment = u32::from_be_bytes(payload.try_into().unwrap());
                    credit[usize::from(head[8])] += i64::from(increment);
                }
                _ => {}
            }
        }
    };
    timeout(Duration::from_secs(20), transfer)
        .await
        .expect("the server reads it all");
    drop((io, read));
    let seen = timeout(Duration::from_secs(20), server).await;
    let seen = seen.expect("the server ends").unwrap();
    assert_eq!(seen[&1].body, body);
    assert!(calls < frames, "{calls} write calls for {frames} frames");
}
