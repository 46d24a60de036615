//! Tasks and futures that are dropped, at each of their awaits.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use framewright::{EndStream, Frame, FrameWriter, StreamId};
use tokio::io::{AsyncRead, ReadBuf};

use crate::ends::{Outcome, STEPS, Setup, World};
use crate::executor::{self, Executor};
use crate::octets::{BROKEN_PIPE, SHORT};
use crate::runs::{Plan, Run, Trouble, run};
use crate::tls::Tls;
use crate::wire::{self, End, Shape, Wire, report};

/// Drops each task of a run after each of its polls: the ends' own, hyper's, those of
/// handlers and of PINGs. All the others end.
fn each_task(plan: Plan<'_>, name: &str) {
    let mut runs = 0;
    let mut most_to_hang = usize::MAX;
    for setup in [Setup::Bare, Setup::Default, Setup::Loaded] {
        let world = World::new(setup);
        let mut hang = BTreeSet::new();
        let Run { tasks, .. } = run(&world, plan, Trouble::None);
        assert!(tasks > 10, "{tasks} tasks");
        for task in 0..tasks {
            for polls in 0.. {
                runs += 1;
                let Run { fired, hangs, .. } = run(&world, plan, Trouble::Task(task, polls));
                if hangs {
                    hang.insert(task);
                }
                if !fired {
                    break;
                }
            }
        }
        // Of hyper's tasks that others wait for there are no more.
        assert!(hang.len() <= most_to_hang, "{hang:?}, {setup:?}, {plan:?}");
        most_to_hang = most_to_hang.min(hang.len());
    }
    report(name, runs);
}

#[test]
fn each_task_is_dropped_at_each_await() {
    for shape in Shape::ALL {
        each_task(Plan::new(shape, SHORT), "tasks dropped");
    }
    each_task(
        Plan::new(Shape::Choppy, 9_000),
        "tasks dropped, larger bodies",
    );
}

#[test]
fn each_task_is_dropped_at_each_await_over_tls() {
    let tls = Tls::new();
    for shape in [Shape::Roomy, Shape::Choppy] {
        let plan = Plan::new(shape, SHORT).over_tls(&tls);
        each_task(plan, "tasks dropped, TLS");
    }
}

/// The connection goes on, as it is the stream alone that is dropped.
#[test]
fn each_request_is_dropped_at_each_await() {
    let mut runs = 0;
    for shape in Shape::ALL {
        for setup in [Setup::Bare, Setup::Default, Setup::Loaded] {
            let (world, plan) = (World::new(setup), Plan::new(shape, SHORT));
            for step in 0..STEPS {
                for polls in 0.. {
                    let trouble = Trouble::Step(step, polls);
                    let Run {
                        outcomes, fired, ..
                    } = run(&world, plan, trouble);
                    let mut steps = outcomes.requests.iter().enumerate();
                    let is_fine =
                        steps.all(|(at, outcome)| at == step || *outcome == Outcome::Fine);
                    assert!(is_fine, "{outcomes:?}, {setup:?}, {plan:?}, {trouble:?}");
                    assert_eq!(outcomes.driver, Outcome::Fine, "{setup:?}, {trouble:?}");
                    // A reset may come when the client is gone.
                    let is_late = outcomes.server == BROKEN_PIPE;
                    assert!(is_late || outcomes.server == Outcome::Fine, "{outcomes:?}");
                    runs += 1;
                    if !fired {
                        break;
                    }
                }
            }
        }
    }
    report("requests dropped", runs);
}

/// Octets that came, up to the end or until there are none for now.
async fn drain(end: &mut End, seen: &mut Vec<u8>) {
    std::future::poll_fn(|cx| {
        loop {
            let mut octets = [0; 4_096];
            let mut buf = ReadBuf::new(&mut octets);
            match Pin::new(&mut *end).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if buf.filled().is_empty() => return Poll::Ready(()),
                Poll::Ready(Ok(())) => seen.extend(buf.filled()),
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

/// What is flushed after a flush was dropped goes on where that was.
#[test]
fn each_flush_of_frames_is_dropped_at_each_await() {
    let (mut clean, mut runs) = (Vec::new(), 0);
    for shape in Shape::ALL {
        for polls in 0.. {
            runs += 1;
            let world = World::new(Setup::Bare);
            let executor = Executor::default();
            let (_wire, mut from, mut to) = Wire::new(shape, None);
            let pool = world.pool.clone();
            let sent = executor.spawn("frames", async move {
                let writer = FrameWriter::new(pool);
                for stream in [1, 3, 5] {
                    let stream = StreamId::new(stream).expect("in range");
                    let octets = vec![7; 2_000];
                    let data = Frame::data(stream, octets, EndStream::Yes);
                    writer.push(data).expect("a good frame");
                }
                let cut = executor::cut(writer.flush_to(&mut from), polls).await;
                let was_cut = cut.is_none();
                writer.flush_to(&mut from).await.expect("all of it");
                assert!(writer.is_empty());
                was_cut
            });
            let seen = executor.spawn("reads", async move {
                let mut seen = Vec::new();
                drain(&mut to, &mut seen).await;
                seen
            });
            executor.run();
            assert!(executor.unfinished().is_empty());
            let (was_cut, seen) = (sent.take().expect("done"), seen.take().expect("done"));
            if clean.is_empty() {
                clean.clone_from(&seen);
            }
            assert_eq!(seen.len(), 3 * 2_009);
            assert!(seen == clean, "other octets, {shape:?}, {polls}");
            assert_eq!(world.pool.stats().outstanding, 0, "{shape:?}, {polls}");
            if !was_cut {
                break;
            }
            wire::count_faults(1);
        }
    }
    report("flushes dropped", runs);
}

/// TLS handshakes that are dropped: the other end is told by the end of the wire.
#[test]
fn each_handshake_is_dropped_at_each_await() {
    let (tls, mut runs) = (Tls::new(), 0);
    for shape in Shape::ALL {
        for cut_server in [false, true] {
            for polls in 0.. {
                runs += 1;
                let world = World::new(Setup::Loaded);
                let executor = Executor::default();
                let (wire, client, server) = Wire::new(shape, None);
                let of = move |cut: bool| if cut { polls } else { usize::MAX };
                let (to, by) = (world.clone(), tls.clone());
                let accepted = executor.spawn("accepts", async move {
                    let accepts = by.accept(&to, server);
                    executor::cut(accepts, of(cut_server))
                        .await
                        .map(|io| io.map(drop))
                });
                let (to, by) = (world.clone(), tls.clone());
                let connected = executor.spawn("connects", async move {
                    let connects = by.connect(&to, client);
                    executor::cut(connects, of(!cut_server))
                        .await
                        .map(|io| io.map(drop))
                });
                executor.run();
                assert!(executor.unfinished().is_empty());
                assert!(wire.is_released());
                world.check(&format!("{shape:?}, {cut_server}, {polls}"));
                let ends = [connected, accepted].map(|end| end.take().expect("done"));
                let [dropped, other] = match cut_server {
                    true => [&ends[1], &ends[0]],
                    false => [&ends[0], &ends[1]],
                };
                if dropped.is_some() {
                    break;
                }
                // A client may be done before the server is.
                if let Some(Err(error)) = other {
                    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe];
                    assert!(kinds.contains(&error.kind()), "{error:?}");
                }
                wire::count_faults(1);
            }
        }
    }
    report("handshakes dropped", runs);
}
