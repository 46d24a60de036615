//! A peer that writes its own frames, sends bodies as it is granted credit, and
//! checks everything that it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use framewright::FrameType;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::audit::{Audit, Stack};
use crate::common::pattern;
use crate::raw::{
    ACK, END_HEADERS, END_STREAM, INITIAL_WINDOW_SIZE, PREFACE, Peer, Received, frame, settings,
    string, window_update,
};

const PADDED: u8 = 0x8;
/// Octets of a frame at most.
const FRAME: usize = 16_384;
/// More credit than anything here takes.
const PLENTY: u32 = 1 << 30;

/// A request with a body, whose fields are literals.
pub(crate) fn post(stream: u32, path: &str, length: Option<usize>) -> Vec<u8> {
    // :method POST, :scheme http
    let mut block = vec![0x83, 0x86, 0x04];
    string(&mut block, path);
    block.push(0x01);
    string(&mut block, "test");
    if let Some(length) = length {
        block.push(0x00);
        string(&mut block, "content-length");
        string(&mut block, &length.to_string());
    }
    frame(FrameType::HEADERS, END_HEADERS, stream, &block)
}

/// The head of a response: 200.
pub(crate) fn ok(stream: u32, length: Option<usize>) -> Vec<u8> {
    let mut block = vec![0x88];
    if let Some(length) = length {
        block.push(0x00);
        string(&mut block, "content-length");
        string(&mut block, &length.to_string());
    }
    frame(FrameType::HEADERS, END_HEADERS, stream, &block)
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    frame(FrameType::RST_STREAM, 0, stream, &CANCEL)
}

/// How DATA frames are padded: octets of content and of padding in each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Padding {
    pub(crate) content: usize,
    pub(crate) padding: u8,
}

pub(crate) struct Sender {
    peer: Peer,
    pub(crate) audit: Audit,
    /// Whether PINGs are acknowledged.
    pub(crate) answers: bool,
    /// What came on each stream.
    pub(crate) came: BTreeMap<u32, BytesMut>,
    /// Streams that the other end has begun, ended, and reset.
    pub(crate) begun: Vec<u32>,
    pub(crate) ended: BTreeSet<u32>,
    pub(crate) reset: BTreeSet<u32>,
    /// Of PINGs of this end.
    answered: u64,
}

impl Sender {
    /// A client, which grants all that it can.
    pub(crate) async fn client(address: SocketAddr, stack: Stack) -> Self {
        let mut sender = Self::on(
            Peer::connect(address, &[(INITIAL_WINDOW_SIZE, PLENTY)]).await,
            stack,
        );
        sender.peer.send(&window_update(0, PLENTY)).await;
        sender
    }

    /// A server, for a client that sends requests without bodies.
    pub(crate) async fn server(mut io: TcpStream, stack: Stack) -> Self {
        let mut preface = [0; PREFACE.len()];
        io.read_exact(&mut preface).await.expect("a preface");
        assert_eq!(preface, PREFACE);
        let mut sender = Self::on(Peer::on(io), stack);
        sender.peer.send(&settings(&[])).await;
        sender
    }

    fn on(peer: Peer, stack: Stack) -> Self {
        Self {
            peer,
            audit: Audit::new(stack),
            answers: true,
            came: BTreeMap::new(),
            begun: Vec::new(),
            ended: BTreeSet::new(),
            reset: BTreeSet::new(),
            answered: 0,
        }
    }

    /// Sends what changes no window.
    pub(crate) async fn send(&mut self, octets: &[u8]) {
        self.peer.send(octets).await;
    }

    /// Sends a head: from now on the stream's body may go.
    pub(crate) async fn open(&mut self, stream: u32, head: &[u8]) {
        self.audit.opened(stream);
        self.peer.send(head).await;
    }

    pub(crate) async fn cancel(&mut self, stream: u32) {
        self.audit.ended(stream);
        self.peer.send(&reset(stream)).await;
    }

    /// Receives one frame; `false` at the end of the connection.
    pub(crate) async fn receive(&mut self) -> bool {
        let Some(received) = self.peer.frame().await else {
            return false;
        };
        self.handle(&received).await;
        true
    }

    async fn handle(&mut self, received: &Received) {
        self.audit.check(received);
        let stream = received.stream();
        if received.is(FrameType::SETTINGS) && !received.is_ack() {
            self.send(&frame(FrameType::SETTINGS, ACK, 0, &[])).await;
        } else if received.is(FrameType::PING) {
            if received.is_ack() {
                self.answered += 1;
            } else if self.answers {
                self.send(&frame(FrameType::PING, ACK, 0, &received.payload))
                    .await;
            }
        } else if received.is(FrameType::HEADERS) {
            self.begun.push(stream);
        } else if received.is(FrameType::DATA) {
            let came = self.came.entry(stream).or_default();
            came.extend_from_slice(&received.payload);
        } else if received.is(FrameType::GOAWAY) {
            // A last stream, and no error.
            assert_eq!(received.payload[4..8], [0; 4], "{received:?}");
        } else if received.is(FrameType::RST_STREAM) {
            // Nothing may follow it.
            self.reset.insert(stream);
            self.audit.ended(stream);
            self.audit.settle(&[stream].into());
        }
        if received.ends_stream() {
            self.ended.insert(stream);
        }
    }

    /// Receives until the other end refuses the connection; with which error code.
    pub(crate) async fn refused(&mut self) -> u32 {
        while let Some(received) = self.peer.frame().await {
            if received.is(FrameType::GOAWAY)
                && let Some(&code) = received.payload[4..].first_chunk()
                && code != [0; 4]
            {
                return u32::from_be_bytes(code);
            }
        }
        panic!("the connection has ended without an error")
    }

    /// Receives what is there.
    pub(crate) async fn catch_up(&mut self) {
        loop {
            let received = {
                let mut frame = pin!(self.peer.frame());
                let now = |cx: &mut Context<'_>| Poll::Ready(frame.as_mut().poll(cx));
                std::future::poll_fn(now).await
            };
            match received {
                Poll::Ready(Some(received)) => self.handle(&received).await,
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }

    /// Receives for so long.
    pub(crate) async fn linger(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(received) = tokio::time::timeout_at(end, self.peer.frame()).await {
            match received {
                Some(received) => self.handle(&received).await,
                None => return,
            }
        }
    }

    /// Receives until this holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            assert!(self.receive().await, "the connection has ended");
        }
    }

    /// Sends a PING and waits until it is answered: the other end has read all that
    /// was sent before.
    pub(crate) async fn round_trip(&mut self) {
        let ended = self.audit.ended_so_far();
        let answered = self.answered;
        let ping = frame(FrameType::PING, 0, 0, b"roundtri");
        self.send(&ping).await;
        self.until(|me| me.answered > answered).await;
        self.audit.settle(&ended);
    }

    /// Sends one frame of DATA, for which there is credit.
    async fn data(&mut self, stream: u32, content: &[u8], padding: Option<u8>, end: bool) {
        let mut payload = Vec::with_capacity(content.len() + 256);
        let mut flags = if end { END_STREAM } else { 0 };
        if let Some(padding) = padding {
            flags |= PADDED;
            payload.push(padding);
        }
        payload.extend(content);
        payload.resize(payload.len() + usize::from(padding.unwrap_or(0)), 0);
        self.audit.sent(stream, payload.len());
        if end {
            self.audit.ended(stream);
        }
        let octets = frame(FrameType::DATA, flags, stream, &payload);
        self.send(&octets).await;
    }

    /// Sends bodies, in turn where there is credit, and ends their streams. Those of
    /// streams that are reset in the meantime are left.
    pub(crate) async fn bodies(&mut self, bodies: impl IntoIterator<Item = (u32, Bytes)>) {
        let mut bodies: Vec<_> = bodies.into_iter().collect();
        while !bodies.is_empty() {
            self.catch_up().await;
            bodies.retain(|(stream, _)| !self.reset.contains(stream));
            let mut moved = false;
            for (stream, body) in &mut bodies {
                let octets = self.audit.credit(*stream).min(FRAME).min(body.len());
                if octets > 0 || body.is_empty() {
                    let end = octets == body.len();
                    self.data(*stream, &body[..octets], None, end).await;
                    body.advance(octets);
                    moved = true;
                    if end {
                        *stream = 0;
                    }
                }
            }
            bodies.retain(|(stream, _)| *stream != 0);
            if !moved && !bodies.is_empty() {
                assert!(self.receive().await, "the connection has ended");
            }
        }
    }

    /// Sends a body in padded frames, a few of them with nothing but padding, and
    /// ends the stream.
    pub(crate) async fn padded(&mut self, stream: u32, mut body: Bytes, how: Padding) {
        // h2 takes a hundred on a connection.
        let mut empty = 20;
        while !body.is_empty() {
            let content = match empty {
                0 => how.content.min(body.len()),
                _ => 0,
            };
            empty = empty.max(1) - 1;
            let octets = content + 1 + usize::from(how.padding);
            self.catch_up().await;
            while self.audit.credit(stream) < octets {
                assert!(self.receive().await, "the connection has ended");
            }
            let content = body.split_to(content);
            self.data(stream, &content, Some(how.padding), false).await;
        }
        self.data(stream, &[], None, true).await;
    }

    /// Sends as much of a body as there is credit for, and returns how much that was
    /// once nothing more is granted for a while.
    pub(crate) async fn fill(&mut self, stream: u32, body: &Bytes) -> usize {
        let mut sent = 0;
        loop {
            self.catch_up().await;
            let octets = self.audit.credit(stream).min(FRAME).min(body.len() - sent);
            if octets > 0 {
                self.data(stream, &body[sent..sent + octets], None, false)
                    .await;
                sent += octets;
            } else if sent == body.len() {
                return sent;
            } else {
                self.linger(Duration::from_millis(300)).await;
                if self.audit.credit(stream) == 0 {
                    return sent;
                }
            }
        }
    }

    /// Sends so much of a body, as it is granted credit.
    pub(crate) async fn part(&mut self, stream: u32, body: &mut Bytes, octets: usize) {
        let mut part = body.split_to(octets);
        while !part.is_empty() && !self.reset.contains(&stream) {
            self.catch_up().await;
            let octets = self.audit.credit(stream).min(FRAME).min(part.len());
            if octets == 0 {
                assert!(self.receive().await, "the connection has ended");
            } else {
                let content = part.split_to(octets);
                self.data(stream, &content, None, false).await;
            }
        }
    }

    /// Ends a stream with no more DATA.
    pub(crate) async fn end(&mut self, stream: u32) {
        self.data(stream, &[], None, true).await;
    }

    /// Uploads a pattern to `/digest`, and checks what the server has got.
    pub(crate) async fn upload(&mut self, stream: u32, seed: u64, octets: u64) {
        self.open(stream, &post(stream, "/digest", None)).await;
        self.bodies([(stream, pattern(seed, octets).into())]).await;
        self.digested(stream, seed, octets).await;
    }

    /// Waits for what the server has got.
    pub(crate) async fn digested(&mut self, stream: u32, seed: u64, octets: u64) {
        self.until(|me| me.ended.contains(&stream)).await;
        let (len, hash) = crate::ends::pattern_digest(seed, octets);
        let said = String::from_utf8_lossy(&self.came[&stream]);
        assert_eq!(said, format!("{len} {hash} false"));
    }
}
