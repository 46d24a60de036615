//! A peer that ends its octets at any place and reads on: it gets what it would get
//! from hyper alone.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ends::{self, BoxIo, Client, Exec, Outcome, Setup, World};
use crate::executor::Executor;
use crate::octets::SHORT;
use crate::wire::{self, End, Shape, Side, Wire, report};

/// The octets that one end of a clean run on hyper alone has sent.
pub(crate) fn record(side: Side) -> Vec<u8> {
    let (world, executor) = (World::new(Setup::Bare), Executor::default());
    let exec = Exec::Hand(executor.clone());
    let (_wire, client, server) = Wire::new(Shape::Roomy, None);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let record = |io: End, is_it: bool| -> BoxIo {
        let sent = is_it.then(|| Arc::clone(&sent));
        Box::new(Recorded { io, sent })
    };
    let io = record(server, side == Side::Server);
    executor.spawn("the server", ends::serve(world.clone(), exec.clone(), io));
    let io = record(client, side == Side::Client);
    let tasks = executor.clone();
    executor.spawn("requests", async move {
        let (client, driver) = Client::connect(&world, exec, io).await.expect("connected");
        tasks.spawn("the driver", driver);
        ends::converse(&client, SHORT, "", None).await
    });
    executor.run();
    assert!(executor.unfinished().is_empty());
    let sent = std::mem::take(&mut *sent.lock());
    assert!(sent.len() > 500);
    sent
}

/// Keeps what is written.
struct Recorded {
    io: End,
    sent: Option<Arc<Mutex<Vec<u8>>>>,
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let (Poll::Ready(Ok(n)), Some(sent)) = (&polled, &self.sent) {
            sent.lock().extend(&buf[..*n]);
        }
        polled
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// By stream, the types of its frames with their flags or codes, and its DATA.
type Meaning = BTreeMap<u32, (Vec<(u8, u8)>, Vec<u8>)>;

/// What octets of a server say, but for how DATA is cut, and for frames that the
/// transport may add: of windows, and PINGs of its own. Also what is left of a frame
/// that was cut off.
fn meaning(mut octets: &[u8]) -> (Meaning, &[u8]) {
    let mut streams = Meaning::new();
    while let [a, b, c, kind, flags, stream @ ..] = octets {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some(payload) = octets.get(9..9 + length) else {
            break;
        };
        let stream = u32::from_be_bytes([stream[0], stream[1], stream[2], stream[3]]);
        let said = match kind {
            // DATA, as to whether it is the last.
            0 => (flags & 1 == 1).then_some((0, 1)),
            // RST_STREAM and GOAWAY, with their codes.
            3 => Some((3, payload[3])),
            7 => Some((7, payload[7])),
            6 if flags & 1 == 0 => None,
            8 => None,
            _ => Some((*kind, *flags)),
        };
        if said.is_some() || *kind == 0 {
            let (frames, data) = streams.entry(stream).or_default();
            frames.extend(said);
            if *kind == 0 {
                data.extend(payload);
            }
        }
        octets = &octets[9 + length..];
    }
    (streams, octets)
}

/// Whether one says the same as the other, as far as it goes.
fn agree(one: &Meaning, other: &Meaning) -> bool {
    one.iter().all(|(stream, (frames, data))| {
        let Some((others, more)) = other.get(stream) else {
            return true;
        };
        let of_frames = frames.iter().zip(others).all(|(one, other)| one == other);
        of_frames && data.iter().zip(more).all(|(one, other)| one == other)
    })
}

/// What the server says to so many octets of a client, and what its connection comes
/// to.
fn replay(setup: Setup, shape: Shape, octets: &[u8]) -> (Vec<u8>, Outcome) {
    let (world, executor) = (World::new(setup), Executor::default());
    let exec = Exec::Hand(executor.clone());
    let (wire, mut client, server) = Wire::new(shape, None);
    let io = world.server_io(server);
    let server = executor.spawn("the server", ends::serve(world.clone(), exec, io));
    let sent = octets.to_vec();
    let answer = executor.spawn("a raw client", async move {
        let mut answer = Vec::new();
        let (mut at, mut ended) = (0, false);
        std::future::poll_fn(|cx| {
            while at < sent.len() {
                match Pin::new(&mut client).poll_write(cx, &sent[at..]) {
                    Poll::Ready(Ok(n)) => at += n,
                    Poll::Ready(Err(_)) => at = sent.len(),
                    Poll::Pending => break,
                }
            }
            if at == sent.len() && !std::mem::replace(&mut ended, true) {
                let _ = Pin::new(&mut client).poll_shutdown(cx);
            }
            loop {
                let mut space = [0; 4_096];
                let mut buf = ReadBuf::new(&mut space);
                match Pin::new(&mut client).poll_read(cx, &mut buf) {
                    Poll::Ready(Ok(())) if buf.filled().is_empty() => return Poll::Ready(()),
                    Poll::Ready(Ok(())) => answer.extend(buf.filled()),
                    Poll::Ready(Err(error)) => panic!("{error}"),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        answer
    });
    executor.run();
    wire::count_faults(1);
    let about = format!("{setup:?}, {shape:?}, after {}", octets.len());
    assert!(executor.unfinished().is_empty(), "hangs, {about}");
    let answer = answer.take().expect("done");
    let outcome = Outcome::of(server.take().expect("done"), "");
    assert!(wire.is_released(), "an end is kept, {about}");
    executor.shut_down();
    world.check(&about);
    (answer, outcome)
}

#[test]
fn a_client_that_ends_its_octets_anywhere_is_answered() {
    let octets = record(Side::Client);
    let mut runs = 0;
    for shape in Shape::ALL {
        for at in 0..=octets.len() {
            let (expected, outcome) = replay(Setup::Bare, shape, &octets[..at]);
            for setup in [Setup::Default, Setup::Loaded] {
                let (seen, ends) = replay(setup, shape, &octets[..at]);
                runs += 1;
                let about = format!("{setup:?}, {shape:?}, after {at}");
                assert_eq!(ends, outcome, "{about}");
                let (seen, expected) = (meaning(&seen), meaning(&expected));
                match shape {
                    Shape::Roomy => assert_eq!(seen, expected, "{about}"),
                    // hyper leaves what has not gone; how much that is, is up to who is
                    // faster.
                    _ => assert!(agree(&seen.0, &expected.0), "{seen:?} {expected:?} {about}"),
                }
            }
        }
    }
    report("half-closed", runs);
}
